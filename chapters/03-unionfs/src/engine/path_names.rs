//! Paths as overlay takes them: in options, some signs mean something else, and there is a limit to their
//! length. A descriptor has a short name for every path.

use crate::engine::descriptors::Raised;
use kernel::mount;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The longest value that fsconfig(2) takes.
const LONGEST_VALUE: usize = 255;

/// Names that overlay understands: neither too long nor with a sign in them that means something to it.
#[derive(Default)]
pub(crate) struct PathNames {
    open: Vec<OwnedFd>,
    /// There may be hundreds of layers.
    raised: Option<Raised>,
}

impl PathNames {
    /// The path itself, if fsconfig(2) takes it.
    pub(crate) fn short(&mut self, path: &Path) -> CString {
        if path.as_os_str().len() > LONGEST_VALUE {
            self.descriptor(path)
        } else {
            self.plain(path)
        }
    }

    /// The path itself, unless a sign in it would be taken for an end.
    pub(crate) fn plain(&mut self, path: &Path) -> CString {
        let bytes = path.as_os_str().as_bytes();
        match CString::new(bytes) {
            Ok(name) if !bytes.iter().any(|byte| b",:\\".contains(byte)) => name,
            _ => self.descriptor(path),
        }
    }

    /// A descriptor of it, which has the shortest name of all. It is open until we are dropped.
    pub(crate) fn descriptor(&mut self, path: &Path) -> CString {
        self.raised.get_or_insert_with(Raised::new);
        match open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()) {
            Ok(directory) => {
                let name = format!("/proc/self/fd/{}", directory.as_raw_fd());
                self.open.push(directory);
                mount::option(name)
            }
            // Whoever gets this name says what is wrong with it.
            Err(_) => CString::new(path.as_os_str().as_bytes()).unwrap_or_default(),
        }
    }
}
