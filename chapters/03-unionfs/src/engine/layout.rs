//! The store of images: an OCI image layout (image-spec, "Image Layout") that skopeo and umoci read
//! as it lies, and may write to.
//!
//! ```text
//! images/oci-layout      {"imageLayoutVersion":"1.0.0"}
//!        index.json      which manifests there are, and what they are called
//!        blobs/sha256/…  manifests, configurations and layers, each called by its digest
//! ```

use crate::engine::blob::{Blobs, NewBlob, Written};
use crate::engine::digest::{self, Digest};
use crate::engine::image::{Descriptor, ImageConfig, Index, Manifest, NAME, architecture, is_no};
use crate::engine::names;
use crate::engine::reference::Reference;
use crate::engine::scratch;
use crate::layer;
use anyhow::{Context, Result};
use console::failure::Failure;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

const VERSION: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;

/// The store of images.
pub struct Layout {
    directory: PathBuf,
    /// Its blobs.
    pub blobs: Blobs,
}

/// An image for this machine.
#[derive(Debug, Clone)]
pub struct Image {
    /// Its id: the digest of its configuration.
    pub id: Digest,
    /// What it is called, in order.
    pub names: Vec<Reference>,
    /// The reference to its manifest.
    pub descriptor: Descriptor,
    /// Its manifest.
    pub manifest: Manifest,
    /// Its configuration.
    pub config: ImageConfig,
}

/// All images of a store, and what cannot be read.
#[derive(Debug, Default)]
pub struct Listing {
    /// Each once, whatever it is called.
    pub images: Vec<Image>,
    /// Why one could not be read, and what it is called.
    pub broken: Vec<anyhow::Error>,
}

impl Image {
    /// The names of its layers, the lowest first.
    pub fn chain_ids(&self) -> Vec<String> {
        layer::chain_ids(self.config.rootfs.diff_ids.iter().map(|diff_id| &**diff_id))
    }

    /// What to call it in a message.
    pub fn shown(&self) -> String {
        self.names.first().map_or_else(|| self.id.short().to_owned(), Reference::to_string)
    }
}

impl Layout {
    /// The one in this directory, which need not be there yet.
    pub fn at(directory: PathBuf) -> Layout {
        let blobs = Blobs::at(directory.join("blobs/sha256"));
        Layout { directory, blobs }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.directory
    }

