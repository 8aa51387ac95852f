//! Open descriptors (RLIMIT_NOFILE in getrlimit(2)). A directory of a hundred layers is a hundred of them, and
//! those above it are open, too: the usual 1024 do not go far. The limit is raised where layers are looked
//! at, and only there: a container is to have its caller's.

use anyhow::{Error, Result};
use console::failure::Failure;
use kernel::Errno;
use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};
use std::io;

/// The limit is raised as far as it goes, until this is dropped.
pub(crate) struct Raised {
    /// Soft and hard.
    before: Option<(rlim_t, rlim_t)>,
}

impl Raised {
    /// Raises it.
    pub(crate) fn new() -> Raised {
        let before = getrlimit(Resource::RLIMIT_NOFILE).ok();
        if let Some((_, most)) = before {
            // Refused where fs.nr_open has been lowered since; who runs out of descriptors then says so.
            let _raised = setrlimit(Resource::RLIMIT_NOFILE, most, most);
        }
        Raised { before }
    }

    /// Leaves it so, in a process that starts no other.
    pub(crate) fn stay(mut self) {
        self.before = None;
    }
}

impl Drop for Raised {
    fn drop(&mut self) {
        if let Some((soft, hard)) = self.before {
            // To what it was it can always be lowered.
            let _lowered = setrlimit(Resource::RLIMIT_NOFILE, soft, hard);
        }
    }
}

/// Looks at layers with as many descriptors as there may be.
///
/// # Errors
/// That of `look`. If there were too few even so, that is told.
pub(crate) fn all<T>(look: impl FnOnce() -> Result<T>) -> Result<T> {
    let raised = Raised::new();
    let found = look();
    drop(raised);
    found.map_err(|error| if error.chain().any(is_exhausted) { too_few(error) } else { error })
}

fn is_exhausted(cause: &(dyn std::error::Error + 'static)) -> bool {
    let of_file = || cause.downcast_ref::<io::Error>()?.raw_os_error().map(Errno::from_raw);
    cause.downcast_ref::<Errno>().copied().or_else(of_file) == Some(Errno::EMFILE)
}

fn too_few(error: Error) -> Error {
    let most = getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(_, most)| most);
    let words = format!("so many layers take more than the {most} descriptors that we may have");
    error.context(
        Failure::new(words).remedy("raise the hard limit (ulimit -Hn), or use fewer layers"),
    )
}
