//! `diff`: what a container has changed, in Docker's letters.

use crate::engine::changes::{Kind, Roots};
use crate::engine::records;
use crate::engine::store::Store;
use anyhow::Result;
use console::failure::printable;

/// Options of `diff`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "A: added, C: changed (also a directory in which something was), D: deleted."
)]
pub struct Options {
    /// Name or id, or the beginning of an id
    #[arg(value_name = "CONTAINER")]
    container: String,
}

/// The list.
pub fn list(options: &Options, store: &Store) -> Result<String> {
    let record = records::find(&store.root, &options.container)?;
    let own = record.directory(&store.root);
    let roots = Roots::of(&record, &own, &store.lower(&record)?, store.spelling)?;
    let line = |change: &crate::engine::changes::Change| {
        let letter = match change.kind {
            Kind::Added => 'A',
            Kind::Changed => 'C',
            Kind::Deleted => 'D',
        };
        format!("{letter} /{}\n", printable(&change.path.to_string_lossy()))
    };
    Ok(roots.changes()?.iter().map(line).collect())
}
