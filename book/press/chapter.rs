//! What a chapter adds: the list of mechanisms in its main.rs beside the list of the chapter before.

use crate::expand::{Used, fenced, listing};
use crate::item::{self, Wanted};
use crate::tree::Tree;
use anyhow::{Context, Result, ensure};
use regex::Regex;

/// The chapters' directories, in order.
pub(crate) fn all(tree: &Tree) -> Result<Vec<String>> {
    let names = tree.list("chapters")?;
    Ok(names.into_iter().filter(|name| tree.has(&main_of(name))).collect())
}

/// The file that lists a chapter's commands and mechanisms.
fn main_of(chapter: &str) -> String {
    format!("chapters/{chapter}/src/main.rs")
}

/// The name of the page that is made for a chapter.
pub(crate) fn page_name(chapter: &str) -> String {
    format!("{chapter}/difference.md")
}

/// The files of a chapter's lesson.
pub(crate) fn lesson(tree: &Tree, chapter: &str) -> Result<Vec<String>> {
    let directory = format!("chapters/{chapter}/src");
    let names = tree.list(&directory)?;
    Ok(names
        .into_iter()
        .filter(|name| name.ends_with(".rs"))
        .map(|name| format!("{directory}/{name}"))
        .collect())
}

/// The page: the difference of the two lists, and what each new mechanism does.
pub(crate) fn page(tree: &Tree, all: &[String], index: usize, used: &mut Used) -> Result<String> {
    let chapter = &all[index];
    let main = tree.read(&main_of(chapter))?;
    let before = match index.checked_sub(1) {
        Some(before) => list(&tree.read(&main_of(&all[before]))?)?,
        None => Vec::new(),
    };
    let now = list(&main)?;
    let beside = match index {
        0 => "a bare fork and exec, which has none".to_owned(),
        _ => format!("chapter {}", &all[index - 1]),
    };
    used.files.insert(main_of(chapter));
    let mut page = format!(
        "# What the chapter adds\n\nA chapter's binary differs from the one before in its list of mechanisms, \
         in [main.rs](../{}). This is the list of chapter {chapter} beside that of {beside}.\n\n{}\n\n",
        listing(&main_of(chapter)),
        fenced("diff", &difference(&before, &now)),
    );
    page.push_str(
        "Each mechanism adds steps to the plan of a container. They are taken phase by phase.\n\n",
    );
    for mechanism in now.iter().filter(|mechanism| !before.contains(mechanism)) {
        page.push_str(&told(tree, &main, mechanism, used).with_context(|| mechanism.to_owned())?);
    }
    Ok(page)
}

/// The names in the list.
fn list(main: &str) -> Result<Vec<String>> {
    let function = item::find(main, Wanted::Item("fn mechanisms"))?.text;
    let made = Regex::new(r"Box::new\((\w+)")?;
    // One that was made before, as others need it too, is a parameter: its type is the name.
    let named = |word: &str| -> Result<String> {
        let parameter = Regex::new(&format!(r"\b{word}: (\w+)"))?;
        let kind = parameter.captures(&function).map(|parts| parts[1].to_owned());
        Ok(kind.unwrap_or_else(|| word.to_owned()))
    };
    let names =
        made.captures_iter(&function).map(|word| named(&word[1])).collect::<Result<Vec<_>>>()?;
    ensure!(!names.is_empty(), "fn mechanisms lists none");
    Ok(names)
}

fn difference(before: &[String], now: &[String]) -> String {
    let gone = before.iter().filter(|name| !now.contains(name)).map(|name| format!("-{name}"));
    let kept = now.iter().map(|name| match before.contains(name) {
        true => format!(" {name}"),
        false => format!("+{name}"),
    });
    gone.chain(kept).collect::<Vec<_>>().join("\n")
}

