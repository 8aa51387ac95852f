//! Who uses what: the references that decide whether an image, a layer or a blob may go. They are
//! read from the images and the containers' records when that is asked, and not counted anywhere.

use crate::container::Record;
use crate::engine::digest::Digest;
use crate::engine::image::{Descriptor, Index};
use crate::engine::layout::Layout;
use crate::engine::scratch;
use crate::engine::store::Store;
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;

/// All containers, and those records that cannot be read.
pub struct Containers {
    /// Their records.
    pub records: Vec<Record>,
    /// Why one cannot be read. Such a container may use anything.
    pub broken: Vec<anyhow::Error>,
}

/// Reads the records of all containers.
pub fn containers(store: &Store) -> Result<Containers> {
    let mut containers = Containers { records: Vec::new(), broken: Vec::new() };
    for path in scratch::entries(&store.root.join("containers"))? {
        let path = path.join("config.json");
        let record = match fs::read(&path) {
            // The record is written first: without one, nothing was made yet, or all is removed.
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                continue;
            }
            Err(error) => Err(error.into()),
            Ok(json) => serde_json::from_slice(&json).map_err(anyhow::Error::from),
        };
        let named = || format!("{}: what it uses is not known, and all is kept", path.display());
        match record.with_context(named) {
            Ok(record) => containers.records.push(record),
            Err(error) => containers.broken.push(error),
        }
    }
    Ok(containers)
}

/// The layers that images, without one of them, and containers lie on.
///
/// # Errors
/// If that is not known, as a record or an image cannot be read: then all are in use.
pub fn layers(store: &Store, without: Option<&Digest>) -> Result<BTreeSet<String>> {
    let containers = containers(store)?;
    let listing = store.layout().images()?;
    if let Some(error) = containers.broken.into_iter().chain(listing.broken).next() {
        return Err(error);
    }
    let of_containers = containers.records.into_iter().flat_map(|record| record.layers);
    let images = listing.images.iter().filter(|image| Some(&image.id) != without);
    let of_images = images.flat_map(|image| image.chain_ids());
    Ok(of_containers.chain(of_images).collect())
}

/// The blobs that an index leads to.
///
/// # Errors
/// If that is not known, as a manifest cannot be read.
pub fn blobs(layout: &Layout, index: &Index) -> Result<BTreeSet<Digest>> {
    let blobs_of = |entry: &Descriptor| layout.blobs_of(entry);
    let sets = index.manifests.iter().map(blobs_of);
    Ok(sets.collect::<Result<Vec<BTreeSet<Digest>>>>()?.into_iter().flatten().collect())
}
