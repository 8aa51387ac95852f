//! Who keeps a container in the background: drawn from the text at the head of shim.rs, which has a column
//! for the command line, one for the shim, and one for the container.

use super::{Anchor, Picture};
use anyhow::{Context, Result, ensure};

const HEADS: [&str; 3] = ["command line", "shim", "container"];
/// Where the life of each is drawn; its texts begin right of that.
const LIVES: [u32; 3] = [4, 160, 425];
const WIDTH: u32 = 550;
const ROW: u32 = 30;
const TOP: u32 = 34;
/// About the width of a letter.
const LETTER: u32 = 7;

/// One line of the text: what each of them does, and the arrow behind the first or second of them.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    texts: [String; 3],
    arrow: Option<(usize, Direction)>,
}

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Direction {
    Right,
    Left,
}

/// Draws the text block at the head of shim.rs.
pub(super) fn draw(source: &str) -> Result<Picture> {
    let rows = read(source)?;
    let height = TOP + rows.len() as u32 * ROW + 10;
    let mut picture = Picture::new("Who keeps a container in the background", WIDTH, height);
    let middle = |row: usize| TOP + row as u32 * ROW + ROW / 2;
    for (who, (head, x)) in HEADS.iter().zip(LIVES).enumerate() {
        picture.text(x, 18, Anchor::Start, "title", head);
        let has = |row: &Row| !row.texts[who].is_empty();
        let first = rows.iter().position(has).context("a column without a text")?;
        let last = rows.iter().rposition(has).unwrap_or(first);
        picture.line((x, middle(first) - 12), (x, middle(last) + 12), "stroke");
    }
    for (index, row) in rows.iter().enumerate() {
        let y = middle(index);
        for (text, x) in row.texts.iter().zip(LIVES) {
            picture.text(x + 10, y + 5, Anchor::Start, "text", text);
        }
        if let Some((from, direction)) = row.arrow {
            let text = row.texts[from].chars().count() as u32;
            let (left, right) = (LIVES[from] + 16 + text * LETTER, LIVES[from + 1]);
            ensure!(left + 15 < right, "no room for an arrow behind {}", row.texts[from]);
            match direction {
                Direction::Right => picture.arrow(left, right - 1, y),
                Direction::Left => picture.arrow(right, left, y),
            }
        }
        picture.say(words(row));
    }
    Ok(picture)
}

fn words(row: &Row) -> String {
    let told = |who: usize| format!("The {}: {}.", HEADS[who], row.texts[who]);
    let mut all = Vec::new();
    let joined = row.arrow.map(|(from, direction)| match direction {
        Direction::Right => [from, from + 1],
        Direction::Left => [from + 1, from],
    });
    if let Some([from, to]) = joined {
        all.push(format!("{} Then {}", told(from), told(to).replacen("The", "the", 1)));
    }
    let others = (0..3).filter(|who| !joined.unwrap_or([3, 3]).contains(who));
    all.extend(others.filter(|who| !row.texts[*who].is_empty()).map(told));
    all.join(" ")
}

/// The rows below the headings.
fn read(source: &str) -> Result<Vec<Row>> {
    let mut lines = source
        .lines()
        .skip_while(|line| *line != "//! ```text")
        .skip(1)
        .take_while(|line| *line != "//! ```")
        .map(|line| line.trim_start_matches("//!"));
    let heading = lines.next().context("no picture in the head of the file")?;
    let column = |head: &str| heading.find(head).with_context(|| format!("no column {head:?}"));
    let columns = [column(HEADS[0])?, column(HEADS[1])?, column(HEADS[2])?];
    let rows: Vec<Row> =
        lines.filter(|line| !line.trim().is_empty()).map(|line| row(line, columns)).collect();
    ensure!(rows.iter().any(|row| row.arrow.is_some()), "no arrow in the picture");
    Ok(rows)
}

/// Splits a line at the columns, which count characters: the arrows are more than one byte each.
fn row(line: &str, columns: [usize; 3]) -> Row {
    let letters: Vec<char> = line.chars().collect();
    let mut arrow = None;
    let texts = [0, 1, 2].map(|who| {
        let end = columns.get(who + 1).copied().unwrap_or(letters.len()).min(letters.len());
        let text: String = letters[columns[who].min(end)..end].iter().collect();
        let text = text.trim();
        let plain = text.trim_end_matches(['─', '▶', '◀']);
        if plain.len() < text.len() && who < 2 {
            let back = text[plain.len()..].starts_with('◀');
            arrow = Some((who, if back { Direction::Left } else { Direction::Right }));
        }
        plain.trim().replace("─▶", "→")
    });
    Row { texts, arrow }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "//! Head.\n//!\n//! ```text\n\
        //!  command line   shim           container\n\
        //!  forks ───────▶ waits\n\
        //!                 launches ────▶ runs\n\
        //!  prints ◀────── says so        writes ─▶ a pipe\n\
        //!                 collects ◀──── ends\n\
        //! ```\n";

    #[test]
    fn rows_and_arrows_are_read_from_the_text() {
        let rows = read(SOURCE).unwrap();
        let row = |texts: [&str; 3], arrow| Row { texts: texts.map(str::to_owned), arrow };
        assert_eq!(
            rows,
            [
                row(["forks", "waits", ""], Some((0, Direction::Right))),
                row(["", "launches", "runs"], Some((1, Direction::Right))),
                row(["prints", "says so", "writes → a pipe"], Some((0, Direction::Left))),
                row(["", "collects", "ends"], Some((1, Direction::Left))),
            ]
        );
    }

    #[test]
    fn the_words_follow_the_arrows() {
        let told: Vec<String> = read(SOURCE).unwrap().iter().map(words).collect();
        assert_eq!(
            told,
            [
                "The command line: forks. Then the shim: waits.",
                "The shim: launches. Then the container: runs.",
                "The shim: says so. Then the command line: prints. The container: writes → a pipe.",
                "The container: ends. Then the shim: collects.",
            ]
        );
    }

    #[test]
    fn a_head_without_a_picture_is_refused() {
        assert!(draw("//! Head.\n").is_err());
        assert!(draw(&SOURCE.replace(['▶', '◀', '─'], " ")).is_err());
    }
}
