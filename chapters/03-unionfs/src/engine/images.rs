//! `images`: which images there are.

use crate::engine::layout::Image;
use crate::engine::moment;
use crate::engine::reference::Reference;
use crate::engine::store::Store;
use anyhow::Result;
use console::format::decimal_bytes;
use console::time::{self, Local};
use serde::Serialize;
use std::cmp::Reverse;
use std::time::SystemTime;

/// What is shown where there is nothing.
const NONE: &str = "<none>";

/// Options of `images`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "SIZE is that of the layers as they travel, compressed; those that images share \
                        count for each."
)]
pub struct Options {
    /// All images; in this chapter, none are hidden
    #[arg(short, long)]
    all: bool,
    /// Print ids alone
    #[arg(short, long)]
    quiet: bool,
    /// Print the digests of manifests, too
    #[arg(long)]
    digests: bool,
    /// Shorten nothing
    #[arg(long)]
    no_trunc: bool,
    /// `table`, `json`, or a text with {{.Field}} in it
    #[arg(long)]
    format: Option<String>,
    /// Only those with this name
    #[arg(value_name = "REPOSITORY[:TAG]")]
    name: Option<String>,
}

/// An image under one of its names.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    created_at: String,
    created_since: String,
    digest: String,
    #[serde(rename = "ID")]
    id: String,
    repository: String,
    size: String,
    tag: String,
}

const COLUMNS: [(&str, &str); 6] = [
    ("REPOSITORY", "Repository"),
    ("TAG", "Tag"),
    ("DIGEST", "Digest"),
    ("IMAGE ID", "ID"),
    ("CREATED", "CreatedSince"),
    ("SIZE", "Size"),
];

/// The list for people, or in a format.
pub fn list(options: &Options, store: &Store) -> Result<String> {
    let mut listing = store.layout().images()?;
    for error in &listing.broken {
        console::tell(&format!("{error:#}"));
    }
    listing.images.sort_by_key(|image| Reverse(created(image)));
    let rows: Vec<Row> = listing.images.iter().flat_map(|image| rows(image, options)).collect();
    if options.quiet {
        return console::format::list(&rows, &[], Some("{{.ID}}"));
    }
    let shown = |column: &&(&str, &str)| options.digests || column.1 != "Digest";
    let columns: Vec<(&str, &str)> = COLUMNS.iter().filter(shown).copied().collect();
    console::format::list(&rows, &columns, options.format.as_deref())
}

/// A row for each name that is asked for.
fn rows(image: &Image, options: &Options) -> Vec<Row> {
    let row = |name: Option<&Reference>| {
        let moment = created(image);
        let age = moment.map(|moment| SystemTime::now().duration_since(moment).unwrap_or_default());
        let unknown = || "N/A".to_owned();
        let part = |part: fn(&Reference) -> &String| {
            name.map_or_else(|| NONE.to_owned(), |name| part(name).clone())
        };
        Row {
            created_at: moment.map_or_else(unknown, |moment| Local::at(moment).to_string()),
            created_since: age.map_or_else(unknown, |age| format!("{} ago", time::duration(age))),
            digest: image.descriptor.digest.to_string(),
            id: if options.no_trunc { image.id.to_string() } else { image.id.short().into() },
            repository: part(|name| &name.repository),
            size: decimal_bytes(size(image)),
            tag: part(|name| &name.tag),
        }
    };
    let named = image.names.iter().map(Some);
    let nameless = image.names.is_empty().then_some(None);
    named.chain(nameless).filter(|name| is_asked(*name, options)).map(row).collect()
}

/// Without a tag, all tags are asked for.
fn is_asked(name: Option<&Reference>, options: &Options) -> bool {
    let Some(asked) = &options.name else { return true };
    name.is_some_and(|name| *asked == name.repository || *asked == name.to_string())
}

/// How many bytes its layers have as they travel, which its manifest says: how many they have unpacked,
/// nobody knows before that is done.
pub fn size(image: &Image) -> u64 {
    image.manifest.layers.iter().map(|blob| blob.size).fold(0, u64::saturating_add)
}

fn created(image: &Image) -> Option<SystemTime> {
    image.config.created.as_deref().and_then(moment::parse)
}
