//! A path in a record. JSON is UTF-8, and a path is bytes: one that is no text is written as their list.

use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// A path, whatever is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Spelled", into = "Spelled")]
pub struct AnyPath(pub PathBuf);

/// How it is written.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Spelled {
    Text(String),
    Bytes(Vec<u8>),
}

impl AsRef<Path> for AnyPath {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl From<AnyPath> for Spelled {
    fn from(path: AnyPath) -> Spelled {
        match path.0.to_str() {
            Some(text) => Spelled::Text(text.into()),
            None => Spelled::Bytes(path.0.as_os_str().as_bytes().into()),
        }
    }
}

impl From<Spelled> for AnyPath {
    fn from(spelled: Spelled) -> AnyPath {
        AnyPath(match spelled {
            Spelled::Text(text) => text.into(),
            Spelled::Bytes(bytes) => OsString::from_vec(bytes).into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_is_read_as_it_was_written() {
        for (bytes, json) in [
            (&b"/a b/\xc3\xa4"[..], "\"/a b/\u{e4}\""),
            (b"/a\xff", "[47,97,255]"),
            (b"[47]", "\"[47]\""),
            (b"", "\"\""),
        ] {
            let path = AnyPath(OsString::from_vec(bytes.into()).into());
            assert_eq!(serde_json::to_string(&path).unwrap(), json);
            assert_eq!(serde_json::from_str::<AnyPath>(json).unwrap(), path);
        }
        assert!(serde_json::from_str::<AnyPath>("[256]").is_err());
    }
}
