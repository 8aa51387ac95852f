//! `rmi`: takes a name from an image, and with the last one the image. Its layers go only if no
//! other image and no container lies on them.

use crate::container::{Held, Record};
use crate::engine::digest::Digest;
use crate::engine::image::{Descriptor, Index};
use crate::engine::layout::{self, Image, Layout};
use crate::engine::reference::Reference;
use crate::engine::store::Store;
use crate::engine::{garbage, names, usage};
use anyhow::Result;
use console::failure::Failure;
use std::collections::BTreeSet;

/// Options of `rmi`.
#[derive(clap::Args, Debug)]
pub struct Options {
    /// Also if a container that does not run uses it, or if it is corrupted
    #[arg(short, long)]
    force: bool,
    /// An image's name or id, or the beginning of an id
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<String>,
}

/// Removes each of these; one that fails keeps none of the others from their turn.
pub fn remove(options: &Options, store: &Store) -> Result<u8> {
    let mut code = 0;
    for text in &options.images {
        // With -f, Docker tells that there is none, and is content.
        if options.force && is_missing(&store.layout(), text)? {
            console::tell(&layout::missing(text).message);
            continue;
        }
        code = code.max(console::each(&[text], |text| remove_one(store, text, options.force))?);
    }
    Ok(code)
}

/// Removes one; returns what was done, line by line.
fn remove_one(store: &Store, text: &str, force: bool) -> Result<String> {
    let _alone = store.lock_exclusive()?;
    let (layout, mut index) = (store.layout(), store.layout().index()?);
    let name = Reference::parse(text).ok().filter(|name| name.digest.is_none());
    let name = name.filter(|name| names::find(&index, name).is_some());
    let mut lines = Vec::new();
    let image = match whole(&layout, text) {
        Ok(Some(image)) => image,
        Ok(None) if !force => return Err(layout::missing(text).into()),
        Err(error) if !force => return Err(error),
        broken => {
            let error = broken.err().unwrap_or_else(|| layout::missing(text).into());
            forget_broken(&layout, &mut index, text, name.as_ref()).map_err(|()| error)?;
            layout.write_index(store.ingest()?.path(), &index)?;
            remove_layers(store, None);
            lines.extend(name.map(|name| format!("Untagged: {name}")));
            return Ok(lines.join("\n"));
        }
    };
    let users = Users::of(store, &image)?;
    let mut left = image.names.clone();
    let by_name = name.is_some();
    if let Some(name) = name {
        if !force && left.len() == 1 {
            users.refuse_untagging(text, &image)?;
        }
        names::take(&mut index, &name);
        left.retain(|other| *other != name);
        lines.push(format!("Untagged: {name}"));
    }
    let keep = match users.conflict(&image, force, left.len() > 1) {
        _ if by_name && !left.is_empty() => true,
        // Its last name went, as was asked for; a container goes on without one.
        Some(_) if by_name && users.is_used() => true,
        Some(conflict) => return Err(conflict.into()),
        None => false,
    };
    if keep {
        layout.write_index(store.ingest()?.path(), &index)?;
        return Ok(lines.join("\n"));
    }
    lines.extend(left.iter().map(|name| format!("Untagged: {name}")));
    let is_its = |entry: &Descriptor| layout.id(entry).is_ok_and(|id| id == image.id);
    let (its, others): (Vec<Descriptor>, Vec<Descriptor>) =
        index.manifests.into_iter().partition(is_its);
    index.manifests = others;
    let blobs = its.iter().map(|entry| layout.blobs_of(entry));
    let blobs: BTreeSet<Digest> =
        blobs.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
    // The layers first: without them an image is still one, as its blobs have them, too. On a full
    // disk that makes the room to write down that it is gone.
    let removed = remove_layers(store, Some(&image));
    layout.write_index(store.ingest()?.path(), &index)?;
    let gone = usage::blobs(&layout, &index).and_then(|used| {
        blobs.difference(&used).try_for_each(|digest| layout.blobs.remove(digest))
    });
    gone.unwrap_or_else(tell);
    lines.push(format!("Deleted: {}", image.id));
    lines.extend(removed.iter().map(|layer| format!("Deleted: {layer}")));
    Ok(lines.join("\n"))
}

/// Whether nothing is called so, not even an image that cannot be read.
fn is_missing(layout: &Layout, text: &str) -> Result<bool> {
    let has_digest = layout.index()?.manifests.iter().any(|entry| *entry.digest == *text);
    Ok(!has_digest && layout.find(text).is_ok_and(|image| image.is_none()))
}

/// An image with all its names.
fn whole(layout: &Layout, text: &str) -> Result<Option<Image>> {
    let Some(image) = layout.find(text)? else { return Ok(None) };
    Ok(layout.images()?.images.into_iter().find(|other| other.id == image.id))
}

