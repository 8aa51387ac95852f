//! Pictures: drawn by code, from what is in the tree where there is something to draw from. Each has a
//! title and says in words what it shows. Lines take the colour of the text, in every theme.

mod groups;
mod layers;
mod pivot;
mod protocol;
mod shim;
mod throttling;
mod views;

use crate::tree::Tree;
use anyhow::{Context, Result, bail};

/// All pictures, by the names that pages use.
pub(crate) const NAMES: [&str; 7] =
    ["views", "protocol", "pivot", "groups", "throttling", "layers", "shim"];

/// The picture as HTML.
pub(crate) fn draw(tree: &Tree, name: &str) -> Result<String> {
    let picture = match name {
        "views" => views::draw(),
        "protocol" => protocol::draw(&tree.read("chapters/01-namespaces/src/launch.rs")?)?,
        "pivot" => pivot::draw(&tree.read("book/captures/pivot_root.txt")?)?,
        "groups" => groups::draw(&tree.read("book/captures/cgroup_tree.txt")?)?,
        "throttling" => throttling::draw(&tree.read("book/captures/throttling.txt")?)?,
        "shim" => shim::draw(&tree.read("chapters/03-unionfs/src/shim.rs")?)?,
        "layers" => layers::draw(&tree.read("book/captures/layers.txt")?)?,
        _ => bail!("there is no picture `{name}`"),
    };
    picture.html(name).with_context(|| format!("picture `{name}`"))
}

/// A picture in the making. Lengths are pixels at its natural size.
pub(crate) struct Picture {
    title: &'static str,
    /// The same for somebody who does not see it, a line each.
    words: Vec<String>,
    width: u32,
    height: u32,
    parts: String,
}

/// How a text stands to its place.
#[derive(Clone, Copy)]
enum Anchor {
    Start,
    Middle,
    End,
}

impl Picture {
    fn new(title: &'static str, width: u32, height: u32) -> Picture {
        Picture { title, words: Vec::new(), width, height, parts: String::new() }
    }

    /// Adds a line to the words.
    fn say(&mut self, line: impl Into<String>) {
        self.words.push(line.into());
    }

    fn text(&mut self, x: u32, y: u32, anchor: Anchor, class: &str, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = escape(text);
        self.parts.push_str(&format!(
            r#"<text x="{x}" y="{y}" text-anchor="{anchor}" class="{class}">{text}</text>"#
        ));
    }

    /// A box; `class` is `solid`, `dashed`, `filled` or `wait`.
    fn rectangle(&mut self, x: u32, y: u32, width: u32, height: u32, class: &str) {
        self.parts.push_str(&format!(
            r#"<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="4" class="{class}"/>"#
        ));
    }

    fn line(&mut self, from: (u32, u32), to: (u32, u32), class: &str) {
        let ((x1, y1), (x2, y2)) = (from, to);
        self.parts.push_str(&format!(
            r#"<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" class="{class}"/>"#
        ));
    }

    /// A level arrow.
    fn arrow(&mut self, from: u32, to: u32, y: u32) {
        self.line((from, y), (to, y), "stroke");
        let back = if to > from { to - 9 } else { to + 9 };
        let (above, below) = (y - 5, y + 5);
        self.parts.push_str(&format!(
            r#"<polygon points="{to},{y} {back},{above} {back},{below}" class="head"/>"#
        ));
    }

    fn html(self, name: &str) -> Result<String> {
        let Picture { title, words, width, height, parts } = self;
        if words.is_empty() {
            bail!("it has no words for who does not see it");
        }
        let items: String = words.iter().map(|line| format!("<li>{}</li>", escape(line))).collect();
        let (title, told) = (escape(title), escape(&words.join(" ")));
        // Without a blank line: one would end the HTML in a page.
        Ok(format!(
            r#"<figure class="picture">
<div class="wide" tabindex="0" role="region" aria-label="Picture: {title}">
<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" aria-labelledby="{name}-title {name}-words"><title id="{name}-title">{title}</title><desc id="{name}-words">{told}</desc>{parts}</svg>
</div>
<figcaption>{title}.
<details><summary>The picture in words</summary><ul>{items}</ul></details>
</figcaption>
</figure>"#
        ))
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_without_words_is_refused() {
        let mut picture = Picture::new("Title", 10, 10);
        picture.text(0, 0, Anchor::Start, "text", "a < b");
        assert!(picture.html("name").is_err());
    }

    #[test]
    fn a_picture_has_a_title_and_its_words() {
        let mut picture = Picture::new("Title", 10, 10);
        picture.say("a < b");
        let html = picture.html("name").unwrap();
        assert!(html.contains(r#"<title id="name-title">Title</title>"#));
        assert!(html.contains(r#"<desc id="name-words">a &lt; b</desc>"#));
        assert!(!html.contains("\n\n"));
    }

    #[test]
    fn every_picture_can_be_drawn() {
        let tree = Tree::workspace();
        for name in NAMES {
            draw(&tree, name).unwrap();
        }
    }
}
