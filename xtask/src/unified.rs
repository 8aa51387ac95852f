//! Test programs once more, in a virtual machine that has version 2 of control groups and nothing else: most machines that
//! run chapter 02's natively have version 1 beside it, or instead. Its kernel is older than what chapter 03 would like best.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::build;

/// Whose tests, and whether the guest has all that they ask for. Programs of other people are not in there; nor has its
/// tmpfs attributes of users, so that of the others only those are run that drive a binary; and as it is emulated, and slow,
/// of these only the ones that ask something of the kernel that is another question on an older one.
const PACKAGES: [(&str, bool); 2] = [("ch02-cgroups", true), ("ch03-unionfs", false)];

/// Runs each of them, also after one has failed.
const RUN_ALL: &str = r#"code=0; for test in "$@"; do echo "     Running $test"; "$test" $SKIPPED || code=1; done; exit $code"#;

/// The tests of chapter 03 that hold as well on any kernel: a container's life, and what is shown of it.
const OF_ANY_KERNEL: &str = "SKIPPED=--skip=life:: --skip=copying:: --skip=docker:: --skip=detached:: --skip=foreground:: --skip=views:: --skip=inspecting:: --skip=updating:: --skip=many:: --skip=together:: --skip=many_layers_need";

/// Runs the tests of each, also after one has failed.
pub(crate) fn test() -> Result<()> {
    let failed: Vec<String> = PACKAGES
        .iter()
        .filter_map(|(package, whole)| {
            let error = test_package(package, *whole).err()?;
            Some(format!("{package}: {error:#}"))
        })
        .collect();
    ensure!(failed.is_empty(), "{}", failed.join("; "));
    Ok(())
}

/// Builds the tests of a package and the chapters' programs and runs them as root of the guest.
fn test_package(name: &str, whole: bool) -> Result<()> {
    let (chapters, mut tests) = (build::chapters()?, build::tests(&format!("--package={name}"))?);
    tests.retain(|test| whole || test.name.starts_with("chapter"));
    let package = &tests.first().with_context(|| format!("{name} has no tests"))?.package;
    let vm = build::program("vm", "vm")?;
    let mut command = Command::new(vm.path);
    // Every processor of the guest is a thread of QEMU's. An emulated one is many times slower than ours.
    command.args(["run", "--cpus", "2", "--memory", "2048", "--timeout", "900"]);
    command.envs(build::variables(&chapters));
    if whole {
        // A named skip is for machines that lack something, and here is all there is to have.
        command.args(["--env", "MINIDOCK_REQUIRE_PEERS=1"]);
    } else {
        command.args(["--env", OF_ANY_KERNEL]);
    }
    for (name, value) in [
        ("INSTA_UPDATE", "no".into()),
        ("INSTA_WORKSPACE_ROOT", super::workspace().display().to_string()),
    ] {
        command.arg("--env").arg(format!("{name}={value}"));
    }
    // Snapshots are compared where their sources lie.
    command.arg("--add").arg(package.join("tests")).arg("--directory").arg(package);
    for test in &tests {
        command.arg("--add").arg(&test.path);
    }
    command.args(["sh", "-c", RUN_ALL, "sh"]).args(tests.iter().map(|test| &test.path));
    let mut guest = command.stdout(Stdio::piped()).spawn().context("cannot start vm")?;
    let mut passed = 0;
    for line in BufReader::new(guest.stdout.take().context("its output")?).split(b'\n') {
        let line = line.context("read the guest's output")?;
        let text = String::from_utf8_lossy(&line);
        passed += passed_tests(&text).unwrap_or(0);
        writeln!(std::io::stdout(), "{text}").context("standard output")?;
    }
    let status = guest.wait().context("wait for vm")?;
    if !status.success() {
        bail!("the virtual machine, or a test in it, ended with {status}");
    }
    ensure!(passed > 0, "no test was run");
    eprintln!("xtask: {passed} tests passed in the virtual machine");
    Ok(())
}

/// The number in `test result: ok. 3 passed; 0 failed; …`.
fn passed_tests(line: &str) -> Option<u32> {
    let counts = line.strip_prefix("test result: ok. ")?;
    counts.split_once(" passed")?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_harness_says_how_many_passed() {
        assert_eq!(passed_tests("test result: ok. 31 passed; 0 failed; 0 ignored"), Some(31));
        assert_eq!(passed_tests("test result: FAILED. 1 passed; 2 failed"), None);
        assert_eq!(passed_tests("test a ... ok"), None);
    }
}