/// Takes an image that cannot be read out of the index: by its name, or by its manifest's digest.
fn forget_broken(
    layout: &Layout,
    index: &mut Index,
    text: &str,
    name: Option<&Reference>,
) -> Result<(), ()> {
    let entry = match name {
        Some(name) => names::find(index, name),
        None => index.manifests.iter().find(|entry| *entry.digest == *text),
    };
    let digest = entry.ok_or(())?.digest.clone();
    if let Some(name) = name {
        names::take(index, name);
    }
    let nameless = |entry: &Descriptor| names::of(entry).is_none();
    index.manifests.retain(|entry| entry.digest != digest || name.is_some() && !nameless(entry));
    // What it leads to is not known; the next `clean` finds it.
    if index.manifests.iter().all(|entry| entry.digest != digest) {
        // It is missing, corrupted, or swept together with the rest.
        let _removed = layout.blobs.remove(&digest);
    }
    Ok(())
}

/// Removes the layers that only this image uses; returns them, the uppermost first.
fn remove_layers(store: &Store, image: Option<&Image>) -> Vec<String> {
    let removed = garbage::remove_layers(store, image.map(|image| &image.id));
    let removed = removed.unwrap_or_else(|error| {
        tell(error);
        Vec::new()
    });
    let chain = image.map(Image::chain_ids).unwrap_or_default();
    chain.into_iter().rev().filter(|layer| removed.contains(layer)).collect()
}

/// What is left of an image that is gone is no failure; the next `clean` sees to it.
fn tell(error: anyhow::Error) {
    console::tell(&format!("{error:#}"));
}

/// The containers that lie on an image.
struct Users {
    running: Option<Record>,
    stopped: Option<Record>,
    /// A record that cannot be read: that one may lie on anything.
    unknown: Option<anyhow::Error>,
}

impl Users {
    fn of(store: &Store, image: &Image) -> Result<Users> {
        let (records, broken) = usage::containers(store)?;
        let of_image = |record: &Record| record.image.as_deref() == Some(&*image.id);
        let (mut running, mut stopped) = (None, None);
        for record in records.into_iter().filter(of_image) {
            let place = if Held::of(&record.directory(&store.root))?.is_none() {
                &mut running
            } else {
                &mut stopped
            };
            place.get_or_insert(record);
        }
        Ok(Users { running, stopped, unknown: broken.into_iter().next() })
    }

    fn is_used(&self) -> bool {
        self.running.is_some() || self.stopped.is_some() || self.unknown.is_some()
    }

    /// Without its last name, an image that is in use would be hard to find again.
    fn refuse_untagging(&self, text: &str, image: &Image) -> Result<()> {
        let what = format!("unable to remove repository reference {text:?} (must force)");
        if let Some(record) = self.running.as_ref().or(self.stopped.as_ref()) {
            let container = &record.id[..12.min(record.id.len())];
            let why =
                format!("container {container} is using its referenced image {}", image.id.short());
            let failure = Failure::new(format!("conflict: {what} - {why}"));
            return Err(failure.remedy("remove the container with `rm`, or use -f").into());
        }
        match &self.unknown {
            Some(error) => Err(Failure::new(format!("conflict: {what} - {error:#}"))
                .remedy("remove that container with `rm`, or use -f")
                .into()),
            None => Ok(()),
        }
    }

    /// Why an image cannot be removed, in Docker's words.
    fn conflict(&self, image: &Image, force: bool, several_names: bool) -> Option<Failure> {
        let failure = |forced: &str, why: String, remedy: &str| {
            let what = format!("conflict: unable to delete {} ({forced})", image.id.short());
            Some(Failure::new(format!("{what} - {why}")).remedy(remedy))
        };
        let by = |how: &str, record: &Record| {
            let container = &record.id[..12.min(record.id.len())];
            format!("image is being used by {how} container {container}")
        };
        if let Some(record) = &self.running {
            let remedy = "stop the container and remove it: `rm -f`";
            return failure("cannot be forced", by("running", record), remedy);
        }
        if force {
            return None;
        }
        let must = "must be forced";
        if several_names {
            let why = "image is referenced in multiple repositories".into();
            return failure(must, why, "name it by one of its names, or use -f");
        }
        if let Some(record) = &self.stopped {
            let remedy = "remove the container with `rm`, or use -f";
            return failure(must, by("stopped", record), remedy);
        }
        let error = self.unknown.as_ref()?;
        failure(must, format!("{error:#}"), "remove that container with `rm`, or use -f")
    }
}

#[cfg(test)]
mod tests;
