//! `clean`: all of ours that no running container uses: containers that have ended, images, layers, and
//! what chapters 01 and 02 clean.

use crate::container;
use crate::engine::store::Store;
use crate::engine::words::short;
use crate::engine::{files, garbage, live, remove, scratch};
use crate::layer::GONE;
use anyhow::Result;
use console::options::Global;
use kernel::Pid;
use namespaces::engine::spaces;
use std::path::Path;

/// Cleans, and says what it did.
pub fn clean(global: &Global) -> Result<()> {
    cgroups::engine::clean::clean(global, || {
        let store = Store::enter(global)?;
        Ok(containers(&store.root)? + &images(&store)?)
    })
}

/// Containers that nobody runs, with all that they have written.
fn containers(root: &Path) -> Result<String> {
    let mut lines = String::new();
    // A command may clean from within a container of its own, where it cannot see who holds that.
    let here = spaces::container_of(Pid::this());
    for directory in scratch::entries(&root.join("containers"))? {
        let id = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if here.as_ref() == Some(&id) {
            continue;
        }
        if let Some(held) = container::Held::of(&directory)? {
            // Of a damaged record no name is known. Its link leads nowhere then, and goes below.
            let record = files::read_json(&directory.join("config.json")).ok().flatten();
            held.remove(record.as_ref())?;
            lines += &format!("removed: container {}\n", short(&id));
        }
    }
    // What a kill -9 has left of those that were being removed.
    scratch::remove_dead(root, GONE)?;
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
    // Another store's live state may be in there.
    let _emptied = std::fs::remove_dir(live::run_directory(root));
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
