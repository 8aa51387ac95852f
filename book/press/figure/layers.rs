//! What overlay makes of three layers, drawn from a capture: each layer's names, and in the union from
//! which of them each name is (a file there has its layer's name as its content).

use super::{Anchor, Picture};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;

const ROW: u32 = 52;
const BOX: u32 = 34;
const LEFT: u32 = 60;
const TOP: u32 = 10;
/// Between two columns; in it a line goes from a name of the union up to its layer.
const GAP: u32 = 14;
/// More than the width of a letter.
const LETTER: u32 = 9;

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
    let longest = names.iter().map(|name| name.chars().count()).max().context("no names")?;
    // Room for the word on a whiteout, too. Five columns of short names fit on a phone.
    let wide = LETTER * longest.max(4) as u32 + 2;
    let column = |at: usize| LEFT + at as u32 * (wide + GAP);
    let row = |at: usize| TOP + at as u32 * ROW;
    let title = "Which layer a name is from";
    let mut picture = Picture::new(title, column(names.len()), row(LAYERS.len()) + BOX + 10);
    for (at, (layer, shown)) in LAYERS.iter().enumerate() {
        let y = row(at);
        picture.text(0, y + 22, Anchor::Start, "title", layer);
        let mut has = Vec::new();
        for (place, name) in names.iter().enumerate() {
            let Some(kind) = of(layer, name) else { continue };
            let (x, whiteout) = (column(place), kind == "whiteout");
            let seen = of("union", name) == Some(*layer);
            let class = if seen { "filled" } else { "dashed" };
            picture.rectangle(x, y, wide, BOX, class);
            let (class, text) = if whiteout { ("text", "gone") } else { ("code", *name) };
            picture.text(x + wide / 2, y + 22, Anchor::Middle, class, text);
            has.push(match (whiteout, seen) {
                (true, _) => format!("a whiteout for {name}"),
                (false, true) => format!("{name}, which is seen"),
                (false, false) => format!("{name}, which is hidden by a layer above"),
            });
        }
        picture.say(format!("{shown}; it has {}.", has.join("; ")));
    }
    let y = row(LAYERS.len());
    picture.text(0, y + 22, Anchor::Start, "title", "union");
    let mut seen = Vec::new();
    for (place, name) in names.iter().enumerate() {
        let Some(from) = of("union", name) else { continue };
        let x = column(place);
        picture.rectangle(x, y, wide, BOX, "solid");
        picture.text(x + wide / 2, y + 22, Anchor::Middle, "code", name);
        let source = LAYERS.iter().position(|(layer, _)| *layer == from);
        let above = row(source.context("an unknown layer")?) + BOX / 2;
        // Beside what is between the two: a line through a name would look like one struck out.
        let (edge, side, below) = (x + wide, x + wide + GAP / 2, y + BOX / 2);
        picture.line((edge, above), (side, above), "stroke");
        picture.line((side, above), (side, below), "stroke");
        picture.line((edge, below), (side, below), "stroke");
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
