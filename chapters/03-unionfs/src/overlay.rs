//! The mechanism: the layers and the container's own one are shown as one root (overlayfs in the
//! kernel's documentation). What a container reads comes from the layer that has it; what it writes is
//! copied to its own layer first, and nobody else sees it.
//!
//! ```text
//!  parent                                             child
//!  mkdir upper, work
//!  fsopen("overlay"), fsconfig: lowerdir+ for each
//!  layer from the top down, upperdir, workdir
//!  fsmount: a detached mount, in no mount table ────▶ attached as its root, in its mount namespace
//! ```
//!
//! The host's mount table never has it, and it is gone with its last user: no kill leaves a mount.

use crate::container::{Driver, Record};
use crate::engine::older_mount::mount_the_older_way;
use crate::engine::path_names::PathNames;
use crate::engine::{copy, refuse, working_directory};
use crate::whiteout::Spelling;
use anyhow::{Context, Result};
use kernel::Errno;
use kernel::mount::{self, Setting};
use kernel::path;
use namespaces::config::Config;
use namespaces::plan::{Mechanism, Phase, Plan};
use nix::sys::stat::stat;
use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// The mechanism, with what it is to put together.
#[derive(Debug, Default, Clone)]
pub struct Overlay {
    /// Whose root it is; nobody's where a command joins a container that has one.
    pub record: Option<Record>,
    /// The layers, the uppermost first.
    pub lower: Vec<PathBuf>,
    /// The container's directory, for its own layer.
    pub own: PathBuf,
}

/// What we want of overlay, in mount options, and why.
pub(crate) const OPTIONS: [(&str, &str); 3] = [
    // A layer has to be whole by itself, as an archive of it is: no directory of it may be renamed by
    // a note that says where to look (a rename gives EXDEV, and programs copy), and no such note in an
    // image's layer is believed.
    ("redirect_dir", "nofollow"),
    // The same for files: what is copied up is copied with its content.
    ("metacopy", "off"),
    // An index finds hard links again, but ties upper to the very layers that it was made on: moved or
    // restored ones would be refused (ESTALE).
    ("index", "off"),
];

impl Mechanism for Overlay {
    fn prepare(&self, config: &Config, plan: &mut Plan) -> Result<()> {
        let Some(record) = &self.record else { return Ok(()) };
        let (overlay, root) = (self.clone(), plan.root.clone());
        if record.driver == Driver::Copy {
            copy::plan(overlay.lower, self.own.join("fs"), self.spelling(), plan);
            working_directory::plan(config, plan);
            return Ok(());
        }
        plan.step(
            Phase::Prepare,
            "make the container's own layer",
            "upper is the root directory itself: its owner and mode are those of the layer below",
            move || overlay.make_upper(),
        );
        let overlay = self.clone();
        plan.step(
            Phase::Prepare,
            "lay the layers on top of one another, detached",
            "one file system of them all: it is read from below, and written above",
            move || {
                root.put(overlay.mount()?);
                Ok(())
            },
        );
        working_directory::plan(config, plan);
        Ok(())
    }
}

impl Overlay {
    pub(crate) fn spelling(&self) -> Spelling {
        self.record.as_ref().map_or(Spelling::Trusted, |record| record.spelling)
    }

    pub(crate) fn is_thrown_away(&self) -> bool {
        self.record.as_ref().is_some_and(|record| record.auto_remove)
    }

    pub(crate) fn upper(&self) -> PathBuf {
        self.own.join("upper")
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.own.join("work")
    }

    pub(crate) fn make_upper(&self) -> Result<()> {
        let uppermost = self.lower.first().context("a root has a layer")?;
        let below = stat(uppermost).with_context(|| format!("layer {}", uppermost.display()))?;
        let own = path::open_root(&CString::new(self.own.as_os_str().as_bytes())?)?;
        path::make_directory(&own, c"work", 0o777)?;
        // A container that is started again has its layer already.
        if path::make_directory(&own, c"upper", 0o777)? {
            path::set_owner(&own, c"upper", below.st_uid, below.st_gid)?;
            // Not less, also where the mask of the caller is strict.
            path::set_mode(&own, c"upper", below.st_mode & 0o7777)?;
        }
        Ok(())
    }

    pub(crate) fn mount(&self) -> Result<OwnedFd> {
        match self.mount_by_descriptor() {
            // Before Linux 6.7 there is no `lowerdir+`.
            Err(error) if error.errno == Errno::EINVAL => mount_the_older_way(self),
            mounted => Ok(mounted?),
        }
        .map_err(|error| refuse::overlay(error, &self.lower, &self.own))
    }

    /// Layer by layer: there may be as many as the kernel takes (500), wherever they are.
    fn mount_by_descriptor(&self) -> kernel::Result<OwnedFd> {
        let mut names = PathNames::default();
        let lower: Vec<CString> = self.lower.iter().map(|layer| names.short(layer)).collect();
        let (upper, work) = (names.short(&self.upper()), names.short(&self.work()));
        // LAB 03.1 layers: `lowerdir+` for each layer, the uppermost first
        let mut settings: Vec<Setting> =
            lower.iter().map(|layer| Setting::Text(c"lowerdir+", layer)).collect();
        // LAB 03.1 own: where it is written to, and where overlay may prepare that
        settings.extend([Setting::Text(c"upperdir", &upper), Setting::Text(c"workdir", &work)]);
        let options =
            OPTIONS.map(|(name, value)| (mount::option(name.into()), mount::option(value.into())));
        settings.extend(options.iter().map(|(name, value)| Setting::Text(name, value)));
        if self.spelling() == Spelling::User {
            settings.push(Setting::Flag(c"userxattr"));
        }
        // What is removed as soon as it ends does not have to reach the disk.
        if self.is_thrown_away() {
            settings.push(Setting::Flag(c"volatile"));
        }
        mount::new_file_system_with(c"overlay", c"overlay", &settings, 0)
    }
}
