//! `ps`: the containers that run, as the tree of groups has them.

use crate::engine::find::{self, Container};
use crate::engine::state;
use anyhow::Result;
use console::time::{self, Local};
use namespaces::engine::spaces;
use serde::Serialize;
use std::time::SystemTime;

/// The most characters of a command in a table.
const WIDTH: usize = 20;

/// Options of `ps`.
#[derive(clap::Args, Debug)]
#[command(after_help = "A container that could get no control group is in `ns` alone.")]
pub struct Options {
    /// All containers; in this chapter, a container that does not run is gone
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
    names: String,
    #[serde(rename = "PID")]
    pid: i32,
    running_for: String,
    state: &'static str,
    status: String,
}

const COLUMNS: [(&str, &str); 5] = [
    ("CONTAINER ID", "ID"),
    ("COMMAND", "Command"),
    ("CREATED", "RunningFor"),
    ("STATUS", "Status"),
    ("NAMES", "Names"),
];

/// The list for people, or in a format.
pub fn list(options: &Options) -> Result<String> {
    let containers = find::all()?;
    let rows: Vec<Row> =
        containers.iter().map(|container| row(container, options.no_trunc)).collect();
    if options.quiet {
        return console::format::list(&rows, &[], Some("{{.ID}}"));
    }
    console::format::list(&rows, &COLUMNS, options.format.as_deref())
}

fn row(container: &Container, whole: bool) -> Row {
    let age = container.first.age();
    let started = Local::at(SystemTime::now() - age);
    let paused = state::is_frozen(&container.group);
    let up = format!("Up {}", time::duration(age));
    let (state, status) =
        if paused { ("paused", format!("{up} (Paused)")) } else { ("running", up) };
    Row {
        command: command(&spaces::arguments_of(container.pid), whole),
        created_at: started.to_string(),
        id: if whole { container.id.clone() } else { container.short_id().into() },
        names: if whole { container.name.clone() } else { container.short_name().into() },
        pid: container.pid.as_raw(),
        running_for: format!("{} ago", time::duration(age)),
        state,
        status,
    }
}

/// A command in Docker's way: words with spaces in single quotes, the whole in double ones.
pub fn command(words: &[String], whole: bool) -> String {
    let quoted = words.iter().map(|word| match word.contains(' ') {
        true => format!("'{}'", word.replace('\'', "\\'")),
        false => word.clone(),
    });
    let line = quoted.collect::<Vec<String>>().join(" ");
    let short = match line.char_indices().nth(WIDTH - 1) {
        Some((end, _)) if !whole && line.chars().count() > WIDTH => format!("{}…", &line[..end]),
        _ => line,
    };
    format!("{short:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &[&str], whole: bool) -> String {
        command(&words.iter().map(|word| word.to_string()).collect::<Vec<String>>(), whole)
    }

    #[test]
    fn a_command_is_quoted_and_shortened_as_docker_does_it() {
        assert_eq!(of(&["sleep", "300"], false), r#""sleep 300""#);
        let script = ["sh", "-c", "sleep 2; touch /tmp/ok"];
        assert_eq!(of(&script, false), r#""sh -c 'sleep 2; tou…""#);
        assert_eq!(of(&script, true), r#""sh -c 'sleep 2; touch /tmp/ok'""#);
        assert_eq!(of(&["12345678901234567890"], false), r#""12345678901234567890""#);
    }

    #[test]
    fn a_command_cannot_write_to_the_terminal() {
        assert_eq!(of(&["a\u{1b}[2Jb\n"], false), r#""a\u{1b}[2Jb\n""#);
    }
}
