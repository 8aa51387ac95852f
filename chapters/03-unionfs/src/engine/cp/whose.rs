//! Whom copies belong to, and what of their originals they have besides. Whoever wrote a file in a container
//! may be nobody to be trusted on the host.

use crate::engine::metadata::{self, Metadata};
use anyhow::Result;
use kernel::{Errno, xattr};
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::sys::stat::{FchmodatFlags, Mode, SFlag, fchmodat};
use nix::unistd::{Gid, Uid, fchownat};
use std::ffi::CStr;
use std::os::fd::{AsRawFd, OwnedFd};

/// The set-user-ID and the set-group-ID bit.
const SET_ID: u32 = 0o6000;

/// That the owner of a device may read and write it.
const OWNERS: u32 = 0o600;

/// Whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Whoever the originals belonged to.
    Kept,
    /// Root of the container.
    Container,
    /// Us, on the host. What was a program that runs as its owner, or a device that is everybody's, would
    /// be one of ours.
    Ours,
}

impl Whose {
    /// Gives a new file owner, mode and attributes; by the file itself, whatever its name leads to by now.
    pub(crate) fn dress(self, file: &OwnedFd, kind: SFlag, metadata: &Metadata) -> Result<()> {
        if self == Whose::Kept {
            let owner = (Some(Uid::from_raw(metadata.uid)), Some(Gid::from_raw(metadata.gid)));
            // First of all: a change of owner clears set-user-ID bits and capabilities.
            fchownat(file, c"", owner.0, owner.1, AtFlags::AT_EMPTY_PATH)
                .map_err(|errno| metadata.unmapped(errno))?;
        }
        if kind == SFlag::S_IFLNK {
            return Ok(());
        }
        let mode = Mode::from_bits_truncate(self.mode(kind, metadata.mode));
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        fchmodat(AT_FDCWD, path.as_str(), mode, FchmodatFlags::FollowSymlink)?;
        for (name, value) in metadata.xattrs.iter().filter(|(name, _)| self.has(name)) {
            match xattr::set(file, name, value) {
                // As cp(1): where a file system keeps none, none is kept.
                Err(Errno::ENOTSUP) => {}
                set => set.map_err(|errno| metadata::refused(name, errno))?,
            }
        }
        Ok(())
    }

    fn mode(self, kind: SFlag, mode: u32) -> u32 {
        // LAB 03.5 rights: what of it may become ours on the host
        match (self, kind) {
            (Whose::Ours, SFlag::S_IFCHR | SFlag::S_IFBLK) => mode & OWNERS,
            (Whose::Ours, _) => mode & !SET_ID,
            _ => mode,
        }
    }

    /// Whether a copy has this attribute, too. Labels are the host's to give, and access lists name users.
    fn has(self, name: &CStr) -> bool {
        let name = name.to_bytes();
        match self {
            _ if name.starts_with(b"user.") => true,
            Whose::Kept => name == b"security.capability" || name.starts_with(b"system.posix_acl_"),
            Whose::Container => name == b"security.capability",
            Whose::Ours => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_comes_out_of_a_container_has_rights_unasked() {
        let (file, device) = (SFlag::S_IFREG, SFlag::S_IFBLK);
        assert_eq!(
            (Whose::Ours.mode(file, 0o6755), Whose::Ours.mode(device, 0o666)),
            (0o755, 0o600)
        );
        for whose in [Whose::Kept, Whose::Container] {
            assert_eq!((whose.mode(file, 0o6755), whose.mode(device, 0o666)), (0o6755, 0o666));
            assert!(whose.has(c"security.capability") && !whose.has(c"security.selinux"));
        }
        assert!(Whose::Ours.has(c"user.a") && !Whose::Ours.has(c"security.capability"));
        assert!(Whose::Kept.has(c"system.posix_acl_access"));
        assert!(
            !Whose::Container.has(c"system.posix_acl_access") && !Whose::Kept.has(c"trusted.a")
        );
    }
}