/// A mechanism's file, what its head says, and its steps.
fn told(tree: &Tree, main: &str, mechanism: &str, used: &mut Used) -> Result<String> {
    let import = Regex::new(r"(?m)^use (\w+)::(\w+(?:::\w+)*)::(\w+)(?: as (\w+))?;")?;
    let import = import
        .captures_iter(main)
        .find(|import| {
            import.get(4).or(import.get(3)).is_some_and(|name| name.as_str() == mechanism)
        })
        .context("main.rs does not say where it is from")?;
    let chapter =
        all(tree)?.into_iter().find(|chapter| chapter.ends_with(&format!("-{}", &import[1])));
    let chapter = chapter.with_context(|| format!("no chapter {}", &import[1]))?;
    let file = format!("chapters/{chapter}/src/{}.rs", import[2].replace("::", "/"));
    let text = tree.read(&file)?;
    used.files.insert(file.clone());
    let mut told =
        format!("## {mechanism}\n\n[{file}](../{}): {}\n\n", listing(&file), head(&text));
    let steps = steps(&text)?;
    if !steps.is_empty() {
        told.push_str("| phase | step | why |\n|---|---|---|\n");
        for [phase, title, why] in steps {
            told.push_str(&format!("| {phase} | {title} | {why} |\n"));
        }
        told.push('\n');
    }
    Ok(told)
}

/// The first sentence of a file's head.
fn head(text: &str) -> String {
    let lines = text.lines().map_while(|line| line.strip_prefix("//!"));
    let head =
        lines.map(str::trim).take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    match head.split_once(". ") {
        Some((sentence, _)) => format!("{sentence}."),
        None => head,
    }
}

/// Phase, title and reason of every step that starts a container; those that join one are left out.
fn steps(text: &str) -> Result<Vec<[String; 3]>> {
    let joining = item::find(text, Wanted::Item("fn enter")).map(|piece| piece.first..=piece.last);
    let starting: Vec<&str> = (1..)
        .zip(text.lines())
        .filter(|(number, _)| !joining.as_ref().is_ok_and(|lines| lines.contains(number)))
        .map(|(_, line)| line)
        .collect();
    let step = Regex::new(r#"plan\.step\(\s*Phase::(\w+),\s*"([^"]+)",\s*"([^"]+)","#)?;
    let found = starting.join("\n");
    Ok(step
        .captures_iter(&found)
        .map(|parts| [parts[1].to_owned(), parts[2].to_owned(), parts[3].to_owned()])
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_difference_shows_what_is_new_among_what_stays() {
        let names =
            |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            difference(&names(&["A", "B", "C"]), &names(&["A", "N", "C"])),
            "-B\n A\n+N\n C"
        );
        assert_eq!(difference(&[], &names(&["A"])), "+A");
    }

    #[test]
    fn the_page_of_chapter_01_names_its_mechanisms_and_their_steps() {
        let tree = Tree::workspace();
        let all = all(&tree).unwrap();
        let page = page(&tree, &all, 0, &mut Used::default()).unwrap();
        for part in [
            "+RootFileSystem",
            "## KernelFiles",
            "| Mounts | mount /proc |",
            "| Lockdown | become the user |",
        ] {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert!(!page.contains("join the other namespaces"), "that is a step of exec");
        assert!(!page.contains("open a terminal in the container"), "that is a step of exec");
    }

    #[test]
    fn the_page_of_chapter_02_shows_what_it_adds_and_nothing_else() {
        let tree = Tree::workspace();
        let all = all(&tree).unwrap();
        let page = page(&tree, &all, 1, &mut Used::default()).unwrap();
        for part in
            ["\n+ControlGroups\n", "\n+ProcessLimits\n", "\n Namespaces\n", "## ControlGroups"]
        {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert!(!page.contains("## KernelFiles"), "that is chapter 01's: {page}");
    }

    #[test]
    fn a_mechanism_that_is_handed_over_is_known_by_its_type() {
        let main = "fn mechanisms(b: Beta) -> Vec<Box<dyn M>> {\n    vec![Box::new(Alpha), Box::new(b)]\n}\n";
        assert_eq!(list(main).unwrap(), ["Alpha", "Beta"]);
    }

    #[test]
    fn a_main_without_a_list_is_refused() {
        assert!(list("fn main() {}\n").is_err());
        assert!(list("fn mechanisms() {\n    vec![]\n}\n").is_err());
    }
}
