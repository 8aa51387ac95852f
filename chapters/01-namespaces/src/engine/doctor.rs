//! `doctor`: what this kernel and this account allow, found out by trying it in children that
//! vanish (`kernel::capability`); which chapters will work; and for each thing that does not, the
//! command that mends it. An ordinary user's trials are made in the lab box, where `run` would be.

mod cgroups;
mod chapters;
mod check;
mod container;
mod data;
mod ground;
mod machine;
mod mounts;
mod namespaces;
mod network;
mod report;
mod tools;

use crate::engine::labbox;
use anyhow::Result;
use check::Status;
use console::options::Global;
use ground::Ground;

/// Options of `doctor`.
#[derive(clap::Args, Debug)]
pub struct Options {
    /// `json`, or a text with {{.field}} in it
    #[arg(long)]
    format: Option<String>,
    /// One JSON object: for a whole room of machines
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

/// Examines, and reports; returns 0 if this chapter works for this account.
pub fn run(options: Options, global: &Global) -> Result<u8> {
    let mut ground = Ground::look(global);
    let mut checks = machine::checks(&ground);
    checks.extend(namespaces::of_user(&ground));
    if ground.rootless {
        let forbids = |check: &&check::Check| {
            check.name == namespaces::USER && check.status == Status::Missing
        };
        match checks.iter().find(forbids) {
            Some(check) => ground.shut = Some(check.remedy.clone().unwrap_or_default()),
            // From here on this is another process, root of a box; the one that was waits for it.
            None => labbox::enter_unless_root(global.rootless, false)?,
        }
    }
    checks.extend(namespaces::others(&ground));
    checks.extend(mounts::checks(&ground));
    let (data, of_data) = data::examine(&ground);
    checks.extend(of_data);
    checks.push(container::check(&ground, data.scratch.as_ref(), &checks));
    checks.extend(tools::checks(&ground));
    let (mode, of_cgroups) = cgroups::checks(&ground);
    checks.extend(of_cgroups);
    checks.extend(network::checks(&ground));
    checks.extend(machine::devices(&ground));
    drop(data.scratch);

    let report = report::Report::new(&ground, data.facts, mode, checks);
    let format = if options.json { Some("json") } else { options.format.as_deref() };
    console::print(report.show(format)?)?;
    Ok(u8::from(!report.this_chapter_works()))
}
