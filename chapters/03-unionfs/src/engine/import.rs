//! `import`: an image of one layer, from an archive or a directory.

use crate::engine::compose::compose;
use crate::engine::epoch;
use crate::engine::image::{History, ImageConfig, Settings, architecture};
use crate::engine::instructions;
use crate::engine::newlayer::NewLayer;
use crate::engine::pack;
use crate::engine::reference::Reference;
use crate::engine::stack::Directory;
use crate::engine::store::Store;
use anyhow::{Context, Result};
use console::failure::Failure;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// Options of `import`.
#[derive(clap::Args, Debug)]
#[command(after_help = "The image's time is that of its newest file, or SOURCE_DATE_EPOCH: the \
                        same content gives the same id.")]
pub struct Options {
    /// Apply an instruction of a Dockerfile: CMD, ENV, ENTRYPOINT, WORKDIR, USER, LABEL, …
    #[arg(short, long = "change", value_name = "INSTRUCTION")]
    changes: Vec<String>,
    /// What to say about it
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
    /// An archive (tar, also in gzip), a directory, or - for standard input
    #[arg(value_name = "FILE|DIR|-")]
    source: PathBuf,
    /// What to call it
    #[arg(value_name = "REPOSITORY[:TAG]")]
    name: Option<String>,
}

/// Imports, and returns the id.
pub fn import(options: &Options, store: &Store) -> Result<String> {
    // What can be refused at once is, before much is read.
    let name = options.name.as_deref().map(Reference::parse_new).transpose()?;
    let mut settings = Settings::default();
    instructions::apply(&mut settings, &options.changes)?;
    let latest = epoch::asked()?;
    let source = &options.source;
    refuse_urls(source)?;
    let ingest = store.ingest()?;
    let layer = read(store, source, ingest.path().join("layer"), latest)
        .with_context(|| source.display().to_string())?;
    let created = epoch::created(latest, layer.newest);
    // As docker says it, wherever it came from.
    let comment = options.message.clone().unwrap_or_else(|| "Imported from -".into());
    let config = ImageConfig {
        created: Some(created.clone()),
        architecture: architecture().into(),
        os: "linux".into(),
        config: settings,
        history: vec![History { created: Some(created), comment, ..History::default() }],
        ..ImageConfig::default()
    };
    let id = compose(store, &ingest, config, &[], vec![layer], name.as_ref())?;
    Ok(format!("{id}\n"))
}

fn read(store: &Store, source: &Path, to: PathBuf, latest: Option<i64>) -> Result<NewLayer> {
    if source.as_os_str() == "-" {
        return NewLayer::from_archive(store, to, std::io::stdin().lock());
    }
    let file = File::open(source)?;
    if !file.metadata()?.is_dir() {
        return NewLayer::from_archive(store, to, file);
    }
    refuse_own_files(store, source)?;
    let directory = Directory::root(&[source], store.spelling)?;
    NewLayer::packed(store, to, &[], |out| pack::pack_union(&directory, out, latest))
}

/// What is in a directory would be read while it is written.
pub(crate) fn refuse_own_files(store: &Store, source: &Path) -> Result<()> {
    if fs::canonicalize(&store.root)?.starts_with(fs::canonicalize(source)?) {
        let failure = Failure::new(format!("minidock's own files are in it: {:?}", store.root));
        return Err(failure.remedy("name another place for them with --root").into());
    }
    Ok(())
}

fn refuse_urls(source: &Path) -> Result<()> {
    let text = source.to_string_lossy();
    if (text.starts_with("http://") || text.starts_with("https://")) && !source.exists() {
        let failure = Failure::new(format!("{text} is not here"));
        let remedy = format!("curl -fsSL {text} | import - NAME");
        return Err(failure.remedy(remedy).into());
    }
    Ok(())
}
