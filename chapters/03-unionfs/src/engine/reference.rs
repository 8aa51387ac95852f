//! Names of images: `[HOST[:PORT]/]PATH[:TAG]`, by the grammar of docker's references. Without a
//! tag it is `latest`.

use crate::engine::digest::{self, Digest};
use anyhow::Result;
use console::failure::Failure;
use std::fmt;

/// What `run` makes of the machine's own tools.
const LAB: &str = "lab:latest";

/// The tag of a name that has none.
const LATEST: &str = "latest";

/// The most characters of a name without its tag, and of a tag.
const LONGEST: usize = 255;
const LONGEST_TAG: usize = 128;

/// The name of an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// All before the tag.
    pub repository: String,
    /// The tag.
    pub tag: String,
    /// The manifest that is meant, whatever the name leads to now (`NAME@sha256:…`).
    pub digest: Option<Digest>,
}

impl Reference {
    /// The name that a text is.
    ///
    /// # Errors
    /// In Docker's words, if it is none.
    pub fn parse(text: &str) -> Result<Reference, Failure> {
        if digest::is_prefix(text) && text.len() == 64 {
            let why = "cannot specify 64-byte hexadecimal strings";
            return Err(Failure::new(format!("invalid repository name ({text}), {why}")));
        }
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(Digest::parse(digest).ok_or_else(invalid)?)),
            None => (text, None),
        };
        // A colon before a slash belongs to the host's port.
        let (repository, tag) = match name.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
            _ => (name, None),
        };
        let (host, path) = match repository.split_once('/') {
            Some((first, rest)) if is_host(first) => (Some(first), rest),
            _ => (None, repository),
        };
        let lower = path.to_ascii_lowercase();
        let fits = repository.len() <= LONGEST
            && host.is_none_or(is_valid_host)
            && lower.split('/').all(is_component)
            && tag.is_none_or(is_tag);
        if !fits {
            return Err(invalid());
        }
        if lower != path {
            let words = "repository name must be lowercase";
            let failure = Failure::new(format!("invalid reference format: {words}"));
            let tag = tag.map(|tag| format!(":{tag}")).unwrap_or_default();
            return Err(failure.remedy(format!("call it {}{tag}", repository.to_lowercase())));
        }
        let tag = tag.unwrap_or(LATEST).to_owned();
        Ok(Reference { repository: repository.into(), tag, digest })
    }

    /// The same for a name that is to be given, which a digest cannot be part of.
    pub fn parse_new(text: &str) -> Result<Reference, Failure> {
        let reference = Reference::parse(text)?;
        if reference.digest.is_some() {
            let failure = Failure::new(format!("{text}: a digest cannot be given, only found"));
            return Err(failure.remedy("give a name and a tag"));
        }
        // As docker says it of `scratch`: nobody could run it by that name.
        if reference.to_string() == LAB {
            let failure = Failure::new("'lab' is a reserved name");
            return Err(failure.remedy("give it another name, or a tag: lab:mine"));
        }
        Ok(reference)
    }
}

/// `name:tag`, as everybody writes it.
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.digest {
            Some(digest) => write!(f, "{}@{digest}", self.repository),
            None => write!(f, "{}:{}", self.repository, self.tag),
        }
    }
}

fn invalid() -> Failure {
    Failure::new("invalid reference format")
        .remedy("a name is [HOST[:PORT]/]PATH[:TAG], of a-z, 0-9 and single . _ - in between")
}

/// Docker tells a host from the first part of a path by these.
fn is_host(first: &str) -> bool {
    let looks_so = first.contains(['.', ':']) || first == "localhost";
    looks_so || first.bytes().any(|byte| byte.is_ascii_uppercase())
}

fn is_valid_host(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (host, None),
    };
    let part = |part: &str| {
        let inside = part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        !part.is_empty() && inside && !part.starts_with('-') && !part.ends_with('-')
    };
    let address = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let named = match address {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => name.split('.').all(part),
    };
    named && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

/// `[a-z0-9]+` with one of `.`, `_`, `__` or any number of `-` in between.
fn is_component(component: &str) -> bool {
    let bytes = component.as_bytes();
    let is_word = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = bytes.first().is_some_and(is_word) && bytes.last().is_some_and(is_word);
    let between = component.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    ends && between.into_iter().all(|separator| {
        matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-')
    })
}

fn is_tag(tag: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let first = tag.bytes().next().is_some_and(is_word);
    let rest = tag.bytes().all(|byte| is_word(byte) || matches!(byte, b'.' | b'-'));
    first && rest && tag.len() <= LONGEST_TAG
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (String, String) {
        let reference = Reference::parse(text).unwrap();
        (reference.repository, reference.tag)
    }

    #[test]
    fn a_name_has_a_repository_and_a_tag() {
        for (text, repository, tag) in [
            ("busybox", "busybox", "latest"),
            ("busybox:1.36", "busybox", "1.36"),
            ("lib/bb:v1", "lib/bb", "v1"),
            ("127.0.0.1:5000/lib/bb", "127.0.0.1:5000/lib/bb", "latest"),
            ("localhost:5000/bb:V_1.a-b", "localhost:5000/bb", "V_1.a-b"),
            ("[::1]:5000/bb", "[::1]:5000/bb", "latest"),
            ("Host/a__b.c--d", "Host/a__b.c--d", "latest"),
        ] {
            assert_eq!(parts(text), (repository.into(), tag.into()), "{text}");
        }
        assert_eq!(Reference::parse("a").unwrap().to_string(), "a:latest");
        let digest = Digest::of("");
        let with = Reference::parse(&format!("a:v1@{digest}")).unwrap();
        assert_eq!(with.to_string(), format!("a@{digest}"));
        assert!(Reference::parse_new(&format!("a@{digest}")).is_err());
    }

    #[test]
    fn what_is_no_name_is_refused_in_dockers_words() {
        let long = "a".repeat(256);
        let tag = format!("a:{}", "b".repeat(129));
        for bad in [
            "",
            ":v1",
            "a:",
            "a::b",
            "-a",
            "a-",
            "a..b",
            "a_.b",
            "a___b",
            "a//b",
            "/a",
            "a/",
            "a b",
            "../x",
            "a:v/..",
            "a:.v",
            "a@sha256:12",
            "h:p/a",
            "ä",
            "a\n",
            "[::g]/a",
            &long,
            &tag,
        ] {
            let error = Reference::parse(bad).expect_err(bad);
            assert_eq!(error.message, "invalid reference format", "{bad}");
        }
        let upper = Reference::parse("Busybox:V1").unwrap_err();
        assert!(upper.message.contains("repository name must be lowercase"));
        assert_eq!(upper.remedy.unwrap(), "call it busybox:V1");
        assert!(Reference::parse(Digest::of("").hex()).is_err());
    }
}