    /// Which manifests there are.
    pub fn index(&self) -> Result<Index> {
        let path = self.directory.join("index.json");
        let json = match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Index::empty()),
            json => json.with_context(|| path.display().to_string())?,
        };
        Index::read(&json).with_context(|| {
            let failure = Failure::new(format!("{} is no image index", path.display()));
            failure.remedy("put back a copy of it, or remove it: `clean` then removes the images")
        })
    }

    /// Makes what every layout has. `ingest` is a place on the same file system.
    pub fn prepare(&self, ingest: &Path) -> Result<()> {
        scratch::make_directory(self.blobs.directory())?;
        let version = self.directory.join("oci-layout");
        if !version.exists() {
            let written = NewBlob::whole(ingest.join("oci-layout"), VERSION.as_bytes())?;
            fs::rename(&written.path, &version)
                .with_context(|| format!("create {}", version.display()))?;
        }
        Ok(())
    }

    /// Replaces the index.
    pub fn write_index(&self, ingest: &Path, index: &Index) -> Result<()> {
        let staged = self.stage_index(ingest, index)?;
        self.publish_index(&staged)
    }

    /// Writes a new index beside the old one: if there is no room for it, that is to be known before
    /// anything else is in its place.
    pub fn stage_index(&self, ingest: &Path, index: &Index) -> Result<Written> {
        let written = NewBlob::whole(ingest.join("index.json"), &serde_json::to_vec(index)?)?;
        File::open(&written.path)?
            .sync_all()
            .with_context(|| written.path.display().to_string())?;
        Ok(written)
    }

    /// Replaces the index, and makes sure that no power failure leaves it without what it leads to.
    pub fn publish_index(&self, staged: &Written) -> Result<()> {
        if self.blobs.directory().exists() {
            sync(self.blobs.directory())?;
        }
        let path = self.directory.join("index.json");
        fs::rename(&staged.path, &path).with_context(|| format!("replace {}", path.display()))?;
        sync(&self.directory)
    }

    /// All images.
    pub fn images(&self) -> Result<Listing> {
        let mut listing = Listing::default();
        for entry in &self.index()?.manifests {
            match self.image(entry) {
                Ok(image) => match listing.images.iter_mut().find(|known| known.id == image.id) {
                    Some(known) => known.names.extend(image.names),
                    None => listing.images.push(image),
                },
                Err(error) => listing.broken.push(error),
            }
        }
        listing.images.iter_mut().for_each(|image| image.names.sort());
        Ok(listing)
    }

    /// The image that is meant by a name, an id, or the beginning of one.
    ///
    /// # Errors
    /// If there are several whose ids begin so, or if it cannot be read.
    pub fn find(&self, text: &str) -> Result<Option<Image>> {
        let index = self.index()?;
        if let Ok(name) = Reference::parse(text)
            && let Some(entry) = names::find(&index, &name)
        {
            return self.image(entry).map(Some);
        }
        let digits = text.strip_prefix("sha256:").unwrap_or(text);
        if !digest::is_prefix(digits) {
            return Ok(None);
        }
        let mut found: Option<(Digest, &Descriptor)> = None;
        for entry in &index.manifests {
            // One that cannot be read is in nobody's way here.
            let Ok(id) = self.id(entry) else { continue };
            match &found {
                _ if !id.hex().starts_with(digits) => {}
                Some((other, _)) if *other != id => {
                    let words = format!("multiple IDs found with provided prefix: {text}");
                    return Err(Failure::new(words).remedy("give more digits of the id").into());
                }
                _ => found = Some((id, entry)),
            }
        }
        found.map(|(_, entry)| self.image(entry)).transpose()
    }

    /// What an entry of the index leads to, for this machine, with that entry's name.
    pub fn image(&self, entry: &Descriptor) -> Result<Image> {
        let name = names::of(entry);
        let read = || -> Result<Image> {
            let (descriptor, manifest) = self.manifest(entry)?;
            let config = ImageConfig::read(&self.blobs.read(&manifest.config)?, &manifest)
                .with_context(|| format!("the configuration {}", manifest.config.digest))?;
            let id = manifest.config.digest.clone();
            Ok(Image { id, names: name.iter().cloned().collect(), descriptor, manifest, config })
        };
        read().with_context(|| match &name {
            Some(name) => format!("image {name}"),
            None => format!("image with the manifest {}", entry.digest),
        })
    }

    /// The id of the image that an entry leads to.
    pub fn id(&self, entry: &Descriptor) -> Result<Digest> {
        Ok(self.manifest(entry)?.1.config.digest)
    }

    /// All blobs that an entry leads to, itself included; those for other machines need not be
    /// there.
    ///
    /// # Errors
    /// If that cannot be told because one cannot be read.
    pub fn blobs_of(&self, entry: &Descriptor) -> Result<BTreeSet<Digest>> {
        let mut blobs = BTreeSet::from([entry.digest.clone()]);
        if entry.is_index() {
            for manifest in Index::read(&self.blobs.read(entry)?)?.manifests {
                if self.blobs.path(&manifest.digest).exists() && !manifest.is_index() {
                    blobs.extend(self.blobs_of(&manifest)?);
                }
            }
        } else {
            let manifest = Manifest::read(&self.blobs.read(entry)?)?;
            blobs.insert(manifest.config.digest);
            blobs.extend(manifest.layers.into_iter().map(|layer| layer.digest));
        }
        Ok(blobs)
    }

    /// The manifest that an entry leads to, for this machine.
    fn manifest(&self, entry: &Descriptor) -> Result<(Descriptor, Manifest)> {
        let mut descriptor = entry.clone();
        if entry.is_index() {
            let index = Index::read(&self.blobs.read(entry)?)
                .with_context(|| is_no("index of manifests"))
                .with_context(|| format!("the index {}", entry.digest))?;
            let fitting = index.for_this_machine().cloned();
            descriptor = fitting.ok_or_else(|| {
                let words = format!("there is no manifest for linux/{}", architecture());
                Failure::new(words).remedy("import it on a machine of its kind")
            })?;
        }
        let manifest = Manifest::read(&self.blobs.read(&descriptor)?)
            .with_context(|| format!("the manifest {}", descriptor.digest))?;
        descriptor.annotations.remove(NAME);
        Ok((descriptor, manifest))
    }
}

/// No image is called so, in Docker's words.
pub fn missing(text: &str) -> Failure {
    let shown = Reference::parse(text).map_or_else(|_| text.to_owned(), |name| name.to_string());
    Failure::new(format!("No such image: {shown}")).remedy("list images with `images`")
}

/// The same for somebody who wants to run it.
pub fn missing_to_run(text: &str) -> Failure {
    let shown = Reference::parse(text).map_or_else(|_| text.to_owned(), |name| name.to_string());
    Failure::new(format!("Unable to find image '{shown}' locally"))
        .remedy("list images with `images`, make one with `import`, or use `lab`")
        .code(console::failure::OURS)
}

/// Waits until names are on the disk.
fn sync(directory: &Path) -> Result<()> {
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.with_context(|| format!("fsync {}", directory.display()))
}

#[cfg(test)]
mod tests;
