//! `ps`: the containers that there are.

use crate::engine::ps_filters::Filters;
use crate::engine::seen::{self, Seen};
use crate::engine::store::Store;
use crate::engine::words::short;
use crate::engine::written::Written;
use crate::engine::{moment, records};
use anyhow::Result;
use cgroups::engine::find::Container;
use cgroups::engine::{ps, state};
use console::time::{self, Local};
use kernel::Pid;
use namespaces::engine::spaces;
use serde::Serialize;
use std::cmp::Reverse;
use std::time::SystemTime;

/// Options of `ps`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Filters: id, name, label, status, exited, ancestor (an image), before and since (a \
    container). Of several with one key, one has to fit; of labels, all."
)]
pub struct Options {
    /// All containers, not only those that run
    #[arg(short, long)]
    all: bool,
    /// Only those that fit, as status=exited or label=NAME=VALUE
    #[arg(short, long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// Only the last one that was made, running or not
    #[arg(short, long)]
    latest: bool,
    /// Only so many that were made last, running or not
    #[arg(short = 'n', long, value_name = "NUMBER", allow_negative_numbers = true)]
    last: Option<i64>,
    /// Print ids alone
    #[arg(short, long)]
    quiet: bool,
    /// Say how much each has written, and how much it sees (virtual)
    #[arg(short, long)]
    size: bool,
    /// Shorten nothing
    #[arg(long)]
    no_trunc: bool,
    /// `table`, `json`, or a text with {{.Field}} in it
    #[arg(long)]
    format: Option<String>,
}

/// A container, with a record or without.
pub(crate) struct Entry {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) created: SystemTime,
    /// In one word.
    pub(crate) state: &'static str,
    status: String,
    runs: bool,
    pid: Option<Pid>,
    command: Vec<String>,
    /// None for one of an earlier chapter.
    pub(crate) seen: Option<Seen>,
}

/// A container as a row.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row<'a> {
    command: String,
    created_at: String,
    #[serde(rename = "ID")]
    id: &'a str,
    image: &'a str,
    labels: String,
    names: &'a str,
    #[serde(rename = "PID")]
    pid: i32,
    running_for: String,
    size: String,
    state: &'static str,
    status: &'a str,
}

const COLUMNS: [(&str, &str); 7] = [
    ("CONTAINER ID", "ID"),
    ("IMAGE", "Image"),
    ("COMMAND", "Command"),
    ("CREATED", "RunningFor"),
    ("STATUS", "Status"),
    ("NAMES", "Names"),
    ("SIZE", "Size"),
];

/// The list for people, or in a format.
pub fn list(options: &Options, store: &Store) -> Result<String> {
    let filters = Filters::parse(&options.filter)?;
    let entries = filters.chosen(entries(store)?, store)?;
    let most = options.most();
    let all = options.all || most.is_some() || filters.ask_for_a_state();
    let shown = entries.iter().filter(|entry| all || entry.runs).take(most.unwrap_or(usize::MAX));
    let rows: Vec<Row> = shown.map(|entry| entry.row(options, store)).collect();
    if options.quiet {
        return console::format::list(&rows, &[], Some("{{.ID}}"));
    }
    let columns = if options.size { &COLUMNS[..] } else { &COLUMNS[..COLUMNS.len() - 1] };
    console::format::list(&rows, columns, options.format.as_deref())
}

impl Options {
    /// How many are asked for; none for all.
    fn most(&self) -> Option<usize> {
        let last = self.last.or(self.latest.then_some(1));
        last.and_then(|last| usize::try_from(last).ok()).filter(|last| *last > 0)
    }

    fn sizes(&self) -> bool {
        let named = |format: &String| format.contains(".Size");
        self.size || self.format.as_ref().is_some_and(named)
    }
}

/// All containers, the youngest first.
fn entries(store: &Store) -> Result<Vec<Entry>> {
    let seen::All { containers, groups, errors } = seen::all(&store.root)?;
    for error in errors {
        console::tell(&format!("{error:#}"));
    }
    // Without being root, what a container has written is removed in the lab box alone.
    let is_root = nix::unistd::geteuid().is_root();
    let mut entries = Vec::with_capacity(containers.len());
    for seen in containers {
        let ended = is_root && seen.record.auto_remove && !seen.runs();
        if ended && records::remove_if_left(&seen.record.directory(&store.root))? {
            continue;
        }
        entries.push(Entry::of_record(seen));
    }
    let of_others = groups.rest().filter(|container| !records::has(&store.root, &container.id));
    entries.extend(of_others.map(|container| Entry::of_group(&container)));
    entries.sort_by_key(|entry| Reverse(entry.created));
    Ok(entries)
}

impl Entry {
    fn of_record(seen: Seen) -> Entry {
        Entry {
            id: seen.record.id.clone(),
            name: seen.record.name.clone(),
            created: moment::parse(&seen.record.created).unwrap_or(SystemTime::UNIX_EPOCH),
            state: seen.word(),
            status: seen.words(),
            runs: seen.runs(),
            pid: seen.first.pid,
            command: seen.record.command.clone(),
            seen: Some(seen),
        }
    }

    fn of_group(container: &Container) -> Entry {
        let (age, paused) = (container.first.age(), state::is_frozen(&container.group));
        Entry {
            id: container.id.clone(),
            name: container.name.clone(),
            created: SystemTime::now() - age,
            state: if paused { "paused" } else { "running" },
            status: seen::up(time::duration(age), paused),
            runs: true,
            pid: Some(container.pid),
            command: spaces::arguments_of(container.pid),
            seen: None,
        }
    }

    fn row(&self, options: &Options, store: &Store) -> Row<'_> {
        let whole = options.no_trunc;
        let record = self.seen.as_ref().map(|seen| &seen.record);
        let label = |(name, value): (&String, &String)| format!("{name}={value}");
        let labels: Option<Vec<String>> =
            record.map(|record| record.settings.labels.iter().map(label).collect());
        let age = time::duration(self.created.elapsed().unwrap_or_default());
        let size = record.filter(|_| options.sizes()).map(|record| Written::shown(record, store));
        Row {
            command: ps::command(&self.command, whole),
            // No table has it, and a clock on the wall takes its time.
            created_at: match options.format {
                Some(_) => Local::at(self.created).to_string(),
                None => String::new(),
            },
            id: if whole { &self.id } else { short(&self.id) },
            image: record.map_or("", |record| &record.root),
            labels: labels.unwrap_or_default().join(","),
            names: if whole || self.name != self.id { &self.name } else { short(&self.name) },
            pid: self.pid.map_or(0, Pid::as_raw),
            running_for: format!("{age} ago"),
            size: size.unwrap_or_else(|| "0B".into()),
            state: self.state,
            status: &self.status,
        }
    }
}
