//! `stats`: what containers use at the moment, second by second. Processor time is a counter: its
//! growth over an interval, and the interval, make the percentage.

use crate::counters::{self, Usage};
use crate::engine::find::{Container, Finder};
use crate::engine::{pressure, traffic};
use anyhow::{Context, Result};
use console::format::{bytes, decimal_bytes};
use kernel::signal::{Signal, Signals};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::Serialize;
use std::collections::HashMap;
use std::fs;
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// From one look at the counters to the next.
const INTERVAL: Duration = Duration::from_secs(1);

/// Where the kernel does not count something.
const UNKNOWN: &str = "--";

/// What makes a terminal begin anew, and what empties the rest of a line and of the screen.
const CLEAR: &str = "\x1b[2J";
const HOME: &str = "\x1b[H";
const END_OF_LINE: &str = "\x1b[K\n";
const END_OF_SCREEN: &str = "\x1b[J";

/// Options of `stats`.
#[derive(clap::Args, Debug)]
#[command(after_help = "100 % is one processor. Memory is without the page cache that was not \
    used lately. Pressure is the share of the last 10 s in which some process of the container \
    had to wait for processor, memory or disks (PSI).")]
pub struct Options {
    /// All containers; in this chapter, a container that does not run is gone
    #[arg(short, long)]
    all: bool,
    /// Print once
    #[arg(long)]
    no_stream: bool,
    /// Shorten nothing
    #[arg(long)]
    no_trunc: bool,
    /// `table`, `json`, or a text with {{.Field}} in it
    #[arg(long)]
    format: Option<String>,
    /// Name or id, or the beginning of an id; all containers, if none
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

/// A container as a row; the fields are Docker's, and pressure.
#[derive(Debug, Serialize)]
struct Row {
    #[serde(rename = "BlockIO")]
    block: String,
    #[serde(rename = "CPUPerc")]
    cpu: String,
    #[serde(rename = "CPUPressure")]
    cpu_pressure: String,
    #[serde(rename = "Container")]
    container: String,
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "IOPressure")]
    io_pressure: String,
    #[serde(rename = "MemPerc")]
    memory_share: String,
    #[serde(rename = "MemPressure")]
    memory_pressure: String,
    #[serde(rename = "MemUsage")]
    memory: String,
    #[serde(rename = "Name")]
    name: String,
    #[serde(rename = "NetIO")]
    network: String,
    #[serde(rename = "PIDs")]
    pids: String,
}

const COLUMNS: [(&str, &str); 8] = [
    ("CONTAINER ID", "ID"),
    ("NAME", "Name"),
    ("CPU %", "CPUPerc"),
    ("MEM USAGE / LIMIT", "MemUsage"),
    ("MEM %", "MemPerc"),
    ("NET I/O", "NetIO"),
    ("BLOCK I/O", "BlockIO"),
    ("PIDS", "PIDs"),
];

/// Docker has no such columns; they come last, and only where the kernel counts pressure.
const PRESSURE: [(&str, &str); 3] =
    [("CPU PSI", "CPUPressure"), ("MEM PSI", "MemPressure"), ("IO PSI", "IOPressure")];

/// A look at a counter: when, and what it said.
type Look = (Instant, u64);

/// Prints what containers use, again and again, until Ctrl-C or the end of those that were named.
pub fn stats(options: &Options, finder: &impl Finder) -> Result<()> {
    let mut signals = Signals::collect(&[])?;
    let mut looks = HashMap::new();
    let redraws = !options.no_stream && std::io::stdout().is_terminal();
    let mut before = if redraws { CLEAR } else { "" };
    let named = finder.several(&options.containers)?;
    // The first look has nothing to compare with.
    rows(&named, &[], &mut looks, options);
    loop {
        if !wait(&mut signals)? {
            return Ok(());
        }
        let all = if options.containers.is_empty() { finder.all()? } else { Vec::new() };
        let containers = if options.containers.is_empty() { &all } else { &named };
        let rows = rows(containers, &options.containers, &mut looks, options);
        if rows.is_empty() && !options.containers.is_empty() {
            return Ok(());
        }
        let mut text = table(&rows, options)?;
        if redraws {
            let lines = text.replace('\n', END_OF_LINE);
            text = format!("{before}{HOME}{lines}{END_OF_SCREEN}");
            before = "";
        }
        if !console::offer(text)? || options.no_stream {
            return Ok(());
        }
    }
}

