//! `top` with options of ps(1): the host's own is run, and what it says of other processes is left
//! out. It is on nobody's start path, and who gives no options needs none.

use crate::engine::top::Table;
use anyhow::{Context, Result};
use console::failure::Failure;
use kernel::Pid;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::process::Command;

/// What the host's ps(1) says of these processes.
pub(crate) fn table(options: &[OsString], pids: &[Pid]) -> Result<Table> {
    let list: Vec<String> = pids.iter().map(Pid::to_string).collect();
    let run = |more: &[String]| {
        Command::new("ps").args(options).args(more).output().map_err(|error| {
            let failure = match error.kind() {
                ErrorKind::NotFound => Failure::new("the host has no ps(1) to pass options to")
                    .remedy("leave them out: the usual columns need no program"),
                _ => return anyhow::Error::from(error).context("ps"),
            };
            failure.into()
        })
    };
    // Without -q it would look at its own terminal's processes alone; some options exclude it.
    let mut output = run(&[format!("-q{}", list.join(","))])?;
    if !output.status.success() {
        output = run(&[])?;
    }
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        let first = words.lines().next().unwrap_or("it failed and said nothing");
        return Err(Failure::new(format!("ps: {first}")).into());
    }
    parse(&String::from_utf8_lossy(&output.stdout), pids)
}

/// The lines about these processes; the last column may have spaces in it.
fn parse(text: &str, pids: &[Pid]) -> Result<Table> {
    let mut lines = text.lines();
    let titles: Vec<String> =
        lines.next().unwrap_or("").split_whitespace().map(str::to_owned).collect();
    let column = titles.iter().position(|title| title == "PID");
    let column = column.context("ps prints no column PID, by which to pick: add pid to -o")?;
    let mut rows = Vec::new();
    // A thread has a line of its own without a number, after its process's.
    let mut ours = false;
    for line in lines {
        let cells = columns(line, titles.len());
        let pid = cells.get(column).map(|pid| (pid, pid.parse().map(Pid::from_raw)));
        ours = match pid {
            Some((_, Ok(pid))) => pids.contains(&pid),
            Some((pid, Err(_))) => ours && pid == "-",
            None => false,
        };
        if ours {
            rows.push(cells);
        }
    }
    Ok(Table { titles, rows })
}

/// The words of a line; the last one is the rest of it.
fn columns(line: &str, count: usize) -> Vec<String> {
    let mut cells: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    if cells.len() > count && count > 0 {
        let last = cells.split_off(count - 1).join(" ");
        cells.push(last);
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_ps_lines_those_of_the_container_remain() {
        let text =
            "  PID S CMD\n    7 S sh -c a b\n    - R -\n   70 S other\n    - S -\n    8 S x\n";
        let table = parse(text, &[7, 8].map(Pid::from_raw)).unwrap();
        assert_eq!(table.titles, ["PID", "S", "CMD"]);
        assert_eq!(table.rows, [["7", "S", "sh -c a b"], ["-", "R", "-"], ["8", "S", "x"]]);
    }

    #[test]
    fn without_a_column_of_numbers_nothing_can_be_picked() {
        assert!(parse("COMMAND\nsh\n", &[]).is_err());
    }
}
