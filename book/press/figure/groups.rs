//! The tree of groups and where delegation begins, drawn from a captured walk through cgroupfs.

use super::{Anchor, Picture};
use anyhow::{Context, Result, ensure};

const ROW: u32 = 36;
const STEP: u32 = 30;
const NODE: u32 = 200;
const TOP: u32 = 44;
/// Where the columns beside the tree begin.
const OWNER: u32 = 330;
const LIMIT: u32 = 500;
const PROCESSES: u32 = 660;
const WIDTH: u32 = 800;

/// A line of the capture.
#[derive(Debug, PartialEq, Eq)]
struct Group {
    depth: u32,
    name: String,
    /// `root` or `user`: who may make groups here and put processes in.
    owner: String,
    /// Who may change the limits; `none` if the group has none.
    limit: String,
    processes: u32,
}

/// Draws the walk of a capture.
pub(super) fn draw(capture: &str) -> Result<Picture> {
    let groups = capture.lines().map(read).collect::<Result<Vec<Group>>>()?;
    let line = groups.iter().position(|group| group.owner == "user");
    let line = line.context("nothing in the tree is delegated")?;
    ensure!(groups[line..].iter().all(|group| group.owner == "user"), "the line has two ends");
    ensure!(line > 0, "the root of all groups is delegated");
    // The line takes a row of its own.
    let y_of = |row: usize| TOP + (row as u32 + u32::from(row >= line)) * ROW;
    let height = y_of(groups.len()) + 4;
    let title = "The tree of groups, and the line below which it is delegated to a user";
    let mut picture = Picture::new(title, WIDTH, height);
    for (x, heading) in [
        (10, "group"),
        (OWNER, "who may fill it"),
        (LIMIT, "who limits it"),
        (PROCESSES, "processes"),
    ] {
        picture.text(x, 22, Anchor::Start, "title", heading);
    }
    for (row, group) in groups.iter().enumerate() {
        let (x, y) = (10 + group.depth * STEP, y_of(row));
        if group.depth > 0 {
            let parent = (0..row).rev().find(|above| groups[*above].depth < group.depth);
            let above = y_of(parent.context("a group without one above it")?) + ROW - 8;
            picture.line((x - STEP + 14, above), (x - STEP + 14, y + 14), "stroke");
            picture.line((x - STEP + 14, y + 14), (x, y + 14), "stroke");
        }
        let class = if group.processes > 0 { "filled" } else { "solid" };
        picture.rectangle(x, y, NODE - group.depth * 20, ROW - 8, class);
        picture.text(x + 8, y + 19, Anchor::Start, "code", &group.name);
        let whose = |word: &str| if word == "none" { "nobody" } else { word }.to_owned();
        let count = match group.processes {
            0 => "–".to_owned(),
            number => number.to_string(),
        };
        picture.text(OWNER, y + 19, Anchor::Start, "text", &whose(&group.owner));
        picture.text(LIMIT, y + 19, Anchor::Start, "text", &whose(&group.limit));
        picture.text(PROCESSES, y + 19, Anchor::Start, "text", &count);
        picture.say(words(&groups, row));
    }
    let y = TOP + line as u32 * ROW + 12;
    picture.line((10, y), (WIDTH - 10, y), "delegation");
    picture.text(
        WIDTH - 10,
        y - 6,
        Anchor::End,
        "text",
        "delegation: below this line the user makes groups and moves processes",
    );
    picture.say(format!(
        "The line of delegation runs above {}: it and all below it belong to the user, but its limit to root.",
        groups[line].name
    ));
    Ok(picture)
}

fn words(groups: &[Group], row: usize) -> String {
    let group = &groups[row];
    let parent = (0..row).rev().find(|above| groups[*above].depth < group.depth);
    let place = parent.map_or("at the top".to_owned(), |above| {
        let name = &groups[above].name;
        if name == "/" { "in the root".to_owned() } else { format!("in {name}") }
    });
    let processes = match group.processes {
        0 => "no process is shown in it".to_owned(),
        1 => "1 process".to_owned(),
        number => format!("{number} processes"),
    };
    let limit = match group.limit.as_str() {
        "none" => "nobody limits it".to_owned(),
        who => format!("limited by {who}"),
    };
    format!("{}, {place}: filled by {}, {limit}, {processes}.", group.name, group.owner)
}

fn read(line: &str) -> Result<Group> {
    let fields: Vec<&str> = line.split(' ').collect();
    let &[depth, name, owner, limit, processes] = fields.as_slice() else {
        anyhow::bail!("not a group: {line}");
    };
    Ok(Group {
        depth: depth.parse().with_context(|| line.to_owned())?,
        name: name.to_owned(),
        owner: owner.to_owned(),
        limit: limit.to_owned(),
        processes: processes.parse().with_context(|| line.to_owned())?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_told_with_who_limits_what() {
        let html = draw("0 / root none 0\n1 a root root 2\n1 b user root 0\n2 c user user 1\n");
        let html = html.unwrap().html("groups").unwrap();
        assert!(html.contains("a, in the root: filled by root, limited by root, 2 processes."));
        assert!(html.contains("c, in b: filled by user, limited by user, 1 process."));
        assert!(html.contains("The line of delegation runs above b"));
    }

    #[test]
    fn what_is_no_delegated_tree_is_refused() {
        assert!(draw("0 / root none 0\n1 a root root 2\n").is_err());
        assert!(draw("0 / root none 0\n1 a user root 2\n1 b root root 2\n").is_err());
        assert!(draw("0 / user none 0\n").is_err());
        assert!(draw("0 /\n").is_err());
    }
}
