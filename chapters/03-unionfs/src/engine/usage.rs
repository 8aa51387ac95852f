//! Who uses what: the references that decide whether an image, a layer or a blob may go. They are
//! read from the images and the containers' records when that is asked, and not counted anywhere.

use crate::container::Record;
use crate::engine::digest::Digest;
use crate::engine::image::{Descriptor, Index};
use crate::engine::layout::Layout;
use crate::engine::records;
use crate::engine::store::Store;
use anyhow::Result;
use std::collections::BTreeSet;

/// Reads the records of all containers; and why some cannot be read. Such a container may use anything.
pub fn containers(store: &Store) -> Result<(Vec<Record>, Vec<anyhow::Error>)> {
    let (records, broken) = records::all(&store.root)?;
    let named = |error: anyhow::Error| error.context("what a container uses is not known");
    Ok((records, broken.into_iter().map(named).collect()))
}

/// The layers that images, without one of them, and containers lie on.
///
/// # Errors
/// If that is not known, as a record or an image cannot be read: then all are in use.
pub fn layers(store: &Store, without: Option<&Digest>) -> Result<BTreeSet<String>> {
    let (records, broken) = containers(store)?;
    let listing = store.layout().images()?;
    if let Some(error) = broken.into_iter().chain(listing.broken).next() {
        return Err(error);
    }
    let of_containers = records.into_iter().flat_map(|record| record.layers);
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