/// Waits for the next interval; false if we are to end.
fn wait(signals: &mut Signals) -> Result<bool> {
    let deadline = Instant::now() + INTERVAL;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(true);
        }
        let left = PollTimeout::try_from(left + Duration::from_millis(1)).context("poll")?;
        match poll(&mut [PollFd::new(signals.as_fd(), PollFlags::POLLIN)], left) {
            Err(kernel::Errno::EINTR) => continue,
            polled => polled?,
        };
        while let Some(received) = signals.receive()? {
            if received.signal != Signal::SIGWINCH {
                return Ok(false);
            }
        }
    }
}

fn table(rows: &[Row], options: &Options) -> Result<String> {
    let counted = rows.iter().any(|row| row.cpu_pressure != UNKNOWN);
    let more: &[(&str, &str)] = if counted { &PRESSURE } else { &[] };
    console::format::list(rows, &[&COLUMNS, more].concat(), options.format.as_deref())
}

/// The rows of those that still run, with the names that they were called by.
fn rows(
    containers: &[Container],
    called: &[String],
    looks: &mut HashMap<String, Look>,
    options: &Options,
) -> Vec<Row> {
    let machine = machine_memory();
    let running = containers.iter().enumerate().filter(|(_, container)| container.runs());
    let rows = running.map(|(index, container)| {
        let moment = Instant::now();
        let usage = Usage::of(&container.group);
        let id = if options.no_trunc { &container.id } else { container.short_id() };
        let name = if options.no_trunc { &container.name } else { container.short_name() };
        let used = usage.memory.map(|all| all.saturating_sub(usage.inactive_cache.unwrap_or(0)));
        let limit = counters::memory_limit(&container.group).unwrap_or(machine).min(machine);
        let pair = |(one, other)| format!("{} / {}", decimal_bytes(one), decimal_bytes(other));
        let unknown_pair = || format!("{UNKNOWN} / {UNKNOWN}");
        let now = usage.cpu_ns.map(|used| (moment, used));
        let last = now.and_then(|now| looks.insert(container.id.clone(), now));
        Row {
            block: usage.io.map_or_else(unknown_pair, pair),
            cpu: percentage(last.zip(now).map(|(last, now)| processors(last, now))),
            cpu_pressure: percentage(pressure::of(&container.group, "cpu")),
            container: called.get(index).cloned().unwrap_or_else(|| id.into()),
            id: id.into(),
            io_pressure: percentage(pressure::of(&container.group, "io")),
            memory_share: percentage(used.map(|used| used as f64 / limit as f64)),
            memory_pressure: percentage(pressure::of(&container.group, "memory")),
            memory: used
                .map_or_else(unknown_pair, |used| format!("{} / {}", bytes(used), bytes(limit))),
            name: name.into(),
            network: traffic::of(container.pid).map_or_else(unknown_pair, pair),
            pids: usage.pids.unwrap_or(container.group.processes().len() as u64).to_string(),
        }
    });
    rows.collect()
}

/// How many processors were in use between two looks at processor time in nanoseconds.
fn processors((then, before): Look, (now, after): Look) -> f64 {
    after.saturating_sub(before) as f64 / (now - then).as_nanos().max(1) as f64
}

fn percentage(share: Option<f64>) -> String {
    share.map_or(UNKNOWN.into(), |share| format!("{:.2}%", share * 100.0))
}

/// The machine's memory in bytes, which limits what has no limit.
fn machine_memory() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = total.and_then(|total| total.split_whitespace().next()?.parse::<u64>().ok());
    kib.map_or(u64::MAX, |kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_processor_is_one_hundred_percent() {
        let then = Instant::now();
        let now = then + Duration::from_millis(500);
        let busy = processors((then, 1_000_000), (now, 251_000_000));
        assert_eq!(percentage(Some(busy)), "50.00%");
        assert_eq!(percentage(Some(processors((then, 0), (now, 1_000_000_000)))), "200.00%");
        assert_eq!(percentage(None), UNKNOWN);
    }

    #[test]
    fn the_machine_has_memory() {
        let machine = machine_memory();
        assert!(machine > 1 << 24 && machine < u64::MAX);
    }
}
