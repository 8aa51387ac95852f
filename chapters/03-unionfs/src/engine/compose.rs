//! Makes a new image of layers, and puts all of it in its place at once: the layer, the blobs, and
//! the index that leads to them.

use crate::engine::blob::NewBlob;
use crate::engine::digest::Digest;
use crate::engine::image::{
    CONFIG, Descriptor, ImageConfig, LAYER, MANIFEST, MOST_LAYERS, Manifest,
};
use crate::engine::names;
use crate::engine::newlayer::NewLayer;
use crate::engine::reference::Reference;
use crate::engine::scratch::Scratch;
use crate::engine::store::Store;
use crate::layer;
use anyhow::{Context, Result};
use console::failure::Failure;

/// Puts an image in the store: the layers that its configuration has already, whose blobs are
/// given, and new ones on top. Returns its id.
pub fn compose(
    store: &Store,
    ingest: &Scratch,
    mut config: ImageConfig,
    lower: &[Descriptor],
    new: Vec<NewLayer>,
    name: Option<&Reference>,
) -> Result<Digest> {
    refuse_too_many(lower.len() + new.len())?;
    let blobs = lower.iter().cloned().chain(new.iter().map(|layer| layer.blob.descriptor(LAYER)));
    let blobs = blobs.collect();
    config.rootfs.diff_ids.extend(new.iter().map(|layer| layer.diff_id.clone()));
    let chain = layer::chain_ids(config.rootfs.diff_ids.iter().map(|diff_id| &**diff_id));
    let write = |name: &str, json: Vec<u8>| NewBlob::whole(ingest.path().join(name), &json);
    let config = write("config", serde_json::to_vec(&config)?)?;
    let id = config.digest.clone();
    let manifest = Manifest::new(config.descriptor(CONFIG), blobs);
    let manifest = write("manifest", serde_json::to_vec(&manifest)?)?;

    // Before anything has its name, and before anybody has to wait for us.
    store.sync()?;
    let _alone = store.lock_exclusive()?;
    let (layout, layers) = (store.layout(), store.layers());
    let mut index = layout.index()?;
    // What the new image shares with another may have gone with that one while we worked.
    if let Some(gone) = lower.iter().find(|blob| !layout.blobs.path(&blob.digest).exists()) {
        let failure = Failure::new(format!("the blob {} has just been removed", gone.digest));
        return Err(failure.remedy("import the image anew that the container lies on").into());
    }
    layout.prepare(ingest.path())?;
    names::give(&mut index, &manifest.descriptor(MANIFEST), name);
    let index = layout.stage_index(ingest.path(), &index).context("the index of images")?;
    // Nothing is written from here on, and no full disk can end it half-way.
    for (layer, chain) in new.into_iter().zip(&chain[lower.len()..]) {
        layers.publish(layer.partial, chain)?;
        layout.blobs.publish(&layer.blob)?;
    }
    for blob in [&config, &manifest] {
        layout.blobs.publish(blob)?;
    }
    layout.publish_index(&index).context("the index of images")?;
    Ok(id)
}

/// Nobody could mount it, and nothing of ours would read it.
fn refuse_too_many(layers: usize) -> Result<()> {
    if layers > MOST_LAYERS {
        let words = format!("an image of {layers} layers, where {MOST_LAYERS} are the most");
        let remedy = "make one layer of all that the container sees: export … | import -";
        return Err(Failure::new(words).remedy(remedy).into());
    }
    Ok(())
}
