//! A container as files: what it lies on, its own layer, and how it ended. From here on a container is
//! there before it runs and after it, until it is removed.
//!
//! ```text
//! containers/ID/config.json   what it was made from; written first
//!               upper/        its own layer: all that it has written
//!               work/         where overlay puts a file together before it shows it in upper
//!               fs/           instead of the two: its own copy of all layers (--storage-driver copy)
//!               state.json    how it ended; written last
//! names/NAME                  a link to ../containers/ID: making it takes the name
//! ```

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What a container was made from: config.json.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Record {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Its name; the id, if it was given none.
    pub name: String,
    /// When, as in RFC 3339.
    pub created: String,
    /// The root as it was asked for: an image's name or id, `lab`, or a directory's path.
    pub root: String,
    /// The image's id (`sha256:…`); none for `lab` and directories.
    pub image: Option<String>,
    /// The chain ids of the image's layers, the lowest first.
    pub layers: Vec<String>,
    /// `lab`'s directory, or the one that was asked for, instead of an image's layers.
    pub directory: Option<PathBuf>,
    /// How its root is made of them.
    pub driver: Driver,
    /// The command and its arguments.
    pub command: Vec<String>,
    /// `NAME=value`.
    pub env: Vec<String>,
    /// Where it starts.
    pub working_dir: String,
    /// Who it is, as it was asked for; empty for root.
    pub user: String,
    /// It is removed when it ends.
    pub auto_remove: bool,
}

/// How a container's root is made of layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    /// The kernel shows them as one; what is written is copied first.
    Overlay,
    /// All is copied before it starts.
    Copy,
}
