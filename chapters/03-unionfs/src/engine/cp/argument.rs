//! What an argument of `cp` says: `CONTAINER:PATH`, a path of the host's, or `-`.

use anyhow::{Context, Result};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// One of the two.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Argument {
    /// An archive on standard input or output.
    Stream,
    /// A path of the host's.
    Host(Asked),
    /// A path in a container.
    Container(String, Asked),
}

/// A path, and what its last characters say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// As it was given.
    pub(crate) given: String,
    /// From the root, without `.` and `..`: no link is looked at, as in Docker.
    pub(crate) path: PathBuf,
    /// It ends with `/.`: what is in a directory is meant, and not the directory.
    pub(crate) contents: bool,
    /// It ends with `/`: only a directory can be meant.
    pub(crate) directory: bool,
}

impl Argument {
    /// Takes one apart.
    pub(crate) fn parse(text: &OsStr) -> Result<Argument> {
        if text == "-" {
            return Ok(Argument::Stream);
        }
        let mut parts = text.as_bytes().splitn(2, |byte| *byte == b':');
        let (container, path) = (parts.next().unwrap_or_default(), parts.next());
        Ok(match path {
            // `./a:b` and `/a:b` are files.
            Some(path) if !matches!(container.first(), None | Some(b'/' | b'.')) => {
                let name = String::from_utf8_lossy(container).into();
                Argument::Container(name, Asked::from(Path::new("/"), OsStr::from_bytes(path)))
            }
            _ if Path::new(text).is_absolute() => Argument::Host(Asked::from(Path::new("/"), text)),
            _ => Argument::Host(Asked::from(&std::env::current_dir().context("getcwd")?, text)),
        })
    }
}

impl Asked {
    fn from(here: &Path, given: &OsStr) -> Asked {
        let mut path = PathBuf::from("/");
        for component in here.join(given).components() {
            match component {
                Component::Normal(name) => path.push(name),
                Component::ParentDir => _ = path.pop(),
                Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
            }
        }
        let bytes = given.as_bytes();
        let end = bytes.iter().rposition(|byte| *byte != b'/').map_or(0, |last| last + 1);
        let last = bytes[..end].rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        // The root has no name of its own that it could be copied under.
        let contents = last == b"." || path == Path::new("/");
        let directory = contents || bytes.ends_with(b"/");
        Asked { given: given.to_string_lossy().into(), path, contents, directory }
    }

    /// What it is called.
    pub(crate) fn name(&self) -> &OsStr {
        self.path.file_name().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_stands_before_a_colon_and_files_may_have_one() {
        let container = |text: &str| match Argument::parse(OsStr::new(text)).unwrap() {
            Argument::Container(name, asked) => Some((name, asked.path.display().to_string())),
            _ => None,
        };
        for (text, path) in [
            ("c:/a/b", "/a/b"),
            ("c:a", "/a"),
            ("c:", "/"),
            ("c:/a:b", "/a:b"),
            ("c:../../a/./x/../b//", "/a/b"),
        ] {
            assert_eq!(container(text), Some(("c".into(), path.into())), "{text}");
        }
        for text in ["a", "/a:b", "./a:b", "../a:b", ".:a", ":a", "-"] {
            assert_eq!(container(text), None, "{text}");
        }
        assert_eq!(Argument::parse(OsStr::new("-")).unwrap(), Argument::Stream);
    }

    #[test]
    fn the_end_of_a_path_says_what_is_meant() {
        for (text, contents, directory) in [
            ("a", false, false),
            ("a/", false, true),
            ("a/.", true, true),
            ("a/.//", true, true),
            (".", true, true),
            ("a/..", false, false),
            ("/", true, true),
            ("a.", false, false),
        ] {
            let asked = Asked::from(Path::new("/x/y"), OsStr::new(text));
            assert_eq!((asked.contents, asked.directory), (contents, directory), "{text}");
        }
        let asked = Asked::from(Path::new("/x/y"), OsStr::new("../a/.."));
        assert_eq!((asked.path.as_path(), asked.name()), (Path::new("/x"), OsStr::new("x")));
    }
}
