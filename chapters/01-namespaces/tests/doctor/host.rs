//! A disposable host with a shell that goes on, so that a remedy can be carried out where the
//! diagnosis was made.

use serde_json::Value;
use std::path::Path;
use tempfile::TempDir;
use testkit::{Running, outer, random_token, scratch};

/// A host, and on it $MINIDOCK, $MINIDOCK_ROOT (a directory of its own) and $SCRATCH (another).
pub(crate) struct Host {
    shell: Running,
    scratch: TempDir,
}

impl Host {
    /// A host with everything that the machine has.
    pub(crate) fn new() -> Host {
        Host::within("")
    }

    /// A host with everything, whose limits on namespaces are its own: they belong to a user
    /// namespace.
    pub(crate) fn with_limits() -> Host {
        Host::within("unshare --user --map-root-user --mount --pid --net --fork --mount-proc")
    }

    /// A host whose root may mount control groups, whoever runs the test.
    pub(crate) fn with_control_groups() -> Host {
        Host::within("unshare --cgroup")
    }

    fn within(words: &str) -> Host {
        // Ends here, with a named skip, where this account may not make namespaces.
        drop(testkit::chapter(1));
        let scratch = scratch();
        for name in ["data", "scratch"] {
            std::fs::create_dir(scratch.path().join(name)).unwrap();
        }
        let shell = outer(&format!("exec {words} sh"))
            .env("MINIDOCK", testkit::binary(1))
            .env("MINIDOCK_ROOT", scratch.path().join("data"))
            .env("SCRATCH", scratch.path().join("scratch"))
            .open_stdin()
            .spawn();
        Host { shell, scratch }
    }

    /// Where this host's $SCRATCH and $MINIDOCK_ROOT are.
    pub(crate) fn directory(&self) -> &Path {
        self.scratch.path()
    }

    /// Runs a command, and returns its exit code and its output, which becomes one line.
    #[track_caller]
    pub(crate) fn run(&mut self, command: &str) -> (i32, String) {
        let token = random_token();
        self.shell.write(&format!(
            "output=$({command}\n); printf '{token} %s %s\\n' $? \"$(printf %s \"$output\" | tr '\\n' ' ')\"\n"
        ));
        let line = self.shell.wait_for_line(&token);
        let mut fields = line.splitn(3, ' ').skip(1);
        let code = fields.next().unwrap().parse().unwrap();
        (code, fields.next().unwrap_or("").to_owned())
    }

    /// Runs a command of this shell's own, such as an export, which has to succeed.
    #[track_caller]
    pub(crate) fn change(&mut self, command: &str) {
        let token = random_token();
        self.shell.write(&format!("{command}\necho {token} $?\n"));
        let line = self.shell.wait_for_line(&token);
        assert!(line.ends_with(" 0"), "{command}: {line}");
    }

    /// What doctor says.
    #[track_caller]
    pub(crate) fn doctor(&mut self, options: &str) -> Report {
        self.doctor_under("", options)
    }

    /// What doctor says when another program has started it.
    #[track_caller]
    pub(crate) fn doctor_under(&mut self, words: &str, options: &str) -> Report {
        let (code, text) = self.run(&format!("{words} \"$MINIDOCK\" {options} doctor --json"));
        Report::new(code, &text)
    }

    /// Carries out the remedy of a check, and returns what doctor says then.
    #[track_caller]
    pub(crate) fn mend(&mut self, report: &Report, name: &str, options: &str) -> Report {
        self.change(report.remedy(name));
        let mended = self.doctor(options);
        mended.is(name, "ok");
        mended
    }
}

/// What doctor has said.
pub(crate) struct Report {
    pub(crate) code: i32,
    pub(crate) value: Value,
}

impl Report {
    #[track_caller]
    pub(crate) fn new(code: i32, text: &str) -> Report {
        let value = serde_json::from_str(text);
        Report { code, value: value.unwrap_or_else(|error| panic!("{error} in {text:?}")) }
    }

    #[track_caller]
    pub(crate) fn check(&self, name: &str) -> &Value {
        let checks = self.value["checks"].as_array().expect("checks are a list");
        let found = checks.iter().find(|check| check["name"] == name);
        found.unwrap_or_else(|| panic!("no check {name} in {:#}", self.value))
    }

    #[track_caller]
    pub(crate) fn found(&self, name: &str) -> &str {
        self.check(name)["found"].as_str().expect("what was found is a text")
    }

    #[track_caller]
    pub(crate) fn remedy(&self, name: &str) -> &str {
        let remedy = self.check(name)["remedy"].as_str();
        remedy.unwrap_or_else(|| panic!("no remedy: {:#}", self.check(name)))
    }

    /// Claims the status of a check.
    #[track_caller]
    pub(crate) fn is(&self, name: &str, status: &str) -> &Report {
        let check = self.check(name);
        assert!(check["status"] == status, "expected {status}: {check:#}");
        self
    }

    /// Claims the status of a check, and that its remedy contains this.
    #[track_caller]
    pub(crate) fn needs(&self, name: &str, status: &str, remedy: &str) -> &Report {
        self.is(name, status);
        assert!(self.remedy(name).contains(remedy), "expected {remedy:?}: {:#}", self.check(name));
        self
    }

    /// Claims a chapter's outlook; and, for this one, the exit code that goes with it.
    #[track_caller]
    pub(crate) fn chapter(&self, number: usize, works: &str) -> &Report {
        let chapter = &self.value["chapters"][number - 1];
        assert!(
            chapter["works"] == works,
            "expected {works}: {chapter:#}\n{:#}",
            self.value["checks"]
        );
        if number == 1 {
            assert_eq!(self.code, i32::from(works == "no"), "exit code");
        }
        self
    }
}
