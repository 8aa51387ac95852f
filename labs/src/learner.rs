//! What is graded: a binary that was named, or the one that a learner's copy builds. What a learner was told is kept in
//! the copy, in a plain file.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::catalog::Chapter;

/// A directory with this in it is a learner's copy.
pub(crate) const LAB: &str = ".lab";
/// In there: the chapter's number; the whole files; what was told, a line each time.
pub(crate) const CHAPTER: &str = "chapter";
pub(crate) const SOLUTION: &str = "solution";
const HINTS: &str = "hints";

/// Where the solution is.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// A binary in any language; without it, the learner's copy is built
    #[arg(long, value_name = "PATH")]
    bin: Option<PathBuf>,
    /// The learner's copy [default: the one that this is called in]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// A solution.
pub(crate) struct Subject {
    /// None if it does not compile; cargo has said why.
    pub(crate) binary: Option<PathBuf>,
    /// The learner's copy, if there is one.
    pub(crate) copy: Option<PathBuf>,
}

impl Options {
    /// Finds it, and builds it if need be.
    pub(crate) fn find(&self, chapter: &Chapter) -> Result<Subject> {
        let copy = match &self.dir {
            Some(directory) => {
                let is_copy = directory.join(LAB).join(CHAPTER).exists();
                ensure!(is_copy, "{} is no learner's copy; `new` makes one", directory.display());
                Some(fs::canonicalize(directory)?)
            }
            None => std::env::current_dir()?
                .ancestors()
                .find(|directory| directory.join(LAB).join(CHAPTER).exists())
                .map(Path::to_owned),
        };
        let binary = match (&self.bin, &copy) {
            (Some(binary), _) => Some(executable(binary)?),
            (None, Some(copy)) => build(chapter, copy, None)?,
            (None, None) => bail!(
                "what is to be graded? Name a program (--bin PATH) or a learner's copy (--dir DIR, \
                 or call this in one); `new {} DIR` makes one",
                chapter.number
            ),
        };
        Ok(Subject { binary, copy })
    }
}

fn executable(path: &Path) -> Result<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let path = fs::canonicalize(path).with_context(|| format!("{}", path.display()))?;
    let about = fs::metadata(&path).with_context(|| format!("{}", path.display()))?;
    let usable = about.is_file() && about.permissions().mode() & 0o111 != 0;
    ensure!(usable, "{} is not an executable file", path.display());
    Ok(path)
}

/// Builds the chapter's binary in a copy of the workspace: the development profile, as that is quick.
pub(crate) fn build(
    chapter: &Chapter,
    copy: &Path,
    target: Option<&Path>,
) -> Result<Option<PathBuf>> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--quiet", "--message-format=json-render-diagnostics"])
        .args(["--package", &chapter.package, "--bin", &chapter.binary])
        .current_dir(copy)
        .stderr(Stdio::inherit());
    if let Some(target) = target {
        // Nobody debugs what is built for a proof.
        cargo.env("CARGO_TARGET_DIR", target).env("CARGO_PROFILE_DEV_DEBUG", "0");
    }
    let output = cargo.output().context("cannot start cargo")?;
    if !output.status.success() {
        return Ok(None);
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let built = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == *chapter.binary)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from));
    built.map(Some).with_context(|| format!("cargo named no executable {}", chapter.binary))
}

impl Subject {
    /// How many hints were given for a check: the levels 0 to 4 that were reached, each counted once.
    pub(crate) fn hints(&self, task: &str, check: &str) -> u8 {
        let Some(copy) = &self.copy else { return 0 };
        let told = fs::read_to_string(copy.join(LAB).join(HINTS)).unwrap_or_default();
        let levels = told.lines().filter_map(|line| {
            line.strip_prefix(&format!("{task} {check} "))?.trim().parse::<u8>().ok()
        });
        levels.map(|level| level + 1).max().unwrap_or(0)
    }

    /// Notes that this level was told.
    pub(crate) fn record(&self, task: &str, check: &str, level: u8) -> Result<()> {
        let Some(copy) = &self.copy else { return Ok(()) };
        let path = copy.join(LAB).join(HINTS);
        let file = fs::File::options().append(true).create(true).open(&path);
        file.and_then(|mut file| writeln!(file, "{task} {check} {level}"))
            .with_context(|| format!("cannot note the hint in {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_are_counted_by_the_highest_level() {
        let copy = tempfile::tempdir().unwrap();
        fs::create_dir(copy.path().join(LAB)).unwrap();
        let subject = Subject { binary: None, copy: Some(copy.path().to_owned()) };
        assert_eq!(subject.hints("01.2", "proc"), 0);
        for level in [0, 1, 1, 0] {
            subject.record("01.2", "proc", level).unwrap();
        }
        assert_eq!((subject.hints("01.2", "proc"), subject.hints("01.2", "pro")), (2, 0));
        let elsewhere = Subject { binary: None, copy: None };
        elsewhere.record("01.2", "proc", 3).unwrap();
        assert_eq!(elsewhere.hints("01.2", "proc"), 0);
    }

    #[test]
    fn only_a_program_can_be_graded() {
        assert!(executable(Path::new("/bin/sh")).is_ok());
        for wrong in ["/etc/passwd", "/bin", "/no/such/file"] {
            assert!(executable(Path::new(wrong)).is_err(), "{wrong}");
        }
    }
}
