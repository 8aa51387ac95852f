//! The machine itself: its kernel, what it runs inside of, and devices that are good to have.

use super::check::{ALL, Check, Status, partly};
use super::ground::Ground;
use kernel::capability::{Found, Refused, aside, processes};
use std::fs::OpenOptions;

/// The oldest kernel that everything is tested on.
const OLDEST: (u32, u32) = (5, 15);

/// The kernel's release, as in `uname -r`.
pub(super) fn release() -> String {
    std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned()
}

/// Whether this Linux is Windows' (WSL).
pub(super) fn is_wsl() -> bool {
    release().to_lowercase().contains("microsoft")
}

/// The distribution, as it calls itself (os-release(5)).
pub(super) fn distribution() -> String {
    let text = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.unwrap_or("unknown").trim_matches('"').to_owned()
}

/// Kernel, surroundings, and the calls about processes.
pub(super) fn checks(ground: &Ground) -> Vec<Check> {
    let architecture = std::env::consts::ARCH;
    let release = release();
    let kernel = match version(&release) {
        Some(version) if version >= OLDEST => Ok(format!("Linux {release}, {architecture}")),
        _ => Err(partly(format!("Linux {release}, {architecture}: older than 5.15"))),
    };
    let surroundings = match (&ground.inside, is_wsl()) {
        (None, false) => Ok("directly on a machine, real or virtual".into()),
        (None, true) if release.contains("WSL2") => Ok("WSL2".into()),
        (None, true) => Err(partly("WSL1: not a Linux kernel")),
        (Some(inside), _) => Err(partly(format!("inside {inside}"))),
    };
    vec![
        Check::new("kernel", ALL, kernel, |_| {
            "boot Linux 5.15 or newer: a current release of the distribution has it".into()
        }),
        Check::new("surroundings", &[], surroundings, |_| match is_wsl() {
            true => "wsl.exe --set-default-version 2, in Windows".into(),
            false => "if anything below is missing, try outside of that container".into(),
        }),
        Check::new("process-calls", ALL, aside(processes::calls), |refused| {
            match refused.errno {
                // Filters of old container runtimes refuse what they do not know.
                Some(kernel::Errno::EPERM) => {
                    "start the outer container with: docker run --security-opt seccomp=unconfined"
                }
                _ => "boot Linux 5.15 or newer: a current release of the distribution has it",
            }
            .into()
        }),
    ]
}

fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// What no chapter needs.
pub(super) fn devices(ground: &Ground) -> Vec<Check> {
    let known = std::fs::read_to_string("/proc/misc").unwrap_or_default();
    let load = (!known.lines().any(|line| line.ends_with(" tun"))).then(|| "modprobe tun".into());
    let make = ["mkdir -p /dev/net", "mknod -m 666 /dev/net/tun c 10 200"].map(String::from);
    let tun = ground.all_as_root(&load.into_iter().chain(make).collect::<Vec<_>>());
    let kvm = |refused: &Refused| match refused.errno {
        Some(kernel::Errno::EACCES) => {
            let account = &ground.account;
            format!("{} && newgrp kvm", ground.as_root(format!("usermod -aG kvm {account}")))
        }
        _ => ground.as_root("modprobe -a kvm_intel kvm_amd"),
    };
    vec![information("tun", "/dev/net/tun", move |_| tun), information("kvm", "/dev/kvm", kvm)]
}

fn information(
    name: &'static str,
    path: &'static str,
    remedy: impl FnOnce(&Refused) -> String,
) -> Check {
    let open = move || -> Found {
        let device = OpenOptions::new().read(true).write(true).open(path);
        device.map(|_| format!("{path} can be opened")).map_err(|error| Refused::io(path, &error))
    };
    let check = Check::new(name, &[], aside(open), remedy);
    debug_assert!(check.status != Status::Limited, "a device opens or does not");
    check
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_compared_by_its_first_two_numbers() {
        assert_eq!(version("6.8.0-45-generic"), Some((6, 8)));
        assert_eq!(version("5.15.153.1-microsoft-standard-WSL2"), Some((5, 15)));
        assert!(version("5.4.0").unwrap() < OLDEST && version("6.1-rc2").unwrap() > OLDEST);
        assert_eq!(version(""), None);
    }
}
