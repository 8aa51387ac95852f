//! Where containers are measured: a small root directory on a tmpfs in a mount namespace of our
//! own. No disk's history plays a part, and with the process all of it is gone.

use anyhow::{Context, Result, ensure};
use kernel::mount;
use nix::sched::{CloneFlags, unshare};
use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The command that every participant runs.
pub const COMMAND: &str = "/bin/true";
/// The static program that says a line and ends its machine, or its container: also a virtual
/// machine's first process.
pub const PROBE: &str = "/probe";

/// Directories for the benchmark's files.
pub struct Ground {
    directory: PathBuf,
}

impl Ground {
    /// Mounts a tmpfs on `directory`, seen by this process and its children only, and makes the
    /// root in it. Must come before any other thread: each would keep the host's mounts.
    ///
    /// # Errors
    /// Needs root.
    pub fn prepare(directory: &Path) -> Result<Ground> {
        fs::create_dir_all(directory)?;
        let directory = directory.canonicalize()?;
        unshare(CloneFlags::CLONE_NEWNS).context("unshare(CLONE_NEWNS)")?;
        // First of all: where / is shared, the host would see our tmpfs, too.
        mount::make_tree_private(c"/")?;
        let tmpfs = mount::new_file_system(c"tmpfs", c"minidock-bench", &[], 0)?;
        mount::attach_at(tmpfs, &CString::new(directory.as_os_str().as_bytes())?)?;
        let ground = Ground { directory };
        ground.make_root(&ground.root())?;
        Ok(ground)
    }

    /// The root directory of all containers.
    pub fn root(&self) -> PathBuf {
        self.path("root")
    }

    /// A place beside the root.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Makes a root: /probe, and the host's /bin/true with the libraries it needs at the same places, the loader's index of
    /// them, and directories to mount on.
    ///
    /// # Errors
    /// If there is no such file, or no room.
    pub fn make_root(&self, root: &Path) -> Result<()> {
        for name in ["proc", "sys", "dev"] {
            fs::create_dir_all(root.join(name))?;
        }
        let index = Path::new("/etc/ld.so.cache");
        let found = libraries(Path::new(COMMAND))?;
        let index = index.exists().then(|| index.to_owned());
        for file in found.into_iter().chain(index).chain([COMMAND.into()]) {
            let copy = root.join(file.strip_prefix("/")?);
            fs::create_dir_all(copy.parent().context("a file has a directory")?)?;
            fs::copy(&file, copy).with_context(|| format!("copy {}", file.display()))?;
        }
        let probe = root.join("probe");
        fs::write(&probe, probe::PROGRAM)?;
        fs::set_permissions(&probe, fs::Permissions::from_mode(0o755))?;
        Ok(())
    }
}

/// The libraries of a program and its loader, as ldd(1) lists them: `libc.so.6 => /lib/libc.so.6
/// (0x7f…)`, `/lib64/ld-linux-x86-64.so.2 (0x7f…)`. A static program has none.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("ldd").arg(program).output().context("ldd")?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(!text.contains("not found"), "ldd {}: {text}", program.display());
    Ok(text.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_libraries_of_a_shell_exist() {
        for library in libraries(Path::new("/bin/sh")).unwrap() {
            assert!(library.is_file(), "{}", library.display());
        }
    }
}
