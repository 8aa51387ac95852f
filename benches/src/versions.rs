//! Which version of each program a number comes from, as the program says it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// Of all that take part; what is not installed has none.
pub fn all(minidock: &Path, grouped: &Path, layered: &Path) -> BTreeMap<String, String> {
    let asked = [
        ("minidock-01", minidock, "--version"),
        ("minidock-02", grouped, "--version"),
        ("minidock-03", layered, "--version"),
        ("rustc", Path::new("rustc"), "--version"),
        ("cc", Path::new("cc"), "--version"),
        ("unshare", Path::new("unshare"), "--version"),
        ("bwrap", Path::new("bwrap"), "--version"),
        ("runc", Path::new("runc"), "--version"),
        ("qemu", Path::new(vm::machine::QEMU), "--version"),
    ];
    let told = asked.into_iter().filter_map(|(name, program, option)| {
        Some((name.to_owned(), first_line(Command::new(program).arg(option))?))
    });
    let workspace = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let mut git = Command::new("git");
    git.args(["-C", workspace, "describe", "--always", "--dirty"]);
    let source = first_line(&mut git).map(|commit| ("source".to_owned(), commit));
    told.chain(source).collect()
}

fn first_line(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().next().map(str::to_owned).filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_says_its_version_or_has_none() {
        assert_eq!(
            first_line(Command::new("sh").args(["-c", "echo v1; echo v2"])),
            Some("v1".into())
        );
        assert_eq!(first_line(Command::new("sh").args(["-c", "echo v1; exit 1"])), None);
        assert_eq!(first_line(&mut Command::new("minidock-no-such-program")), None);
    }
}
