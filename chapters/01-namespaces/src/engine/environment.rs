//! The environment of a container: made from nothing, so that no variable of the host's comes in
//! unasked (`-e`, `--env-file`, environ(7)).

use anyhow::{Context, Result, bail};
use console::failure::Failure;
use std::collections::BTreeMap;
use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// Where programs are looked for, as in Docker.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// More than execve(2) takes by far.
const LIMIT: u64 = 16 << 20;

/// Variables by name.
#[derive(Debug, Default)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// What every container starts with.
    pub fn of_container(hostname: Option<&str>, home: &str, terminal: bool) -> Environment {
        let mut environment = Environment::default();
        environment.set("PATH", PATH);
        environment.set("HOME", home);
        if let Some(hostname) = hostname {
            environment.set("HOSTNAME", hostname);
        }
        if terminal {
            environment.set("TERM", "xterm");
        }
        environment
    }

    /// Sets a variable.
    pub fn set(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) {
        self.0.insert(name.as_ref().into(), value.as_ref().into());
    }

    /// Adds `NAME=value`, or a bare `NAME` with the host's value, if the host has one.
    pub fn add(&mut self, entry: &OsStr) -> Result<()> {
        let bytes = entry.as_bytes();
        let at = bytes.iter().position(|byte| *byte == b'=');
        let name = OsStr::from_bytes(&bytes[..at.unwrap_or(bytes.len())]);
        if name.is_empty() {
            let failure = Failure::new(format!("invalid environment variable: {entry:?}"));
            return Err(failure.remedy("write NAME=value, or NAME for the host's value").into());
        }
        match at {
            Some(at) => self.set(name, OsStr::from_bytes(&bytes[at + 1..])),
            None => match std::env::var_os(name) {
                Some(value) => self.set(name, value),
                None => drop(self.0.remove(name)),
            },
        }
        Ok(())
    }

    /// Adds the lines of a file: entries as above, comments after `#`, blank lines.
    pub fn add_file(&mut self, file: &Path) -> Result<()> {
        let text = read_file(file).with_context(|| format!("--env-file {}", file.display()))?;
        let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&text);
        for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
            let line = line.strip_suffix(b"\r").unwrap_or(line).trim_ascii_start();
            if line.is_empty() || line[0] == b'#' {
                continue;
            }
            let name = line.split(|byte| *byte == b'=').next().unwrap_or(line);
            if name.iter().any(u8::is_ascii_whitespace) || line.contains(&0) {
                bail!(
                    Failure::new(format!(
                        "{} line {number}: {:?} is no name for a variable",
                        file.display(),
                        String::from_utf8_lossy(name)
                    ))
                    .remedy("write NAME=value, without spaces before the =")
                );
            }
            self.add(OsStr::from_bytes(line))?;
        }
        Ok(())
    }

    /// Adds what another process was started with, so that a command which joins it finds the same.
    pub fn add_of_process(&mut self, pid: kernel::Pid) -> Result<()> {
        let file = format!("/proc/{pid}/environ");
        let bytes = match std::fs::read(&file) {
            // Another user of a lab box: what is not ours to read is left out.
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Vec::new(),
            bytes => bytes.context(file)?,
        };
        for entry in bytes.split(|byte| *byte == 0) {
            if let Some(at) = entry.iter().position(|byte| *byte == b'=').filter(|at| *at > 0) {
                self.set(OsStr::from_bytes(&entry[..at]), OsStr::from_bytes(&entry[at + 1..]));
            }
        }
        Ok(())
    }

    /// As execve(2) takes it.
    pub fn into_entries(self) -> Vec<CString> {
        let entry = |(name, value): (OsString, OsString)| {
            let bytes = [name.into_vec(), value.into_vec()].join(&b'=');
            CString::new(bytes).expect("neither arguments nor environments hold a NUL byte")
        };
        self.0.into_iter().map(entry).collect()
    }
}

/// Reads a regular file of bounded size: a device or a FIFO might never end.
fn read_file(file: &Path) -> Result<Vec<u8>> {
    let metadata = std::fs::metadata(file)?;
    if !metadata.is_file() || metadata.len() > LIMIT {
        let failure = Failure::new(format!("not a regular file of at most {} MiB", LIMIT >> 20));
        return Err(failure.remedy("copy what you need into a file, one NAME=value a line").into());
    }
    Ok(std::fs::read(file)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_gives_values_comments_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("env");
        std::fs::write(&file, "# comment\nA=1\r\n\n  B=two words = fine\nNOT_SET_ANYWHERE\nA=3")
            .unwrap();
        let mut environment = Environment::default();
        environment.add_file(&file).unwrap();
        assert_eq!(environment.into_entries(), [c"A=3", c"B=two words = fine"].map(CString::from));
    }

    #[test]
    fn a_name_with_a_space_is_refused_with_its_line() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("env");
        std::fs::write(&file, "A=1\nB C=2\n").unwrap();
        let error = Environment::default().add_file(&file).unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("B C"), "{error}");
    }
}
