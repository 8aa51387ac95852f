//! The report itself: its shape, its facts, and that making it changes nothing.

use crate::host::{Host, Report};
use nix::sys::utsname::uname;
use nix::unistd::geteuid;

#[test]
fn a_report_is_whole_and_its_facts_are_the_kernels() {
    let report = testkit::chapter(1).words("doctor --json").run();
    let report = Report::new(report.status().code().unwrap(), &report.text());
    report.is("namespace-pid", "ok").is("container", "ok").is("mount-calls", "ok");
    let value = &report.value;
    assert_eq!(value["schema"], 1);
    assert_eq!(value["host"]["kernel"], uname().unwrap().release().to_str().unwrap());
    assert_eq!(value["host"]["architecture"], uname().unwrap().machine().to_str().unwrap());
    assert_eq!(value["host"]["uid"], geteuid().as_raw());
    assert_eq!(value["host"]["data"]["directory"], testkit::shared_root().to_str().unwrap());
    let expected = if testkit::is_root() { "root" } else { "lab box" };
    assert_eq!(value["host"]["containers"], expected);
    for check in value["checks"].as_array().unwrap() {
        let status = check["status"].as_str().unwrap();
        assert!(["ok", "limited", "missing"].contains(&status), "{check:#}");
        assert_eq!(check["remedy"].is_null(), status == "ok", "{check:#}");
        assert!(!check["found"].as_str().unwrap().is_empty(), "{check:#}");
        for chapter in check["needed_by"].as_array().unwrap() {
            let works = &value["chapters"][chapter.as_u64().unwrap() as usize - 1]["works"];
            assert!(status != "missing" || works == "no", "{check:#}");
        }
    }
    let numbers: Vec<u64> = value["chapters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|chapter| chapter["number"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6]);
    report.chapter(1, value["chapters"][0]["works"].as_str().unwrap());
}

#[test]
fn a_person_gets_a_table_that_fits() {
    let mut host = Host::new();
    host.change("mount --bind /dev/null /proc/uptime && cd \"$SCRATCH\"");
    // The status of a command whose output is kept is doctor's.
    let (code, _) = host.run("\"$MINIDOCK\" --rootless doctor > report");
    assert_eq!(code, 1);
    let text = std::fs::read_to_string(host.directory().join("scratch/report")).unwrap();
    for line in text.lines() {
        assert!(line.chars().count() <= 100, "{line:?} in\n{text}");
    }
    let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("no {what:?} in\n{text}"));
    assert!(at("CHECK ") < at("CHAPTER ") && at("CHAPTER ") < at("REMEDIES"), "{text}");
    let lines: Vec<&str> = text.lines().collect();
    let proc = lines.iter().find(|line| line.starts_with("proc  ")).unwrap();
    assert!(proc.contains("missing") && proc.contains("1-6"), "{proc}");
    // One remedy for both: the container fails because of /proc.
    let remedy = lines.iter().position(|line| *line == "proc, container:").expect("a remedy");
    assert_eq!(lines[remedy + 1], "    umount /proc/uptime");
}

#[test]
fn a_field_can_be_picked_and_an_unknown_one_is_named() {
    let release = uname().unwrap().release().to_str().unwrap().to_owned();
    let pick = |format: &str| testkit::chapter(1).words("doctor --format").arg(format).run();
    assert_eq!(pick("{{.host.kernel}}").trimmed(), release);
    pick("{{.nothing}}").code(1).stderr_contains("schema, version, host, checks, chapters");
}

#[test]
fn the_host_is_as_before() {
    let mut host = Host::new();
    host.change("cd \"$SCRATCH\"");
    host.change(
        "left() { cat /proc/self/mountinfo /proc/sys/net/ipv4/ip_forward; cut -d: -f1 /proc/net/dev; \
         ls -laR \"$MINIDOCK_ROOT\"; ls -a \"$MINIDOCK_ROOT/..\"; cat /proc/[0-9]*/comm | grep -vE '^(sh|cat|grep)$'; \
         find /sys/fs/cgroup -name '*minidock*' | wc -l; }",
    );
    // The first redirection makes the file that the second list has.
    host.change("touch before after; left > before; \"$MINIDOCK\" doctor; \"$MINIDOCK\" --rootless doctor; left > after");
    let read = |name: &str| std::fs::read_to_string(host.directory().join("scratch").join(name));
    let before = read("before").unwrap();
    assert!(before.contains("lo"), "{before}");
    assert_eq!(before, read("after").unwrap());
}

#[test]
fn what_a_killed_doctor_left_is_removed_by_the_next() {
    let mut host = Host::new();
    let left = host.directory().join("data/.minidock-doctor-4000000");
    std::fs::create_dir_all(left.join("upper")).unwrap();
    let (code, _) = host.run(&format!("touch -d '1 hour ago' '{}'", left.display()));
    assert_eq!(code, 0);
    host.doctor("").is("data-directory", "ok");
    assert!(!left.exists());
}
