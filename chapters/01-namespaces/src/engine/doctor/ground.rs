//! Where the trials are made: as whom, on what kind of machine, and how commands are put there.

use super::check::{Check, Status};
use console::options::Global;
use kernel::Pid;
use kernel::capability::{Found, Refused, processes};
use kernel::namespace::Namespace;
use nix::unistd::{Uid, User, geteuid};
use std::path::{Path, PathBuf};

/// What is known before the first trial.
pub(super) struct Ground {
    /// Whether the command line was started by root.
    pub(super) root: bool,
    /// Whether containers run in the lab box here.
    pub(super) rootless: bool,
    /// The account.
    pub(super) uid: Uid,
    /// Its name, or its number.
    pub(super) account: String,
    /// Where our files go; none if that cannot be told.
    pub(super) data: Option<PathBuf>,
    /// What this runs inside of, if not directly on a machine.
    pub(super) inside: Option<String>,
    /// Set if the box cannot be made: what mends that.
    pub(super) shut: Option<String>,
}

impl Ground {
    /// Looks around.
    pub(super) fn look(global: &Global) -> Ground {
        let uid = geteuid();
        let name = User::from_uid(uid).ok().flatten().map(|user| user.name);
        Ground {
            root: uid.is_root(),
            rootless: !uid.is_root() || global.rootless,
            uid,
            account: name.unwrap_or_else(|| uid.to_string()),
            data: global.data_directory().ok(),
            inside: inside_of(),
            shut: None,
        }
    }

    /// A check whose trial needs the box, where there is to be one.
    pub(super) fn check(
        &self,
        name: &'static str,
        needed_by: &'static [u8],
        trial: impl FnOnce() -> Found,
        remedy: impl FnOnce(&Refused) -> String,
    ) -> Check {
        if let Some(remedy) = &self.shut {
            let found = "not tried: needs a user namespace".into();
            let remedy = Some(remedy.clone());
            return Check { name, status: Status::Missing, found, needed_by, remedy };
        }
        kernel::explain::heading("doctor", name, "the trial's child and its namespaces vanish");
        Check::new(name, needed_by, trial(), remedy)
    }

    /// A command as this account has to type it.
    pub(super) fn as_root(&self, command: impl std::fmt::Display) -> String {
        if self.root { command.to_string() } else { format!("sudo {command}") }
    }

    /// Several, one after the other.
    pub(super) fn all_as_root(&self, commands: &[String]) -> String {
        let commands: Vec<String> = commands.iter().map(|command| self.as_root(command)).collect();
        commands.join(" && ")
    }

    /// What to do if the right to try is missing: somebody else decides about it.
    pub(super) fn more_rights(&self) -> String {
        match (&self.inside, self.root) {
            (Some(_), _) => "start the outer container with: docker run --privileged".into(),
            (None, true) => "run it with all of root's capabilities: a service has to keep \
                             CAP_SYS_ADMIN"
                .into(),
            (None, false) => format!("sudo {} doctor", program()),
        }
    }

    /// The command that installs a package, whose name differs from one distribution to another.
    pub(super) fn install(&self, debian: &str, fedora: &str, arch: &str, alpine: &str) -> String {
        let managers = [
            ("apt-get", format!("apt-get install -y {debian}")),
            ("dnf", format!("dnf install -y {fedora}")),
            ("pacman", format!("pacman -S --noconfirm {arch}")),
            ("apk", format!("apk add {alpine}")),
            ("zypper", format!("zypper install -y {fedora}")),
        ];
        let here = managers.into_iter().find(|(manager, _)| is_program(manager));
        here.map_or(format!("install the package {debian}"), |(_, command)| self.as_root(command))
    }
}

/// The path of this program, as one types it.
pub(super) fn program() -> String {
    std::env::current_exe().map_or("minidock-01".into(), |path| path.display().to_string())
}

/// Whether a program is where programs are.
pub(super) fn is_program(name: &str) -> bool {
    let usual = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];
    is_on_path(name) || usual.iter().any(|directory| Path::new(directory).join(name).is_file())
}

/// Whether a program would be found by its name alone.
pub(super) fn is_on_path(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(name).is_file())
}

/// Whether our root is no mount, so that the kernel shows no line for it: a chroot.
pub(super) fn is_chroot() -> bool {
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    !table.lines().any(|line| line.split(' ').nth(4) == Some("/"))
}

/// The first user namespace of a machine has this number (linux/proc_ns.h).
pub(super) const FIRST_USER: u64 = 0xEFFF_FFFD;

/// And the first ones of these kinds have these.
const FIRST: [(Namespace, u64); 5] = [
    (Namespace::Pid, 0xEFFF_FFFC),
    (Namespace::User, FIRST_USER),
    (Namespace::Uts, 0xEFFF_FFFE),
    (Namespace::Ipc, 0xEFFF_FFFF),
    (Namespace::Cgroup, 0xEFFF_FFFB),
];

/// The container that we are in. The kernel's numbers say whether; a runtime's mark, which may lie
/// about anywhere, only says whose.
fn inside_of() -> Option<String> {
    let later = |(namespace, first): &&(Namespace, u64)| {
        processes::own(*namespace).is_some_and(|number| number != *first)
    };
    let later: Vec<&str> = FIRST.iter().filter(later).map(|(kind, _)| kind.name()).collect();
    // WSL2 gives each distribution namespaces of its own.
    if later.is_empty() || super::machine::is_wsl() && !Path::new("/.dockerenv").exists() {
        return None;
    }
    if crate::engine::spaces::container_of(Pid::this()).is_some() {
        return Some("a minidock container".into());
    }
    let marks = [("/.dockerenv", "Docker"), ("/run/.containerenv", "Podman")];
    if let Some((_, name)) = marks.into_iter().find(|(mark, _)| Path::new(mark).exists()) {
        return Some(name.into());
    }
    if let Ok(manager) = std::fs::read_to_string("/run/systemd/container") {
        return Some(manager.trim().into());
    }
    if std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() {
        return Some("Kubernetes".into());
    }
    Some(format!("somebody's {} namespaces", later.join(", ")))
}
