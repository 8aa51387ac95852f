//! How a layer comes into its place, and goes: complete, or not at all.

use crate::engine::remove;
use crate::engine::scratch::Scratch;
use crate::layer::{GONE, Layers, PARTIAL};
use anyhow::{Context, Result};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

impl Layers {
    /// A place to unpack a layer in: `fs` in it.
    pub fn partial(&self) -> Result<Scratch> {
        let partial = Scratch::make(&self.directory, PARTIAL)?;
        let fs = partial.path().join("fs");
        // It becomes `/` of containers: whoever they run as has to get through, whatever our umask.
        fs::create_dir(&fs)
            .and_then(|()| fs::set_permissions(&fs, Permissions::from_mode(0o755)))
            .with_context(|| format!("create {}", fs.display()))?;
        Ok(partial)
    }

    /// Gives a layer that is complete, and on the disk, its name. If somebody else was faster, that
    /// one is as good as ours.
    pub fn publish(&self, partial: Scratch, chain: &str) -> Result<()> {
        if self.has(chain) {
            return Ok(());
        }
        self.remove(chain)?;
        partial.publish(&self.place(chain))
    }

    /// Takes a layer's name away before its files: a kill in between leaves no layer with holes.
    pub(crate) fn remove(&self, chain: &str) -> Result<()> {
        let (place, gone) = (self.place(chain), self.directory.join(format!("{GONE}{chain}")));
        if !place.exists() {
            return Ok(());
        }
        remove::tree(&gone)?;
        fs::rename(&place, &gone).with_context(|| format!("rename {}", place.display()))?;
        remove::tree(&gone)
    }
}
