//! Where images and layers are, and who may change them when. Two kinds of hold on one lock
//! (flock(2) on the directory of images):
//!
//! * *shared*, from the moment a name is looked up until it is written down that a container uses
//!   what it led to;
//! * *exclusive*, to change which images there are, and to remove what none of them, and no
//!   container, uses. What is new comes into its place under the same hold as the reference to it,
//!   or it would be swept as unused.

use crate::container::Record;
use crate::engine::descriptors::Raised;
use crate::engine::layout::Layout;
use crate::engine::scratch::{self, Scratch};
use crate::layer::Layers;
use crate::whiteout::Spelling;
use anyhow::{Context, Result};
use console::failure::Failure;
use console::options::Global;
use kernel::Pid;
use kernel::namespace::Namespace;
use namespaces::engine::labbox;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::statfs::{OVERLAYFS_SUPER_MAGIC, statfs};
use std::fs::File;
use std::path::{Path, PathBuf};

/// The first user namespace's number, the same on every kernel (PROC_USER_INIT_INO in proc_ns.h).
const FIRST_USERS: u64 = 0xEFFF_FFFD;

/// Blobs that are not yet in their place.
const INGEST: &str = ".ingest-";

/// The place of all our files.
pub struct Store {
    /// The directory.
    pub root: PathBuf,
    /// How marks are spelled in its layers.
    pub spelling: Spelling,
}

/// A hold on the store. It ends with this.
pub struct Hold(#[allow(dead_code, reason = "held, not read")] Flock<File>);

impl Store {
    /// The store of this command line, as root: without being it, in the lab box.
    pub fn enter(global: &Global) -> Result<Store> {
        // Asked before, as in the box everybody is root.
        let data = global.data_directory()?;
        labbox::enter_unless_root(global.rootless, false)?;
        Raised::new().stay();
        Ok(Store::open(data))
    }

    /// The same to look at, outside of the box: from in there, who runs cannot be seen.
    pub fn outside(global: &Global) -> Result<Store> {
        let store = Store::open(global.data_directory()?);
        let box_is_needed = global.rootless || !nix::unistd::geteuid().is_root();
        Ok(if box_is_needed { Store { spelling: Spelling::User, ..store } } else { store })
    }

    /// The store in this directory, which need not be there yet.
    pub fn open(root: PathBuf) -> Store {
        let first = Namespace::User.inode(Pid::this()) == Some(FIRST_USERS);
        // Also where it cannot be told: those attributes everybody may set. An overlay that our files
        // are on keeps them for us; trusted ones it takes for its own, but for Linux 6.7 and newer.
        let is_trusted = first && !lies_on_overlay(&root);
        let spelling = if is_trusted { Spelling::Trusted } else { Spelling::User };
        Store { root, spelling }
    }

    /// What a container's own layer lies on, the uppermost first.
    ///
    /// # Errors
    /// If a layer is missing; it is named.
    pub fn lower(&self, record: &Record) -> Result<Vec<PathBuf>> {
        if record.spelling != self.spelling {
            return Err(self.other_marks(record).into());
        }
        if let Some(directory) = &record.directory {
            return Ok(vec![directory.0.clone()]);
        }
        let layers = self.layers().directories(&record.layers);
        let layers = layers.with_context(|| format!("container {}", record.name))?;
        Ok(layers.into_iter().rev().collect())
    }

    /// Whoever goes by the wrong marks sees what is gone, and a mount with them is refused.
    fn other_marks(&self, record: &Record) -> Failure {
        let (made, remedy) = match record.spelling {
            Spelling::User => (
                "was made in the other user namespace, or with our files on an overlay",
                "use --rootless: there its marks are read",
            ),
            Spelling::Trusted if lies_on_overlay(&self.root) => (
                "was made with our files on no overlay",
                "put them on another file system again with --root, or remove it with `rm`",
            ),
            Spelling::Trusted => (
                "was made in the other user namespace",
                "leave out --rootless, as when it was made",
            ),
        };
        Failure::new(format!("container {} {made}", record.name)).remedy(remedy)
    }

    /// Holds the lab, if a container lies on it: `clean` leaves one that is held. None if it is gone, which
    /// is said by whoever mounts it.
    pub fn hold_lab(&self, record: &Record) -> Option<Hold> {
        let lab = record.directory.as_ref().filter(|_| record.root == "lab")?;
        let lab = File::open(lab).ok()?;
        Flock::lock(lab, FlockArg::LockSharedNonblock).ok().map(Hold)
    }

    /// Its images.
    pub fn layout(&self) -> Layout {
        Layout::at(self.root.join("images"))
    }

    /// Its layers.
    pub fn layers(&self) -> Layers {
        Layers::open(&self.root, self.spelling)
    }

    /// A place for blobs that are being made, on the file system where they are to be.
    pub fn ingest(&self) -> Result<Scratch> {
        Scratch::make(&self.root, INGEST)
    }

    /// Waits until nobody changes which images there are, and keeps it so.
    pub fn lock_shared(&self) -> Result<Hold> {
        hold(self.layout().path(), FlockArg::LockShared)
    }

    /// Waits until nobody uses or changes the images, and keeps it so.
    pub fn lock_exclusive(&self) -> Result<Hold> {
        hold(self.layout().path(), FlockArg::LockExclusive)
    }

    /// Waits until nobody else unpacks layers of images: two that did would do the same work.
    pub fn lock_unpacking(&self) -> Result<Hold> {
        hold(self.layers().path(), FlockArg::LockExclusive)
    }

    /// Waits until all that has been written is on the disk (syncfs(2)): a name must not outlive a
    /// power failure that its content did not. One call for thousands of files.
    pub fn sync(&self) -> Result<()> {
        let root = File::open(&self.root);
        let root = root.with_context(|| format!("open {}", self.root.display()))?;
        nix::unistd::syncfs(root).with_context(|| format!("syncfs {}", self.root.display()))
    }

    /// Removes places for blobs that nobody makes any more.
    pub fn remove_dead_ingests(&self) -> Result<Vec<PathBuf>> {
        scratch::remove_dead(&self.root, INGEST)
    }
}

/// Whether the file system of a path, or of what there is of it, is an overlay.
fn lies_on_overlay(path: &Path) -> bool {
    let system = path.ancestors().find_map(|path| statfs(path).ok());
    system.is_some_and(|system| system.filesystem_type() == OVERLAYFS_SUPER_MAGIC)
}

fn hold(directory: &Path, how: FlockArg) -> Result<Hold> {
    loop {
        scratch::make_directory(directory)?;
        // While we waited, `clean` may have removed the directory.
        if let Some(lock) = scratch::lock(directory, how)? {
            return Ok(Hold(lock));
        }
    }
}
