//! `commit`: an image of what a container lies on and what it has written. The container's own
//! layer becomes one that others can share; processes and memory are in no image.

use crate::container::{Driver, Record};
use crate::engine::changes::Roots;
use crate::engine::compose::compose;
use crate::engine::epoch;
use crate::engine::image::{Descriptor, History, ImageConfig, architecture};
use crate::engine::instructions;
use crate::engine::newlayer::NewLayer;
use crate::engine::pack;
use crate::engine::records;
use crate::engine::reference::Reference;
use crate::engine::scratch::Scratch;
use crate::engine::stack::Directory;
use crate::engine::store::Store;
use anyhow::{Context, Result};
use cgroups::engine::{find, pause, state};
use cgroups::group::Group;
use console::failure::Failure;
use std::path::PathBuf;

/// Options of `commit`.
#[derive(clap::Args, Debug)]
#[command(after_help = "The image's time is that of its newest file, or SOURCE_DATE_EPOCH: the \
                        same container gives the same id.")]
pub struct Options {
    /// Who made it
    #[arg(short, long, value_name = "NAME")]
    author: Option<String>,
    /// What to say about it
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
    /// Apply an instruction of a Dockerfile: CMD, ENV, ENTRYPOINT, WORKDIR, USER, LABEL, …
    #[arg(short, long = "change", value_name = "INSTRUCTION")]
    changes: Vec<String>,
    /// Pause the container meanwhile
    #[arg(short, long, default_value_t = true, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", action = clap::ArgAction::Set)]
    pause: bool,
    /// A container's name or id, or the beginning of an id
    #[arg(value_name = "CONTAINER")]
    container: String,
    /// What to call it
    #[arg(value_name = "REPOSITORY[:TAG]")]
    name: Option<String>,
}

/// Commits, and returns the id.
pub fn commit(options: &Options, store: &Store) -> Result<String> {
    let name = options.name.as_deref().map(Reference::parse_new).transpose()?;
    let latest = epoch::asked()?;
    let record = records::find(&store.root, &options.container)?;
    let ingest = store.ingest()?;
    let Base { mut config, blobs, mut new, below } = base(store, &record, &ingest, latest)?;
    set_command(&mut config, &record);
    instructions::apply(&mut config.config, &options.changes)?;

    let own = record.directory(&store.root);
    let upper = own.join(if record.driver == Driver::Copy { "fs" } else { "upper" });
    let mut newest = new.iter().filter_map(|layer| layer.newest).max();
    // One that never came as far as its own layer has changed nothing.
    let is_unchanged = !upper.exists();
    if !is_unchanged {
        let paused = if options.pause { Paused::pause(&record)? } else { None };
        let layer = NewLayer::packed(store, ingest.path().join("upper"), &below, |out| {
            let packed = match record.driver {
                Driver::Overlay => pack::pack_layer(&upper, store.spelling, out, latest),
                Driver::Copy => Roots::of(&record, &own, &below, store.spelling)
                    .and_then(|roots| pack::pack_changes(&roots, out, latest)),
            };
            // What is left to do needs nobody to stand still.
            drop(paused);
            packed
        });
        let layer = layer.with_context(|| format!("the layer of container {}", record.name))?;
        newest = newest.max(layer.newest);
        new.push(layer);
    }
    let of_image = config.created.take().filter(|_| latest.is_none() && newest.is_none());
    let created = Some(of_image.unwrap_or_else(|| epoch::created(latest, newest)));
    config.created = created.clone();
    config.author = options.author.clone();
    config.history.push(History {
        created,
        created_by: record.command.join(" "),
        author: options.author.clone().unwrap_or_default(),
        comment: options.message.clone().unwrap_or_default(),
        empty_layer: is_unchanged,
    });
    let id = compose(store, &ingest, config, &blobs, new, name.as_ref())?;
    Ok(format!("{id}\n"))
}

