//! A transcript is a `console` block of a page: commands behind `$ ` (continued behind `> `) and what
//! they printed. It is made by running them, one page in one shell, from top to bottom.

use crate::expand::opens_fence;
use crate::redact::Rules;
use anyhow::{Result, ensure};

/// The page as it would be if its commands were run now; `run` runs one.
pub(crate) fn renew(page: &str, mut run: impl FnMut(&str) -> Result<String>) -> Result<String> {
    let rules = Rules::of(page)?;
    let mut out: Vec<String> = Vec::new();
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        out.push(line.to_owned());
        if opens_fence(line).is_none_or(|ticks| line.strip_prefix(ticks) != Some("console")) {
            continue;
        }
        let mut commands = 0;
        while let Some(line) = lines.next_if(|line| opens_fence(line).is_none()) {
            // What was printed last time is dropped.
            let Some(first) = line.strip_prefix("$ ") else {
                ensure!(commands > 0, "a transcript begins with a command, not with `{line}`");
                continue;
            };
            commands += 1;
            out.push(line.to_owned());
            let mut command = first.to_owned();
            while let Some(more) = lines.next_if(|line| line.starts_with("> ")) {
                out.push(more.to_owned());
                command.push('\n');
                command.push_str(&more[2..]);
            }
            let printed = rules.apply(&run(&command)?);
            out.extend(printed.lines().map(str::to_owned));
        }
        ensure!(commands > 0, "a transcript without a command");
    }
    Ok(out.join("\n") + "\n")
}

/// Whether a page has any.
pub(crate) fn any(page: &str) -> bool {
    page.lines().any(|line| line.trim_start_matches('`') == "console" && line.starts_with("```"))
}

/// The lines that differ, with their numbers in the page.
pub(crate) fn difference(stored: &str, now: &str) -> Option<String> {
    if stored == now {
        return None;
    }
    let (stored, now): (Vec<&str>, Vec<&str>) = (stored.lines().collect(), now.lines().collect());
    let same = stored.iter().zip(&now).take_while(|(a, b)| a == b).count();
    let rest = stored.len().min(now.len()) - same;
    let pairs = stored.iter().rev().zip(now.iter().rev()).take(rest);
    let same_end = pairs.take_while(|(a, b)| a == b).count();
    let mut told = format!("line {}:\n", same + 1);
    for (sign, lines) in [('-', &stored), ('+', &now)] {
        for line in &lines[same..lines.len() - same_end] {
            told.push_str(&format!("{sign} {line}\n"));
        }
    }
    Some(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "<!-- redact: [0-9]+ => ‹n› -->\nText $ no.\n\n```console\n$ echo a \\\n> b\nold\n$ pid\n‹n›\n```\n\n```sh\n$ not run\n```\n";

    fn answer(command: &str) -> Result<String> {
        Ok(match command {
            "echo a \\\nb" => "a b\n".to_owned(),
            "pid" => "417\n".to_owned(),
            other => panic!("{other} was run"),
        })
    }

    #[test]
    fn what_the_commands_print_takes_the_place_of_what_they_printed() {
        let renewed = renew(PAGE, answer).unwrap();
        assert_eq!(renewed, PAGE.replace("old", "a b"));
        assert_eq!(renew(&renewed, answer).unwrap(), renewed);
        assert!(any(PAGE) && !any("```sh\n```"));
    }

    #[test]
    fn a_stale_transcript_is_told_with_its_line() {
        let renewed = renew(PAGE, answer).unwrap();
        assert_eq!(difference(PAGE, &renewed).unwrap(), "line 7:\n- old\n+ a b\n");
        assert_eq!(difference(PAGE, PAGE), None);
        assert_eq!(difference("a\nb\n", "a\n").unwrap(), "line 2:\n- b\n");
    }

    #[test]
    fn a_transcript_has_commands() {
        assert!(renew("```console\nout\n```", answer).is_err());
        assert!(renew("```console\n```", answer).is_err());
    }
}
