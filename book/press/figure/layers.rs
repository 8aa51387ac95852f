//! What overlay makes of three layers, drawn from a capture: each layer's names, and in the union from
//! which of them each name is (a file there has its layer's name as its content).

use super::{Anchor, Picture};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;

const ROW: u32 = 58;
const BOX: u32 = 34;
const LEFT: u32 = 130;
const COLUMN: u32 = 118;
const TOP: u32 = 24;

/// From the top down.
const LAYERS: [(&str, &str); 3] = [
    ("upper", "upper: the container’s"),
    ("layer-2", "layer 2: shared"),
    ("layer-1", "layer 1: shared"),
];

/// Draws it. A line of the capture is `LAYER NAME file|whiteout`, or `union NAME LAYER`.
pub(super) fn draw(capture: &str) -> Result<Picture> {
    let lines: Vec<[&str; 3]> = capture.lines().map(three).collect::<Result<_>>()?;
    let names: BTreeSet<&str> = lines.iter().map(|[_, name, _]| *name).collect();
    let of = |place: &str, name: &str| {
        lines.iter().find(|line| line[0] == place && line[1] == name).map(|line| line[2])
    };
    ensure!(names.iter().any(|name| of("upper", name) == Some("whiteout")), "no whiteout");
    let title = "Which layer a name is from";
    let width = LEFT + names.len() as u32 * COLUMN + 10;
    let mut picture = Picture::new(title, width, TOP + 4 * ROW);
    for (row, (layer, shown)) in LAYERS.iter().enumerate() {
        let y = TOP + row as u32 * ROW;
        picture.text(10, y + 22, Anchor::Start, "title", layer);
        let mut has = Vec::new();
        for (column, name) in names.iter().enumerate() {
            let x = LEFT + column as u32 * COLUMN;
            let Some(kind) = of(layer, name) else { continue };
            let whiteout = kind == "whiteout";
            let seen = of("union", name) == Some(*layer);
            let class = if seen { "filled" } else { "dashed" };
            picture.rectangle(x, y, COLUMN - 16, BOX, class);
            let text = if whiteout { format!("{name}: gone") } else { (*name).to_owned() };
            picture.text(x + (COLUMN - 16) / 2, y + 22, Anchor::Middle, "code", &text);
            has.push(match (whiteout, seen) {
                (true, _) => format!("a whiteout for {name}"),
                (false, true) => format!("{name}, which is seen"),
                (false, false) => format!("{name}, which is hidden by a layer above"),
            });
        }
        picture.say(format!("{shown}; it has {}.", has.join("; ")));
    }
    let y = TOP + LAYERS.len() as u32 * ROW;
    picture.text(10, y + 22, Anchor::Start, "title", "union");
    let mut seen = Vec::new();
    for (column, name) in names.iter().enumerate() {
        let Some(from) = of("union", name) else { continue };
        let x = LEFT + column as u32 * COLUMN;
        picture.rectangle(x, y, COLUMN - 16, BOX, "solid");
        picture.text(x + (COLUMN - 16) / 2, y + 22, Anchor::Middle, "code", name);
        let row =
            LAYERS.iter().position(|(layer, _)| *layer == from).context("an unknown layer")?;
        let middle = x + (COLUMN - 16) / 2;
        picture.line((middle, TOP + row as u32 * ROW + BOX), (middle, y), "stroke");
        seen.push(format!("{name} from {from}"));
    }
    picture.say(format!("The union shows {}.", seen.join(", ")));
    Ok(picture)
}

fn three(line: &str) -> Result<[&str; 3]> {
    let words: Vec<&str> = line.split(' ').collect();
    words.try_into().ok().with_context(|| format!("not three words: {line}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capture_is_drawn_and_told() {
        let capture = "upper a whiteout\nlayer-1 a file\nlayer-1 b file\nunion b layer-1\n";
        let picture = draw(capture).unwrap();
        assert!(picture.words[0].contains("a whiteout for a"), "{:?}", picture.words);
        assert!(picture.words[3].ends_with("shows b from layer-1."), "{:?}", picture.words);
        assert!(draw("layer-1 a file\nunion a layer-1\n").is_err());
    }
}