/// What a container lies on.
struct Base {
    config: ImageConfig,
    /// The blobs of the layers that an image has already.
    blobs: Vec<Descriptor>,
    /// The layer that is made of a directory.
    new: Vec<NewLayer>,
    /// All of that unpacked, the uppermost first.
    below: Vec<PathBuf>,
}

fn base(store: &Store, record: &Record, ingest: &Scratch, latest: Option<i64>) -> Result<Base> {
    if let Some(directory) = &record.directory {
        let union = Directory::root(&[directory], store.spelling)?;
        let layer = NewLayer::packed(store, ingest.path().join("directory"), &[], |out| {
            pack::pack_union(&union, out, latest)
        });
        let layer = layer.with_context(|| directory.0.display().to_string())?;
        let created = Some(epoch::created(latest, layer.newest));
        let comment = format!("Imported from {}", record.root);
        let config = ImageConfig {
            architecture: architecture().into(),
            os: "linux".into(),
            history: vec![History { created, comment, ..History::default() }],
            ..ImageConfig::default()
        };
        let below = vec![layer.partial.path().join("fs")];
        return Ok(Base { config, blobs: Vec::new(), new: vec![layer], below });
    }
    let _same = store.lock_shared()?;
    let image = record.image.as_deref().map(|id| store.layout().find(id)).transpose()?.flatten();
    let image = image.filter(|image| image.chain_ids() == record.layers).ok_or_else(|| {
        let failure = Failure::new(format!("the image of container {} is gone", record.name));
        let remedy = format!("export {} | import -", record.name);
        failure.remedy(format!("import it anew, or make one without its history: {remedy}"))
    })?;
    let below = store.lower(record)?;
    Ok(Base { config: image.config, blobs: image.manifest.layers, new: Vec::new(), below })
}

/// The image starts what the container started. The record has entrypoint and command as one.
fn set_command(config: &mut ImageConfig, record: &Record) {
    let settings = &mut config.config;
    let entrypoint = settings.entrypoint.take().unwrap_or_default();
    let command = match record.command.strip_prefix(&*entrypoint) {
        Some(rest) if !entrypoint.is_empty() => {
            settings.entrypoint = Some(entrypoint);
            rest.to_vec()
        }
        _ => record.command.clone(),
    };
    settings.cmd = Some(command);
    settings.env.extend(record.env.iter().filter(|entry| !is_own(entry)).cloned());
    settings.env = last_of_each(std::mem::take(&mut settings.env));
    settings.working_dir = record.working_dir.clone();
    let is_root = matches!(&*record.user, "" | "0" | "0:0");
    settings.user = if is_root { String::new() } else { record.user.clone() };
}

/// What every container gets anew, and must not have from another.
fn is_own(entry: &str) -> bool {
    let name = entry.split('=').next().unwrap_or_default();
    matches!(name, "HOME" | "HOSTNAME" | "TERM")
}

/// Of variables with the same name, the last counts; the order is that of the first.
fn last_of_each(entries: Vec<String>) -> Vec<String> {
    let name = |entry: &str| entry.split('=').next().unwrap_or_default().to_owned();
    let mut kept: Vec<String> = Vec::new();
    for entry in entries {
        match kept.iter_mut().find(|known| name(known) == name(&entry)) {
            Some(known) => *known = entry,
            None => kept.push(entry),
        }
    }
    kept
}

/// A container whose processes stand still, so that no file is packed half-written.
struct Paused(Group);

impl Paused {
    /// Pauses it, if it runs and is not paused already.
    fn pause(record: &Record) -> Result<Option<Paused>> {
        let Some(container) = find::optional(&record.id)? else { return Ok(None) };
        if state::is_frozen(&container.group) {
            return Ok(None);
        }
        // Whatever comes of it, the group is thawed.
        let paused = Paused(container.group);
        pause::freeze(&paused.0, true)?;
        Ok(Some(paused))
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        if let Err(error) = pause::freeze(&self.0, false) {
            console::tell(&format!("{error:#}: `unpause` lets it go on"));
        }
    }
}
