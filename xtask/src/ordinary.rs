//! The same test programs once more, run by an ordinary user. None need exist: in a mount namespace of the step's own,
//! /etc/passwd and its neighbours are covered with copies that know one more account with a range of subordinate ids.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::build;

/// The account. Its numbers are far from those that distributions give away.
const NAME: &str = "minidock-test";
const ID: u32 = 54321;
const SUBORDINATE: u32 = 1_500_000_000;

/// Covers the account files (setuid newuidmap reads them too) and becomes the user, for good and without capabilities.
const BECOME: &str = r#"
files=$1 id=$2; shift 2
for file in passwd group subuid subgid; do
    touch "/etc/$file"
    mount --bind "$files/$file" "/etc/$file"
done
exec setpriv --reuid="$id" --regid="$id" --clear-groups --inh-caps=-all -- "$@"
"#;

/// Runs every test program of the workspace as the user; run by an ordinary user itself, `test` is that already.
pub(crate) fn test() -> Result<()> {
    if !is_root()? {
        eprintln!("xtask: not root: the next step runs the tests as this ordinary user");
        return Ok(());
    }
    let (chapters, tests) = (build::chapters()?, build::tests("--workspace")?);
    let home = Home::new()?;
    let mut environment = vec![
        ("HOME".to_owned(), home.0.join("home")),
        ("TMPDIR".to_owned(), home.0.join("home")),
        ("INSTA_WORKSPACE_ROOT".to_owned(), super::workspace().to_owned()),
    ];
    for chapter in &chapters {
        if let Some(number) = chapter.name.strip_prefix("minidock-") {
            environment.push((format!("MINIDOCK_BIN_{number}"), home.copy(&chapter.path)?));
        }
    }
    let mut failed = Vec::new();
    for test in &tests {
        let program = home.copy(&test.path)?;
        println!("     Running {} as {NAME}", test.name);
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--propagation", "private", "--", "sh", "-euc", BECOME, "sh"])
            .arg(&home.0)
            .arg(ID.to_string())
            .arg(program)
            // The tree may lie where an ordinary user cannot look, so everything runs from copies.
            .current_dir(if readable(&test.package) { &test.package } else { &home.0 })
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .env("MINIDOCK_REQUIRE_PEERS", "1")
            .env("INSTA_UPDATE", "no")
            .env("USER", NAME)
            .env("LOGNAME", NAME)
            .env_remove("XDG_RUNTIME_DIR")
            .env_remove("XDG_DATA_HOME");
        if super::succeed(&mut command).is_err() {
            failed.push(test.name.as_str());
        }
    }
    if !failed.is_empty() {
        bail!("failed for an ordinary user: {}", failed.join(", "));
    }
    Ok(())
}

fn is_root() -> Result<bool> {
    let status =
        fs::read_to_string("/proc/self/status").context("cannot read /proc/self/status")?;
    Ok(status.lines().any(|line| line.starts_with("Uid:\t0\t0\t")))
}

/// Whether everybody may enter the directory and all those above it.
fn readable(directory: &Path) -> bool {
    directory
        .ancestors()
        .all(|part| part.metadata().is_ok_and(|about| about.permissions().mode() & 0o005 == 0o005))
}

/// A directory with the account files, the copied programs and the user's home; it goes with the value.
struct Home(PathBuf);

impl Home {
    fn new() -> Result<Home> {
        let home =
            Home(std::env::temp_dir().join(format!("minidock-ordinary-{}", std::process::id())));
        fs::create_dir(&home.0).with_context(|| format!("cannot make {}", home.0.display()))?;
        fs::set_permissions(&home.0, Permissions::from_mode(0o755))?;
        fs::create_dir(home.0.join("home"))?;
        chown(home.0.join("home"), Some(ID), Some(ID))
            .context("cannot give the home to the user")?;
        let directory = home.0.join("home").display().to_string();
        home.account("passwd", &format!("{NAME}:x:{ID}:{ID}::{directory}:/bin/sh"))?;
        home.account("group", &format!("{NAME}:x:{ID}:"))?;
        home.account("subuid", &format!("{NAME}:{SUBORDINATE}:65536"))?;
        home.account("subgid", &format!("{NAME}:{SUBORDINATE}:65536"))?;
        Ok(home)
    }

    /// A copy of one of the machine's account files, with our line behind its own.
    fn account(&self, name: &str, line: &str) -> Result<()> {
        // A machine without subordinate ids may lack the file; the copy then has our line only.
        let before = fs::read_to_string(Path::new("/etc").join(name)).unwrap_or_default();
        let separator = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
        fs::write(self.0.join(name), format!("{before}{separator}{line}\n"))
            .with_context(|| format!("cannot write the copy of /etc/{name}"))
    }

    fn copy(&self, program: &Path) -> Result<PathBuf> {
        let copy = self.0.join(program.file_name().context("a program has a name")?);
        fs::copy(program, &copy).with_context(|| format!("cannot copy {}", program.display()))?;
        fs::set_permissions(&copy, Permissions::from_mode(0o755))?;
        Ok(copy)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("xtask: {} is left over: {error}", self.0.display());
        }
    }
}
