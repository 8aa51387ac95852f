//! `inspect`: what chapter 01 shows of a process, and its group: a directory in each hierarchy, and
//! the files in it as they are.

use crate::counters::{self, Usage};
use crate::engine::{find, member, state};
use crate::group::{Group, Place};
use anyhow::Result;
use console::failure::Failure;
use console::format::bytes;
use kernel::Pid;
use kernel::cgroup::Version;
use namespaces::engine::spaces::{self, Inspection};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs;

/// What people are shown: the files that the limits are written to, and those that count.
const SHOWN: [&str; 35] = [
    "cgroup.procs",
    "cgroup.freeze",
    "freezer.state",
    "memory.max",
    "memory.swap.max",
    "memory.low",
    "memory.limit_in_bytes",
    "memory.memsw.limit_in_bytes",
    "memory.soft_limit_in_bytes",
    "memory.current",
    "memory.usage_in_bytes",
    "memory.peak",
    "memory.max_usage_in_bytes",
    "memory.events",
    "memory.oom_control",
    "cpu.max",
    "cpu.weight",
    "cpu.cfs_period_us",
    "cpu.cfs_quota_us",
    "cpu.shares",
    "cpu.stat",
    "cpuacct.usage",
    "cpuset.cpus",
    "cpuset.mems",
    "pids.max",
    "pids.current",
    "io.max",
    "io.stat",
    "blkio.throttle.read_bps_device",
    "blkio.throttle.write_bps_device",
    "blkio.throttle.read_iops_device",
    "blkio.throttle.write_iops_device",
    "blkio.throttle.io_service_bytes_recursive",
    "cpu.pressure",
    "memory.pressure",
];

/// The most characters of a file in a table.
const WIDTH: usize = 80;

/// Options of `inspect`.
#[derive(clap::Args, Debug)]
pub struct Options {
    /// A container's name or id, the beginning of an id, or a process as the host numbers it
    #[arg(value_name = "CONTAINER|PID")]
    target: String,
    /// `json`, or a text with {{.Field}} in it
    #[arg(short, long)]
    format: Option<String>,
}

/// A process beside the host, and its group.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct View {
    #[serde(flatten)]
    process: Inspection,
    name: Option<String>,
    paused: bool,
    usage: Option<Usage>,
    groups: Vec<Directory>,
    #[serde(skip)]
    group: Option<Group>,
}

/// A group's directory in one hierarchy.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directory {
    directory: String,
    version: u8,
    controllers: Vec<String>,
    files: BTreeMap<String, String>,
}

/// A container, or a process, as the kernel sees it, in a format, or for people.
pub fn show(options: &Options) -> Result<String> {
    let target = &options.target;
    let missing = || {
        let failure = Failure::new(format!("No such object: {target}"));
        failure.remedy("list containers with `ps`, and processes with `ns`")
    };
    let pid = match find::optional(target)? {
        Some(container) => container.pid.as_raw(),
        None => target.parse().map_err(|_| missing())?,
    };
    View::of(pid)?.show(options.format.as_deref())
}

impl View {
    /// Looks at a process.
    pub fn of(pid: i32) -> Result<View> {
        let process = spaces::inspect(pid)?;
        let group = member::group_of(Pid::from_raw(pid))?;
        let of_group = group.as_ref();
        Ok(View {
            process,
            name: of_group.map(|group| group.name.clone()),
            paused: of_group.is_some_and(state::is_frozen),
            usage: of_group.map(Usage::of),
            groups: of_group.map_or(Vec::new(), |g| g.places.iter().map(directory).collect()),
            group,
        })
    }

    /// It in a format, or for people.
    pub fn show(&self, format: Option<&str>) -> Result<String> {
        match format {
            Some(format) => {
                console::format::one(&serde_json::to_value(self)?, format).map(|text| text + "\n")
            }
            None => for_people(self),
        }
    }
}

/// All files that can be read, whatever they are called in this kernel.
fn directory(place: &Place) -> Directory {
    let entries = fs::read_dir(&place.directory).into_iter().flatten().flatten();
    let files = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    // Some can only be written, some ask for a controller that is off.
    let texts = files.filter_map(|file| {
        let bytes = fs::read(file.path()).ok()?;
        let text = String::from_utf8_lossy(&bytes).trim_end().to_owned();
        Some((file.file_name().to_string_lossy().into(), text))
    });
    Directory {
        directory: place.directory.display().to_string(),
        version: match place.version {
            Version::V1 => 1,
            Version::V2 => 2,
        },
        controllers: place.controllers.clone(),
        files: texts.collect(),
    }
}

fn for_people(view: &View) -> Result<String> {
    let process = spaces::for_people(&view.process)?;
    let Some((group, usage)) = view.group.as_ref().zip(view.usage.as_ref()) else {
        return Ok(process + "\nGroup:      none of ours\n");
    };
    let state = if view.paused { "paused" } else { "running" };
    let of = |most: Option<String>| most.map_or(String::new(), |most| format!(" of {most}"));
    let memory = usage.memory.map(|used| {
        let most = of(counters::memory_limit(group).map(bytes));
        format!("memory {}{most}", bytes(used))
    });
    let pids = usage.pids.map(|count| {
        format!("processes {count}{}", of(state::pids_limit(group).map(|most| most.to_string())))
    });
    let time = usage.cpu_ns.map(|ns| format!("processor time {:.2} s", ns as f64 / 1e9));
    let uses: Vec<String> = [memory, pids, time].into_iter().flatten().collect();
    let mut text = process;
    text += &format!("\nGroup:      {} ({state})\nUses:       {}\n", group.name, uses.join(", "));
    for directory in &view.groups {
        let Directory { directory, version, controllers, files } = directory;
        let with = match controllers.join(", ") {
            none if none.is_empty() => "no controllers".into(),
            some => some,
        };
        text += &format!("\n{directory} (version {version}: {with})\n");
        let shown = SHOWN.iter().filter_map(|name| files.get(*name).map(|text| (*name, text)));
        let rows: Vec<serde_json::Value> = shown
            .map(|(name, text)| serde_json::json!({"File": name, "Content": in_one_line(text)}))
            .collect();
        let columns = [("FILE", "File"), ("CONTENT", "Content")];
        text += &console::format::list(&rows, &columns, None)?;
    }
    Ok(text)
}

/// A file of several lines in one, and not too long.
fn in_one_line(text: &str) -> String {
    // Numbers of processes stand one a line.
    let numbers = text.lines().all(|line| line.parse::<u64>().is_ok());
    let line = text.replace('\n', if numbers { " " } else { ", " });
    match line.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_joined_and_long_ones_end() {
        assert_eq!(in_one_line("1\n22"), "1 22");
        assert_eq!(in_one_line("low 0\nmax 3"), "low 0, max 3");
        assert_eq!(in_one_line(&"x".repeat(100)).chars().count(), WIDTH + 1);
    }
}
