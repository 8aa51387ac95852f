//! One narrated wrapper for each kernel call that the chapters teach.
//!
//! The same wrapper executes the call, words its error and, under `--explain`, tells what it did:
//! what is printed is therefore what happened. Raw descriptors never leave this crate, `unsafe`
//! hardly does.

pub mod capability;
pub mod cgroup;
pub mod descriptor;
pub mod error;
pub mod explain;
pub mod identity;
pub mod memory;
pub mod mount;
pub mod namespace;
pub mod network;
pub mod path;
pub mod process;
pub mod resource;
pub mod signal;
pub mod terminal;
pub mod text;
pub mod xattr;

pub use error::{Error, Result};
pub use nix::errno::Errno;
pub use nix::unistd::Pid;
