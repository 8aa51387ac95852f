//! The mount tree before and after pivot_root(2), drawn from two captured mount tables.

use super::{Anchor, Picture};
use anyhow::{Context, Result, ensure};

const ROW: u32 = 34;
const STEP: u32 = 26;
const NODE: u32 = 260;
const TOP: u32 = 44;
const COLUMN: u32 = 420;

/// A line of the capture.
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    id: u32,
    parent: u32,
    point: String,
    kind: String,
    host: bool,
}

/// Draws the two tables of a capture.
pub(super) fn draw(capture: &str) -> Result<Picture> {
    let (before, after) = capture
        .strip_prefix("before\n")
        .and_then(|rest| rest.split_once("after\n"))
        .context("a capture has the parts before and after")?;
    let tables = [read(before)?, read(after)?];
    let tables = [in_order(&tables[0]), in_order(&tables[1])];
    let rows = tables[0].len().max(tables[1].len()) as u32 + 1;
    let title = "The mount tree of the container’s first process, before and after pivot_root";
    let mut picture = Picture::new(title, 2 * COLUMN, TOP + rows * ROW);
    for (index, table) in tables.iter().enumerate() {
        let x = 10 + index as u32 * COLUMN;
        let heading = ["before pivot_root", "after it, and after umount2"][index];
        picture.text(x, 22, Anchor::Start, "title", heading);
        picture.say(["Before:", "After:"][index]);
        for (row, (depth, mount)) in table.iter().enumerate() {
            let (x, y) = (x + *depth as u32 * STEP, TOP + row as u32 * ROW);
            if *depth > 0 {
                let parent = (0..row).rev().find(|above| table[*above].0 < *depth).unwrap_or(0);
                let above = TOP + parent as u32 * ROW + ROW - 8;
                picture.line((x - STEP + 12, above), (x - STEP + 12, y + 13), "stroke");
                picture.line((x - STEP + 12, y + 13), (x, y + 13), "stroke");
            }
            let whose = if mount.host { "the host’s" } else { "the container’s" };
            picture.rectangle(x, y, NODE, ROW - 8, if mount.host { "dashed" } else { "filled" });
            picture.text(x + 8, y + 18, Anchor::Start, "code", &mount.point);
            picture.text(x + NODE - 8, y + 18, Anchor::End, "text", whose);
            let on = match parent(table, mount) {
                Some(below) if below.host != mount.host => {
                    format!(", on {} of the host", below.point)
                }
                _ => String::new(),
            };
            picture.say(format!("{} ({}), {whose}{on}.", mount.point, mount.kind));
        }
    }
    if let Some(table) = tables.first().filter(|table| table.iter().any(|(_, mount)| mount.host)) {
        let y = TOP + table.len() as u32 * ROW + 16;
        picture.text(10, y, Anchor::Start, "text", "(the host’s other mounts are left out)");
    }
    Ok(picture)
}

fn parent<'a>(table: &[(usize, &'a Mount)], mount: &Mount) -> Option<&'a Mount> {
    table.iter().map(|(_, other)| *other).find(|other| other.id == mount.parent)
}

fn read(table: &str) -> Result<Vec<Mount>> {
    let mounts = table.lines().map(|line| {
        let fields: Vec<&str> = line.split(' ').collect();
        let &[id, parent, point, kind, whose] = fields.as_slice() else {
            anyhow::bail!("not a mount: {line}");
        };
        Ok(Mount {
            id: id.parse().with_context(|| line.to_owned())?,
            parent: parent.parse().with_context(|| line.to_owned())?,
            point: point.to_owned(),
            kind: kind.to_owned(),
            host: whose == "host",
        })
    });
    let mounts = mounts.collect::<Result<Vec<_>>>()?;
    ensure!(!mounts.is_empty(), "a mount table without mounts");
    Ok(mounts)
}

/// Each mount behind the one that it is on, with its depth.
fn in_order(table: &[Mount]) -> Vec<(usize, &Mount)> {
    fn below<'a>(table: &'a [Mount], parent: u32, depth: usize, out: &mut Vec<(usize, &'a Mount)>) {
        for mount in table.iter().filter(|mount| mount.parent == parent && mount.id != parent) {
            out.push((depth, mount));
            below(table, mount.id, depth + 1, out);
        }
    }
    let mut out = Vec::new();
    below(table, 0, 0, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_stand_behind_what_they_are_on() {
        let table = read("1 0 / ext4 host\n2 3 /dev/pts devpts container\n3 4 /dev tmpfs container\n4 1 / ext4 container\n").unwrap();
        let order: Vec<(usize, u32)> =
            in_order(&table).iter().map(|(depth, mount)| (*depth, mount.id)).collect();
        assert_eq!(order, [(0, 1), (1, 4), (2, 3), (3, 2)]);
    }

    #[test]
    fn what_is_no_capture_is_refused() {
        assert!(draw("before\nafter\n").is_err());
        assert!(draw("before\n1 0 /\nafter\n1 0 / ext4 host\n").is_err());
        assert!(draw("1 0 / ext4 host\n").is_err());
    }
}
