//! `top`: a container's processes as the host numbers them, with the columns of `ps -ef`, from /proc.

use crate::engine::find::Finder;
use crate::engine::host_ps;
use crate::engine::process::Stat;
use anyhow::Result;
use console::time::Local;
use kernel::Pid;
use namespaces::engine::spaces;
use nix::unistd::{Uid, User};
use serde_json::Value;
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

/// Options of `top`.
#[derive(clap::Args, Debug)]
pub struct Options {
    /// `table`, `json`, or a text with {{.Field}} in it; a field is a column's title
    #[arg(long)]
    format: Option<String>,
    /// Name or id, or the beginning of an id
    container: String,
    /// Options of ps(1), such as -o pid,comm
    #[arg(value_name = "PS OPTIONS", trailing_var_arg = true, allow_hyphen_values = true)]
    ps: Vec<OsString>,
}

/// Titles, and a row for each process.
pub(crate) struct Table {
    pub(crate) titles: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

/// The processes for people, or in a format.
pub fn top(options: &Options, finder: &impl Finder) -> Result<String> {
    let pids = finder.container(&options.container)?.group.processes();
    let table =
        if options.ps.is_empty() { usual(&pids) } else { host_ps::table(&options.ps, &pids)? };
    match options.format.as_deref() {
        None | Some("table") => Ok(table.show()),
        format => {
            let item = |row: &Vec<String>| {
                let cells = row.iter().cloned().map(Value::String);
                Value::Object(table.titles.iter().cloned().zip(cells).collect())
            };
            let items: Vec<Value> = table.rows.iter().map(item).collect();
            let titles: Vec<(&str, &str)> = table.titles.iter().map(|t| (&**t, &**t)).collect();
            console::format::list(&items, &titles, format)
        }
    }
}

impl Table {
    /// Docker's columns are at least 20 characters wide.
    fn show(&self) -> String {
        let all = || std::iter::once(&self.titles).chain(&self.rows);
        let widest = |column: usize| {
            let cells = all().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count() + 3).max().unwrap_or(0).max(20)
        };
        let widths: Vec<usize> = (0..self.titles.len()).map(widest).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            cells.collect::<String>().trim_end().to_owned() + "\n"
        };
        all().map(line).collect()
    }
}

/// The columns of `ps -ef`.
fn usual(pids: &[Pid]) -> Table {
    let titles = ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"].map(String::from);
    let now = Local::at(SystemTime::now());
    // Those that have ended meanwhile are left out.
    let mut stats: Vec<Stat> = pids.iter().filter_map(|pid| Stat::of(*pid)).collect();
    stats.sort_by_key(|stat| stat.pid);
    let rows = stats.iter().map(|stat| {
        let started = Local::at(SystemTime::now() - stat.age());
        vec![
            user(stat.pid),
            stat.pid.to_string(),
            stat.parent.to_string(),
            share(stat.used, stat.age()).to_string(),
            start(&started, &now),
            terminal(stat.terminal),
            clock(stat.used),
            command(stat),
        ]
    });
    Table { titles: titles.into(), rows: rows.collect() }
}

/// The name that the host has for a process's user; its number if it has none.
fn user(pid: Pid) -> String {
    let Ok(found) = std::fs::metadata(format!("/proc/{pid}")) else { return "?".into() };
    let user = User::from_uid(Uid::from_raw(found.uid())).ok().flatten();
    user.map_or_else(|| found.uid().to_string(), |user| user.name)
}

/// Percent of a processor that it has used over its life; two digits, as in ps(1).
fn share(used: Duration, age: Duration) -> u64 {
    if age.is_zero() {
        return 0;
    }
    ((used.as_secs_f64() / age.as_secs_f64() * 100.0) as u64).min(99)
}

/// The hour today, the date this year, else the year.
fn start(started: &Local, now: &Local) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let date = |local: &Local| (local.year, local.month, local.day);
    if date(started) == date(now) {
        format!("{:02}:{:02}", started.hour, started.minute)
    } else if started.year == now.year {
        let month = MONTHS.get(started.month as usize - 1).unwrap_or(&"?");
        format!("{month}{:02}", started.day)
    } else {
        started.year.to_string()
    }
}

/// The name of a terminal with this device number, by the kernel's list (admin-guide/devices).
fn terminal(device: u64) -> String {
    let (major, minor) = (nix::sys::stat::major(device), nix::sys::stat::minor(device));
    match (major, minor) {
        (0, _) => "?".into(),
        (4, ..64) => format!("tty{minor}"),
        (4, _) => format!("ttyS{}", minor - 64),
        (136..=143, _) => format!("pts/{}", (major - 136) * 256 + minor),
        _ => format!("{major}:{minor}"),
    }
}

/// `[DAYS-]HH:MM:SS`.
fn clock(time: Duration) -> String {
    let (seconds, minutes) = (time.as_secs() % 60, time.as_secs() / 60 % 60);
    let (hours, days) = (time.as_secs() / 3600 % 24, time.as_secs() / 86_400);
    let days = if days > 0 { format!("{days}-") } else { String::new() };
    format!("{days}{hours:02}:{minutes:02}:{seconds:02}")
}

/// Its words, or the kernel's name for it; control characters are shown and not obeyed.
fn command(stat: &Stat) -> String {
    let words = spaces::arguments_of(stat.pid).join(" ");
    match words.is_empty() {
        _ if stat.state == 'Z' => format!("[{}] <defunct>", spaces::name_of(stat.pid)),
        true => format!("[{}]", spaces::name_of(stat.pid)),
        false => console::failure::printable(&words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_dockers() {
        let table = Table {
            titles: ["PID", "CMD"].map(String::from).into(),
            rows: vec![["1", "sh"].map(String::from).into()],
        };
        assert_eq!(table.show(), format!("{:20}CMD\n{:20}sh\n", "PID", "1"));
    }

    #[test]
    fn times_are_written_as_ps_writes_them() {
        assert_eq!(clock(Duration::from_secs(3 * 86_400 + 3661)), "3-01:01:01");
        assert_eq!(clock(Duration::from_millis(999)), "00:00:00");
        assert_eq!(share(Duration::from_secs(3), Duration::from_secs(2)), 99);
        assert_eq!(share(Duration::from_secs(1), Duration::from_secs(3)), 33);
        let now = Local::at(SystemTime::now());
        assert_eq!(start(&now, &now), format!("{:02}:{:02}", now.hour, now.minute));
        let other = Local { year: 2024, ..now.clone() };
        assert_eq!(start(&other, &now), "2024");
        let early = Local { month: 2, day: 3, ..now.clone() };
        assert_eq!(start(&early, &Local { month: 11, ..now }), "Feb03");
    }

    #[test]
    fn terminals_have_names() {
        let device = nix::sys::stat::makedev;
        assert_eq!([0, device(136, 3), device(4, 1)].map(terminal), ["?", "pts/3", "tty1"]);
    }
}
