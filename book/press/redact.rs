//! What differs from one run or machine to the next is replaced in a transcript by a word in ‹›, so
//! that a reader sees that something else stands there.

use anyhow::{Context, Result, ensure};
use regex::Regex;

/// On every page: container ids, namespaces' inodes, the directory of the `lab` root.
const EVERYWHERE: [(&str, &str); 4] = [
    (r"\b[0-9a-f]{64}\b", "‹id›"),
    (r"\b[0-9a-f]{12}\b", "‹id›"),
    (r"\b40265[0-9]{5}\b", "‹inode›"),
    (r"\blab/[0-9a-f]{16}-[0-9]+-\w+", "lab/‹version›"),
];

/// Patterns and what stands in for them.
pub(crate) struct Rules(Vec<(Regex, String)>);

impl Rules {
    /// Those of every page, and the page's own: `<!-- redact: PATTERN => REPLACEMENT -->`.
    pub(crate) fn of(page: &str) -> Result<Rules> {
        let mut rules = Vec::new();
        let own = page.lines().filter_map(|line| line.strip_prefix("<!-- redact: "));
        for line in own {
            let (pattern, replacement) = line
                .strip_suffix(" -->")
                .and_then(|rule| rule.split_once(" => "))
                .with_context(|| format!("no rule: {line}"))?;
            ensure!(replacement.contains('‹'), "a reader would not see it: {line}");
            rules.push((Regex::new(pattern)?, replacement.to_owned()));
        }
        for (pattern, replacement) in EVERYWHERE {
            rules.push((Regex::new(pattern)?, replacement.to_owned()));
        }
        Ok(Rules(rules))
    }

    /// What a page shows of this output.
    pub(crate) fn apply(&self, output: &str) -> String {
        let redacted = self.0.iter().fold(output.to_owned(), |text, (pattern, replacement)| {
            pattern.replace_all(&text, replacement.as_str()).into_owned()
        });
        // A terminal's carriage returns and padded columns are not to be seen, and editors remove them.
        redacted.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_varies_is_replaced_and_shown_to_be() {
        let rules = Rules::of("<!-- redact: (?m)^ *[0-9]+ => ‹pid› -->").unwrap();
        assert_eq!(rules.apply("  17 uts:[4026531838] \r\n"), "‹pid› uts:[‹inode›]");
        assert_eq!(rules.apply("host a5d8b48769f2"), "host ‹id›");
        assert_eq!(rules.apply("lab/31d2493ad53cf953-1-x86_64/bin"), "lab/‹version›/bin");
    }

    #[test]
    fn a_rule_that_hides_in_secret_is_refused() {
        assert!(Rules::of("<!-- redact: a => b -->").is_err());
        assert!(Rules::of("<!-- redact: a -->").is_err());
    }
}
