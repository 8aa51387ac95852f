//! `export`: all that a container sees, as one archive: without layers, and without what they hide.

use crate::container::{Driver, Record};
use crate::engine::pack;
use crate::engine::records;
use crate::engine::stack::Directory;
use crate::engine::store::Store;
use anyhow::{Context, Result};
use console::failure::{Failure, is_full};
use std::fs::{self, File};
use std::io::{BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// What to do where there is none left.
const ROOM: &str = "free some space where it goes, or send it elsewhere";

/// Options of `export`.
#[derive(clap::Args, Debug)]
pub struct Options {
    /// Write to a file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// A container's name or id, or the beginning of an id
    #[arg(value_name = "CONTAINER")]
    container: String,
}

/// Exports.
pub fn export(options: &Options, store: &Store) -> Result<()> {
    let output = std::io::stdout();
    if options.output.is_none() && output.is_terminal() {
        let failure = Failure::new("cowardly refusing to save to a terminal");
        return Err(failure.remedy("use the -o option, or send it elsewhere").into());
    }
    let record = records::find(&store.root, &options.container)?;
    let root = Directory::root(&directories(store, &record)?, store.spelling)?;
    match &options.output {
        Some(path) => to_file(path, &root),
        None => console::offered(pack(&root, output.lock())).map(drop),
    }
}

/// What a container's root is made of, the uppermost first.
pub fn directories(store: &Store, record: &Record) -> Result<Vec<PathBuf>> {
    let container = store.root.join("containers").join(&record.id);
    let copy = container.join("fs");
    if record.driver == Driver::Copy && copy.exists() {
        return Ok(vec![copy]);
    }
    // One that never came as far as its own layer, or its copy, has changed nothing.
    let upper = Some(container.join("upper")).filter(|upper| upper.exists());
    Ok(upper.into_iter().chain(store.lower(record)?).collect())
}

/// Under its name only when it is complete.
fn to_file(path: &Path, root: &Directory) -> Result<()> {
    let named = |remedy| move || Failure::new(path.display().to_string()).remedy(remedy);
    let elsewhere = named("give -o a file in a directory that is there, and yours to write to");
    let packed = |file| {
        pack(root, file).map_err(|error| match error.root_cause().downcast_ref() {
            Some(cause) if is_full(cause) => error.context(named(ROOM)()),
            _ => error.context(path.display().to_string()),
        })
    };
    if path.exists() && !path.is_file() {
        return packed(File::options().write(true).open(path).with_context(elsewhere)?);
    }
    let mut partial = path.as_os_str().to_owned();
    partial.push(format!(".{}.partial", std::process::id()));
    let partial = PathBuf::from(partial);
    let written = File::create_new(&partial)
        .with_context(elsewhere)
        .and_then(packed)
        .and_then(|()| fs::rename(&partial, path).with_context(elsewhere));
    if written.is_err() {
        // What went wrong first is what counts.
        let _removed = fs::remove_file(&partial);
    }
    written
}

fn pack(root: &Directory, out: impl Write) -> Result<()> {
    let mut out = BufWriter::with_capacity(64 << 10, out);
    pack::pack_plain(root, &mut out)?;
    Ok(out.flush()?)
}
