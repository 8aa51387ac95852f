//! `inspect` of an image, in Docker's shape.

use crate::engine::images;
use crate::engine::layout::Image;
use crate::engine::reference::Reference;
use crate::engine::store::Store;
use anyhow::Result;
use serde_json::{Value, json};

/// What there is always in a configuration, if only as `null`.
const ALWAYS: [&str; 6] = ["Cmd", "Entrypoint", "Env", "Labels", "OnBuild", "Volumes"];

/// An image that is meant by a name, an id, or the beginning of one; none if there is none.
pub fn view(store: &Store, text: &str) -> Result<Option<Value>> {
    let layout = store.layout();
    let Some(mut image) = layout.find(text)? else { return Ok(None) };
    // By all its names.
    if let Some(whole) = layout.images()?.images.into_iter().find(|other| other.id == image.id) {
        image.names = whole.names;
    }
    of(store, &image).map(Some)
}

fn of(store: &Store, image: &Image) -> Result<Value> {
    let config = &image.config;
    let digest = &image.descriptor.digest;
    let digests = image.names.iter().map(|name| format!("{}@{digest}", name.repository));
    let mut digests: Vec<String> = digests.collect();
    digests.dedup();
    let mut settings = serde_json::to_value(&config.config)?;
    for field in ALWAYS {
        if settings[field].is_null() {
            settings[field] = Value::Null;
        }
    }
    for field in ["User", "WorkingDir"] {
        if settings[field].is_null() {
            settings[field] = "".into();
        }
    }
    Ok(json!({
        "Id": image.id,
        "RepoTags": image.names.iter().map(Reference::to_string).collect::<Vec<String>>(),
        "RepoDigests": digests,
        // Images share layers here, and are nobody's children.
        "Parent": "",
        "Comment": config.history.last().map_or("", |history| &history.comment),
        "Created": config.created,
        "Author": config.author.as_deref().unwrap_or_default(),
        "Config": settings,
        "Architecture": config.architecture,
        "Os": config.os,
        "Size": images::size(image),
        "GraphDriver": {"Name": "overlay", "Data": directories(store, image)},
        "RootFS": {"Type": "layers", "Layers": config.rootfs.diff_ids},
    }))
}

/// Where its layers are, if they are unpacked: what `ls` shows of each.
fn directories(store: &Store, image: &Image) -> Value {
    let Ok(layers) = store.layers().directories(&image.chain_ids()) else { return Value::Null };
    let mut layers = layers.iter().rev().map(|layer| layer.display().to_string());
    let upper = layers.next();
    let lower: Vec<String> = layers.collect();
    json!({"LowerDir": lower.join(":"), "UpperDir": upper})
}
