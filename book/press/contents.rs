//! For readers without scripts mdBook shows the table of contents in a frame, and gives the frame no name: whoever has a
//! page read aloud hears that of its file (WCAG 2.4.2, 4.1.2).

use crate::links;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const NAME: &str = "Table of contents";

/// The frame as mdBook writes it, on each page.
const FRAME: &str = "<iframe class=\"sidebar-iframe-outer\"";

/// Names the frame on every page in the directory, and the page in it.
pub(crate) fn name(book: &Path) -> Result<()> {
    let mut pages = BTreeMap::new();
    links::read(book, &mut pages)?;
    let mut frames = 0;
    for (path, text) in &pages {
        let named = if *path == book.join("toc.html") {
            ensure!(!text.contains("<title>"), "mdBook has given toc.html a title; drop ours");
            text.replacen("</head>", &format!("    <title>{NAME}</title>\n    </head>"), 1)
        } else {
            text.replace(FRAME, &format!("{FRAME} title=\"{NAME}\""))
        };
        if named != *text {
            frames += 1;
            fs::write(path, named).with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    ensure!(frames == pages.len(), "{frames} of {} pages have the frame", pages.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frame_and_what_is_in_it_have_a_name() {
        let book = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(book.path().join(name), text).unwrap();
        write("toc.html", "<head></head>");
        write("a.html", "<iframe class=\"sidebar-iframe-outer\" src=\"toc.html\"></iframe>");
        name(book.path()).unwrap();
        let read = |name: &str| fs::read_to_string(book.path().join(name)).unwrap();
        assert!(read("toc.html").contains("<title>Table of contents</title>"));
        assert!(read("a.html").contains(" title=\"Table of contents\""));
        // A page that mdBook makes in another way is no page that we have named.
        write("toc.html", "<head></head>");
        write("b.html", "");
        assert!(name(book.path()).unwrap_err().to_string().contains("2 of 3"));
    }
}
