//! `ps`: the containers that there are. Which ones run, the kernel says; what they were made from and
//! how they ended, their records do.

use crate::container::{Held, Record};
use crate::engine::moment;
use crate::engine::records;
use crate::engine::store::Store;
use crate::engine::words::short;
use anyhow::Result;
use cgroups::engine::find::{self, Container};
use cgroups::engine::{ps, state};
use console::time::{self, Local};
use kernel::Pid;
use namespaces::engine::spaces;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

/// Options of `ps`.
#[derive(clap::Args, Debug)]
pub struct Options {
    /// All containers, not only those that run
    #[arg(short, long)]
    all: bool,
    /// Print ids alone
    #[arg(short, long)]
    quiet: bool,
    /// Shorten nothing
    #[arg(long)]
    no_trunc: bool,
    /// `table`, `json`, or a text with {{.Field}} in it
    #[arg(long)]
    format: Option<String>,
}

/// A container as a row.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    command: String,
    created_at: String,
    #[serde(rename = "ID")]
    id: String,
    image: String,
    names: String,
    #[serde(rename = "PID")]
    pid: i32,
    running_for: String,
    state: &'static str,
    status: String,
}

const COLUMNS: [(&str, &str); 6] = [
    ("CONTAINER ID", "ID"),
    ("IMAGE", "Image"),
    ("COMMAND", "Command"),
    ("CREATED", "RunningFor"),
    ("STATUS", "Status"),
    ("NAMES", "Names"),
];

/// The list for people, or in a format.
pub fn list(options: &Options, store: &Store) -> Result<String> {
    let (records, errors) = records::all(&store.root)?;
    for error in errors {
        console::tell(&format!("{error:#}"));
    }
    let mut running: BTreeMap<String, Container> =
        find::all()?.into_iter().map(|container| (container.id.clone(), container)).collect();
    let mut rows = Vec::new();
    // Without being root, what a container has written is removed in the lab box alone.
    let is_root = nix::unistd::geteuid().is_root();
    for record in &records {
        let first = running.remove(&record.id);
        if first.is_none() && is_root && records::remove_if_left(&record.directory(&store.root))? {
            continue;
        }
        let row = of_record(record, first, store, options.no_trunc)?;
        rows.extend(row.filter(|row| options.all || row.pid != 0));
    }
    // An earlier chapter's have no record.
    rows.extend(running.into_values().map(|container| of_group(&container, options.no_trunc)));
    if options.quiet {
        return console::format::list(&rows, &[], Some("{{.ID}}"));
    }
    console::format::list(&rows, &COLUMNS, options.format.as_deref())
}

fn of_record(
    record: &Record,
    container: Option<Container>,
    store: &Store,
    whole: bool,
) -> Result<Option<Row>> {
    let created = moment::parse(&record.created).unwrap_or(SystemTime::UNIX_EPOCH);
    let age = created.elapsed().unwrap_or_default();
    let pid = match &container {
        Some(container) => Some(container.pid),
        // Where it could have no group it is known by its mark alone.
        None if Held::of(&record.directory(&store.root))?.is_none() => first_process(&record.id),
        None => None,
    };
    if pid.is_none() && !record.directory(&store.root).exists() {
        // Removed while we looked.
        return Ok(None);
    }
    let (state, status) = match (&container, pid) {
        (Some(container), _) => up(container),
        (None, Some(_)) => ("running", format!("Up {}", time::duration(age))),
        (None, None) => ended(record, store)?,
    };
    Ok(Some(Row {
        command: ps::command(&record.command, whole),
        created_at: Local::at(created).to_string(),
        id: if whole { record.id.clone() } else { short(&record.id).into() },
        image: record.root.clone(),
        names: if whole || record.name != record.id {
            record.name.clone()
        } else {
            short(&record.name).into()
        },
        pid: pid.map_or(0, Pid::as_raw),
        running_for: format!("{} ago", time::duration(age)),
        state,
        status,
    }))
}

fn up(container: &Container) -> (&'static str, String) {
    let up = format!("Up {}", time::duration(container.first.age()));
    match state::is_frozen(&container.group) {
        true => ("paused", format!("{up} (Paused)")),
        false => ("running", up),
    }
}

/// One that was killed together with its command line has left no word.
fn ended(record: &Record, store: &Store) -> Result<(&'static str, String)> {
    let Some(state) = record.state(&store.root)? else {
        return Ok(("exited", "Exited (137)".into()));
    };
    let finished = moment::parse(&state.finished_at);
    let ago = finished.and_then(|moment| moment.elapsed().ok()).unwrap_or(Duration::ZERO);
    Ok(("exited", format!("Exited ({}) {} ago", state.exit_code, time::duration(ago))))
}

/// The oldest process with a container's mark.
fn first_process(id: &str) -> Option<Pid> {
    let processes = spaces::processes().ok()?;
    processes.into_iter().find(|pid| spaces::container_of(*pid).as_deref() == Some(id))
}

fn of_group(container: &Container, whole: bool) -> Row {
    let age = container.first.age();
    let (state, status) = up(container);
    Row {
        command: ps::command(&spaces::arguments_of(container.pid), whole),
        created_at: Local::at(SystemTime::now() - age).to_string(),
        id: if whole { container.id.clone() } else { container.short_id().into() },
        image: String::new(),
        names: if whole { container.name.clone() } else { container.short_name().into() },
        pid: container.pid.as_raw(),
        running_for: format!("{} ago", time::duration(age)),
        state,
        status,
    }
}
