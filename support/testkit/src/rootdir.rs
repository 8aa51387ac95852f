//! Root directories that a test makes for itself: good ones, and ones that lie.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use nix::sys::stat::Mode;
use tempfile::TempDir;

use crate::scratch;

/// A directory with nothing in it but /probe; it vanishes with the value.
pub struct RootDir(TempDir);

impl RootDir {
    /// A new one.
    pub fn new() -> RootDir {
        RootDir(scratch()).program("/probe", probe::PROGRAM)
    }

    /// Where it is, as the argument ROOT of `run`.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// The place on the host of a path inside the root.
    pub fn at(&self, inside: &str) -> PathBuf {
        self.path().join(inside.trim_start_matches('/'))
    }

    /// With a directory.
    pub fn directory(self, inside: &str) -> RootDir {
        fs::create_dir_all(self.at(inside)).unwrap_or_else(|error| panic!("{inside}: {error}"));
        self
    }

    /// With a file, and the directories above it.
    pub fn file(self, inside: &str, contents: impl AsRef<[u8]>) -> RootDir {
        let place = self.place(inside);
        fs::write(&place, contents).unwrap_or_else(|error| panic!("{}: {error}", place.display()));
        self
    }

    /// With an executable file.
    pub fn program(self, inside: &str, contents: impl AsRef<[u8]>) -> RootDir {
        let root = self.file(inside, contents);
        fs::set_permissions(root.at(inside), Permissions::from_mode(0o755))
            .expect("the file is ours");
        root
    }

    /// With a symbolic link.
    pub fn symlink(self, inside: &str, target: impl AsRef<Path>) -> RootDir {
        let place = self.place(inside);
        symlink(target, &place).unwrap_or_else(|error| panic!("{}: {error}", place.display()));
        self
    }

    /// With a FIFO, on which an open for reading waits for ever.
    pub fn fifo(self, inside: &str) -> RootDir {
        let place = self.place(inside);
        nix::unistd::mkfifo(&place, Mode::from_bits_truncate(0o644)).expect("a FIFO can be made");
        self
    }

    fn place(&self, inside: &str) -> PathBuf {
        let place = self.at(inside);
        let parent = place.parent().expect("a path inside a directory has a parent");
        fs::create_dir_all(parent).unwrap_or_else(|error| panic!("{}: {error}", parent.display()));
        place
    }
}

impl Default for RootDir {
    fn default() -> RootDir {
        RootDir::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileTypeExt;

    #[test]
    fn a_root_is_made_to_measure_and_vanishes() {
        let root = RootDir::new()
            .file("/etc/passwd", "root:x:0:0::/root:/bin/sh\n")
            .symlink("/proc", "/outside")
            .fifo("/run/fifo")
            .directory("/srv");
        assert_eq!(
            fs::read_to_string(root.at("/etc/passwd")).unwrap(),
            "root:x:0:0::/root:/bin/sh\n"
        );
        assert_eq!(fs::read_link(root.at("proc")).unwrap(), Path::new("/outside"));
        assert!(root.at("/run/fifo").metadata().unwrap().file_type().is_fifo());
        assert_eq!(root.at("/probe").metadata().unwrap().permissions().mode() & 0o777, 0o755);
        let path = root.path().to_owned();
        drop(root);
        assert!(!path.exists());
    }
}
