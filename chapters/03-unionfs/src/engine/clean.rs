//! `clean`: all of ours that no running container uses: containers that have ended, images, layers, and
//! what chapters 01 and 02 clean.

use crate::container;
use crate::engine::store::Store;
use crate::engine::{garbage, remove, scratch};
use anyhow::Result;
use console::options::Global;
use std::path::Path;

/// Cleans, and says what it did.
pub fn clean(global: &Global) -> Result<()> {
    let store = Store::enter(global)?;
    console::print(containers(&store.root)?)?;
    console::print(images(&store)?)?;
    cgroups::engine::clean::clean(global)
}

/// Containers that nobody runs, with all that they have written.
fn containers(root: &Path) -> Result<String> {
    let mut lines = String::new();
    for directory in scratch::entries(&root.join("containers"))? {
        let id = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
        lines += &match container::Held::of(&directory)? {
            Some(held) => {
                held.remove()?;
                format!("removed: container {}\n", crate::engine::words::short(&id))
            }
            None => format!("in use: container {}: left alone\n", crate::engine::words::short(&id)),
        };
    }
    for name in ["names", "containers"] {
        let directory = root.join(name);
        // A name that leads nowhere is what a kill -9 has left.
        for link in scratch::entries(&directory)?.iter().filter(|_| name == "names") {
            if !link.exists() {
                remove::tree(link)?;
            }
        }
        // It stays if something is in it.
        let _emptied = std::fs::remove_dir(&directory);
    }
    Ok(lines)
}

/// Images that no container lies on, and what belongs to no image.
fn images(store: &Store) -> Result<String> {
    let mut lines = Vec::new();
    if store.layout().path().exists() {
        lines = garbage::forget_images(store)?;
    }
    // The first import of all may have been killed before there were images.
    lines.extend(garbage::sweep(store)?);
    Ok(lines.into_iter().map(|line| line + "\n").collect())
}
