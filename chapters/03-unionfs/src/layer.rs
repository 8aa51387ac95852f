//! Where layers are kept: unpacked once, never written again, and shared by every container that
//! lies on them. A layer's name is made of what is in it *and of all that is below it* (image-spec,
//! "Layer ChainID"): what a whiteout hides depends on that, and two images have a layer in common
//! exactly where they begin with the same ones.
//!
//! ```text
//!  image A   diff ids   a   b   c        ROOT/layers/a              fs/
//!  image B   diff ids   a   b   d                   /b' = sha256(a + " " + b)
//!                                                   /c' = sha256(b' + " " + c)
//!            both share a and b'                    /d' = sha256(b' + " " + d)
//! ```
//!
//! Nobody counts how often a layer is used. A count would have to be written whenever something
//! else is, and be wrong for ever after a kill -9 between the two. What counts are the references
//! themselves, in the images and in the containers' records, and they are read when a layer might
//! go: few layers are removed, and many are used.

use crate::engine::digest::Digest;
use crate::whiteout::Spelling;
use anyhow::Result;
use console::failure::Failure;
use std::path::{Path, PathBuf};

/// A layer that is being made, and what is left of it after a kill -9.
pub(crate) const PARTIAL: &str = ".partial-";
/// A layer that is being removed, or a container.
pub(crate) const GONE: &str = ".gone-";

/// The name of a layer on top of the layers that `parent` names: `sha256:` and 64 digits.
pub fn chain_id(parent: Option<&str>, diff_id: &str) -> String {
    match parent {
        None => diff_id.into(),
        Some(parent) => Digest::of(format!("{parent} {diff_id}")).to_string(),
    }
}

/// The names of all layers of an image, the lowest first.
pub fn chain_ids<'a>(diff_ids: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut chain: Vec<String> = Vec::new();
    for diff_id in diff_ids {
        chain.push(chain_id(chain.last().map(String::as_str), diff_id));
    }
    chain
}

/// All layers that marks are spelled in one way in.
pub struct Layers {
    pub(crate) directory: PathBuf,
}

impl Layers {
    /// Those in this place. The lab box reads other marks, and so has layers of its own.
    pub fn open(root: &Path, spelling: Spelling) -> Layers {
        let name = match spelling {
            Spelling::Trusted => "layers",
            Spelling::User => "layers.user",
        };
        Layers { directory: root.join(name) }
    }

    /// Where all of them are.
    pub fn path(&self) -> &Path {
        &self.directory
    }

    /// Where a layer's files are.
    pub fn directory(&self, chain: &str) -> PathBuf {
        self.place(chain).join("fs")
    }

    /// Whether a layer is there.
    pub fn has(&self, chain: &str) -> bool {
        Digest::parse(chain).is_some() && self.directory(chain).is_dir()
    }

    /// Where the files of these layers are.
    ///
    /// # Errors
    /// If one is not there; it is named.
    pub fn directories(&self, chain: &[String]) -> Result<Vec<PathBuf>> {
        let directory = |layer: &String| {
            if self.has(layer) {
                return Ok(self.directory(layer));
            }
            let path = self.directory(layer);
            let failure = Failure::new(format!("the layer {layer} is missing: {}", path.display()));
            let remedy = "run the image once more, which unpacks it again, or import it anew";
            Err(failure.remedy(remedy).into())
        };
        chain.iter().map(directory).collect()
    }

    pub(crate) fn place(&self, chain: &str) -> PathBuf {
        self.directory.join(chain.strip_prefix("sha256:").unwrap_or(chain))
    }
}

#[cfg(test)]
mod tests;
