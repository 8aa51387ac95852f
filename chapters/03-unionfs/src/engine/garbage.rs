//! What nobody uses any more: layers and blobs that no image leads to and no container lies on, and
//! what a kill -9 has left half-made. All of it is removed under the exclusive hold, so that
//! nothing new can be taken for old.

use crate::container::Record;
use crate::engine::digest::Digest;
use crate::engine::names;
use crate::engine::scratch;
use crate::engine::store::Store;
use crate::engine::usage;
use crate::layer::{GONE, Layers, PARTIAL};
use crate::whiteout::Spelling;
use anyhow::Result;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Removes the layers that nobody uses, or only the image that is about to go; returns them. The
/// caller holds the store alone.
///
/// # Errors
/// If one cannot be removed, or it is not known who uses which: then none is.
pub fn remove_layers(store: &Store, without: Option<&Digest>) -> Result<Vec<String>> {
    let used = usage::layers(store, without)?;
    let mut removed = Vec::new();
    for spelling in [Spelling::Trusted, Spelling::User] {
        removed.extend(Layers::open(&store.root, spelling).remove_unused(&used)?);
    }
    Ok(removed)
}

/// Takes every image that no container lies on out of the index, and says which.
///
/// # Errors
/// If it is not known who uses which.
pub fn forget_images(store: &Store) -> Result<Vec<String>> {
    let ingest = store.ingest()?;
    let _alone = store.lock_exclusive()?;
    let (layout, mut index) = (store.layout(), store.layout().index()?);
    let (records, broken) = usage::containers(store)?;
    if let Some(error) = broken.into_iter().next() {
        return Err(error);
    }
    let mut lines = Vec::new();
    index.manifests.retain(|entry| {
        let id = layout.id(entry).ok();
        let used = |record: &Record| record.image.as_deref() == id.as_deref();
        let used = id.is_some() && records.iter().any(used);
        let name = names::of(entry).map_or_else(|| entry.digest.to_string(), |n| n.to_string());
        lines.push(match used {
            true => format!("in use: image {name}: left alone"),
            false => format!("removed: image {name}"),
        });
        used
    });
    layout.prepare(ingest.path())?;
    layout.write_index(ingest.path(), &index)?;
    Ok(lines)
}

impl Layers {
    /// Removes every layer that is not used, and what is left of layers half-made or half-removed;
    /// returns which layers, the others as paths.
    pub fn remove_unused(&self, used: &BTreeSet<String>) -> Result<Vec<String>> {
        let shown = |path: PathBuf| path.display().to_string();
        let left = [PARTIAL, GONE].map(|name| scratch::remove_dead(self.path(), name));
        let [partial, gone] = left;
        let mut removed: Vec<String> = partial?.into_iter().chain(gone?).map(shown).collect();
        for path in scratch::entries(self.path())? {
            let digits = path.file_name().unwrap_or_default().to_string_lossy();
            // What is not called like a layer is not ours.
            let Some(chain) = Digest::of_hex(&digits) else { continue };
            if !used.contains(&*chain) {
                self.remove(&chain)?;
                removed.push(chain.to_string());
            }
        }
        Ok(removed)
    }
}

/// Removes all that nobody uses, and says what.
///
/// # Errors
/// If something cannot be removed; what could be is gone then.
pub fn sweep(store: &Store) -> Result<Vec<String>> {
    if !store.root.exists() {
        return Ok(Vec::new());
    }
    let mut lines = Vec::new();
    {
        let _alone = store.lock_exclusive()?;
        let ingests = store.remove_dead_ingests()?;
        lines.extend(ingests.iter().map(|path| format!("removed: {}", path.display())));
        // One that cannot be read keeps its blobs and all layers; the others' blobs go even so.
        let layers = remove_layers(store, None);
        lines.extend(remove_blobs(store)?);
        lines.extend(layers?.iter().map(|layer| match Digest::parse(layer) {
            Some(chain) => format!("removed: layer {}", chain.short()),
            None => format!("removed: {layer}"),
        }));
    }
    remove_empty(store)?;
    Ok(lines)
}

fn remove_blobs(store: &Store) -> Result<Vec<String>> {
    let layout = store.layout();
    let used = usage::blobs(&layout, &layout.index()?)?;
    let mut lines = Vec::new();
    for path in scratch::entries(layout.blobs.directory())? {
        let digits = path.file_name().unwrap_or_default().to_string_lossy();
        if let Some(digest) = Digest::of_hex(&digits).filter(|digest| !used.contains(digest)) {
            layout.blobs.remove(&digest)?;
            lines.push(format!("removed: blob {}", digest.short()));
        }
    }
    Ok(lines)
}

/// Leaves nothing of a store in which nothing is.
fn remove_empty(store: &Store) -> Result<()> {
    let _alone = store.lock_exclusive()?;
    // A directory with something in it stays, which is what we want.
    let remove = |path: &Path| fs::remove_dir(path).is_ok();
    for spelling in [Spelling::Trusted, Spelling::User] {
        remove(Layers::open(&store.root, spelling).path());
    }
    let layout = store.layout();
    let (images, blobs) = (layout.path(), layout.blobs.directory());
    let is_empty = !blobs.exists() || remove(blobs);
    if is_empty && layout.index()?.manifests.is_empty() {
        for name in ["index.json", "oci-layout"] {
            // It may not have come to that one yet.
            let _removed = fs::remove_file(images.join(name));
        }
        remove(&images.join("blobs"));
        remove(images);
    }
    Ok(())
}
