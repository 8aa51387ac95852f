//! `--ulimit NAME=SOFT[:HARD]`, as Docker reads it.

use crate::engine::units;
use console::failure::Failure;
use kernel::resource::{Limit, RESOURCES, Resource, UNLIMITED};
use serde::{Deserialize, Serialize};

/// A limit that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Ulimit {
    /// Of what.
    pub resource: Resource,
    /// How much.
    pub limit: Limit,
}

impl From<Ulimit> for String {
    fn from(Ulimit { resource, limit }: Ulimit) -> String {
        let number =
            |number| if number == UNLIMITED { "unlimited".into() } else { format!("{number}") };
        format!("{}={}:{}", resource.name, number(limit.soft), number(limit.hard))
    }
}

impl TryFrom<String> for Ulimit {
    type Error = Failure;

    fn try_from(text: String) -> Result<Ulimit, Failure> {
        parse(&text)
    }
}

/// Reads the options; of two for one name, the last counts.
pub(crate) fn parse_all(texts: &[String]) -> Result<Vec<Ulimit>, Failure> {
    let mut all: Vec<Ulimit> = Vec::new();
    for text in texts {
        let new = parse(text)?;
        all.retain(|ulimit| ulimit.resource != new.resource);
        all.push(new);
    }
    Ok(all)
}

fn parse(text: &str) -> Result<Ulimit, Failure> {
    let refused = |why: &str, remedy: &str| Err(units::invalid("--ulimit", text, why, remedy));
    let form = "write NAME=SOFT or NAME=SOFT:HARD, as nofile=1024:4096";
    let Some((name, values)) = text.split_once('=') else {
        return refused(&format!("invalid ulimit argument: {text}"), form);
    };
    // Docker has no name for RLIMIT_AS: its own runtime would not start under it.
    let mut known = RESOURCES.into_iter().filter(|resource| resource.name != "as");
    let Some(resource) = known.clone().find(|resource| resource.name == name) else {
        let names: Vec<&str> = known.by_ref().map(|resource| resource.name).collect();
        return refused(
            &format!("invalid ulimit type: {name}"),
            &format!("name one of {}", names.join(", ")),
        );
    };
    let (soft, hard) = values.split_once(':').unwrap_or((values, values));
    if hard.contains(':') {
        let why = format!(
            "too many limit value arguments - {values}, can only have up to two, `soft[:hard]`"
        );
        return refused(&why, form);
    }
    let (Some(soft), Some(hard)) = (number(soft), number(hard)) else {
        return refused("invalid syntax", "write whole numbers, or unlimited");
    };
    if soft > hard {
        let shown =
            |number| if number == UNLIMITED { "unlimited".into() } else { format!("{number}") };
        let (soft, hard) = (shown(soft), shown(hard));
        let why =
            format!("ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}");
        return refused(&why, form);
    }
    Ok(Ulimit { resource, limit: Limit { soft, hard } })
}

fn number(text: &str) -> Option<u64> {
    match text {
        "-1" | "unlimited" => Some(UNLIMITED),
        number => number.parse().ok().filter(|_| !number.starts_with('+')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_written_as_it_is_read() {
        for text in ["nofile=100:200", "core=0:unlimited"] {
            assert_eq!(String::from(parse(text).unwrap()), text);
        }
    }

    #[test]
    fn one_value_is_both_limits_and_the_last_of_a_name_counts() {
        let texts = ["nofile=9", "core=0:-1", "nofile=10:20", "stack=unlimited"].map(String::from);
        let all = parse_all(&texts).unwrap();
        let shown: Vec<_> =
            all.iter().map(|u| (u.resource.name, u.limit.soft, u.limit.hard)).collect();
        let expected =
            [("core", 0, UNLIMITED), ("nofile", 10, 20), ("stack", UNLIMITED, UNLIMITED)];
        assert_eq!(shown, expected);
    }

    #[test]
    fn what_docker_refuses_is_refused_in_its_words() {
        for (text, words) in [
            ("nofile", "invalid ulimit argument: nofile"),
            ("files=1", "invalid ulimit type: files"),
            ("as=1", "invalid ulimit type: as"),
            ("nofile=1:2:3", "too many limit value arguments - 1:2:3"),
            ("nofile=2:1", "less than or equal to hard limit: 2 > 1"),
            ("nofile=-1:1", "less than or equal to hard limit: unlimited > 1"),
            ("nofile=many", "invalid syntax"),
            ("nofile=", "invalid syntax"),
            ("nofile=-2", "invalid syntax"),
        ] {
            let failure = parse(text).unwrap_err();
            assert!(failure.message.contains(words), "{}", failure.message);
            assert!(failure.remedy.is_some());
        }
    }
}
