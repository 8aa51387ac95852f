//! Who waits for whom when a container starts: drawn from the text that stands beside the code.

use super::{Anchor, Picture};
use anyhow::{Context, Result, ensure};

const ROW: u32 = 27;
const TOP: u32 = 34;
/// Where the lives of the parent and of the child are drawn.
const PARENT: u32 = 345;
const CHILD: u32 = 480;
const WIDTH: u32 = 820;

/// One line of the text.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    parent: String,
    child: String,
    /// Columns by which the child's text is moved in: it belongs to the line above.
    indent: u32,
    arrow: Option<Direction>,
}

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Direction {
    ToChild,
    ToParent,
}

/// Draws the text block at the head of launch.rs.
pub(super) fn draw(source: &str) -> Result<Picture> {
    let (heads, rows) = read(source)?;
    let height = TOP + rows.len() as u32 * ROW + 12;
    let mut picture = Picture::new("Who waits for whom when a container starts", WIDTH, height);
    picture.text(PARENT, 18, Anchor::End, "title", &heads.parent);
    picture.text(CHILD, 18, Anchor::Start, "title", &heads.child);
    let middle = |row: usize| TOP + row as u32 * ROW + ROW / 2;
    let last = rows.len() - 1;
    let born = rows.iter().position(|row| row.arrow.is_some()).unwrap_or(0);
    picture.line((PARENT, TOP - 6), (PARENT, middle(last) + 14), "stroke");
    picture.line((CHILD, middle(born)), (CHILD, middle(last) + 14), "stroke");
    for (index, row) in rows.iter().enumerate() {
        let y = middle(index);
        picture.text(PARENT - 10, y + 5, Anchor::End, "text", &row.parent);
        picture.text(CHILD + 10 + row.indent * 7, y + 5, Anchor::Start, "text", &row.child);
        match row.arrow {
            Some(Direction::ToChild) => picture.arrow(PARENT, CHILD - 1, y),
            Some(Direction::ToParent) => picture.arrow(CHILD, PARENT + 1, y),
            None => {}
        }
    }
    for row in &rows {
        picture.say(words(row));
    }
    Ok(picture)
}

fn words(row: &Row) -> String {
    // What leads from one line to the next is for the eye.
    let plain = |text: &str| text.trim_matches(['…', ':', ' ']).to_owned();
    let (parent, child) = (plain(&row.parent), plain(&row.child));
    match row.arrow {
        Some(Direction::ToChild) => format!("The parent: {parent}. Then the child: {child}."),
        Some(Direction::ToParent) => format!("The child: {child}. Then the parent: {parent}."),
        None if parent.is_empty() => format!("The child: {child}."),
        None if child.is_empty() => format!("The parent: {parent}."),
        None => format!("The parent: {parent}. Meanwhile the child: {child}."),
    }
}

/// The headings, and the rows below them.
fn read(source: &str) -> Result<(Row, Vec<Row>)> {
    let mut lines = source
        .lines()
        .skip_while(|line| *line != "//! ```text")
        .skip(1)
        .take_while(|line| *line != "//! ```")
        .map(|line| line.trim_start_matches("//!"));
    let heading = lines.next().context("no picture in the head of the file")?;
    let column = heading.find("child").context("the picture has no column for the child")?;
    let heading = row(heading, column)?;
    ensure!(heading.arrow.is_none(), "an arrow in the headings");
    let rows = lines
        .filter(|line| !line.trim().is_empty() && !line.trim().starts_with("───"))
        .map(|line| row(line, column))
        .collect::<Result<Vec<_>>>()?;
    ensure!(rows.iter().any(|row| row.arrow.is_some()), "no arrow in the picture");
    Ok((heading, rows))
}

/// Splits a line at the column, which counts characters: the arrows are more than one byte each.
fn row(line: &str, column: usize) -> Result<Row> {
    let left: String = line.chars().take(column).collect();
    let child: String = line.chars().skip(column).collect();
    let left = left.trim();
    let arrow = match left {
        left if left.ends_with('▶') => Some(Direction::ToChild),
        left if left.ends_with('─') => Some(Direction::ToParent),
        _ => None,
    };
    let parent = left.trim_end_matches(['▶', '─', '◀']).trim();
    ensure!(!parent.contains(['▶', '◀']), "an arrow crosses a column: {line}");
    let indent = child.len() - child.trim_start().len();
    Ok(Row {
        parent: parent.to_owned(),
        child: child.trim().to_owned(),
        indent: indent as u32,
        arrow,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "//! Head.\n//!\n//! ```text\n\
        //!  parent          child\n\
        //!  ──────          ─────\n\
        //!  clones ───────▶ waits\n\
        //!                    runs\n\
        //!  … ends ◀─────── execve\n\
        //! ```\n";

    #[test]
    fn rows_and_arrows_are_read_from_the_text() {
        let (heads, rows) = read(SOURCE).unwrap();
        assert_eq!((heads.parent.as_str(), heads.child.as_str()), ("parent", "child"));
        let row = |parent: &str, child: &str, indent, arrow| Row {
            parent: parent.into(),
            child: child.into(),
            indent,
            arrow,
        };
        assert_eq!(
            rows,
            [
                row("clones", "waits", 0, Some(Direction::ToChild)),
                row("", "runs", 2, None),
                row("… ends", "execve", 0, Some(Direction::ToParent)),
            ]
        );
    }

    #[test]
    fn a_head_without_a_picture_is_refused() {
        assert!(draw("//! Head.\n").is_err());
        assert!(draw(&SOURCE.replace(['▶', '◀', '─'], " ")).is_err());
    }
}
