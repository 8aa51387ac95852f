//! `exec`: chapter 01's, of containers that have a record; and with -d for nobody, minded by a process of
//! its own, as a container is by its shim.

use crate::engine::store::Store;
use crate::engine::{background, known};
use anyhow::Result;
use console::failure::OURS;
use console::options::Global;
use namespaces::engine::join;
use namespaces::plan::Mechanism;

/// Options of `exec`.
#[derive(clap::Args, Debug)]
#[group(skip)]
pub struct Options {
    /// Run it in the background: print nothing, and do not wait for it
    #[arg(short, long)]
    detach: bool,
    #[command(flatten)]
    joined: join::Options,
}

/// Runs a command in a running container; returns its exit code, or 0 once it runs in the background.
pub fn exec(options: Options, global: &Global, mechanisms: &[Box<dyn Mechanism>]) -> Result<u8> {
    let Options { detach, mut joined } = options;
    let root = Store::outside(global)?.root;
    let find = |text: &str| known::to_join(&root, text);
    joined.for_nobody = detach;
    if !detach || joined.plan_only() {
        return join::run(joined, mechanisms, find);
    }
    background::start(None, OURS, |teller| {
        let started = || {
            // Where the command line was may be unmounted soon.
            kernel::path::change_directory(c"/")?;
            teller.say(0, "");
            Ok(())
        };
        join::run_and_tell(joined, mechanisms, find, started).map(drop)
    })
}
