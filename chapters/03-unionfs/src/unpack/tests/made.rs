//! What the tests unpack: archives that are made by hand, and layers that they become.

use crate::engine::pack::pack_union;
use crate::engine::stack::Directory;
use crate::unpack::{Unpacked, unpack};
use crate::whiteout::Spelling;
use anyhow::Result;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use tar::{EntryType, Header};

/// An archive, byte by byte: the library that writes them elsewhere refuses to write hostile ones.
#[derive(Clone, Default)]
pub(super) struct Archive(pub(super) Vec<u8>);

impl Archive {
    pub(super) fn new() -> Archive {
        Archive::default()
    }

    pub(super) fn entry(
        mut self,
        kind: EntryType,
        name: &str,
        target: &str,
        content: &[u8],
    ) -> Archive {
        let mut extensions = Vec::new();
        if name.len() > 100 {
            extensions.push(("path", name.as_bytes()));
        }
        if target.len() > 100 {
            extensions.push(("linkpath", target.as_bytes()));
        }
        if !extensions.is_empty() {
            self = self.extended(&extensions);
        }
        self.raw(header(kind, name, target, content.len() as u64), content)
    }

    pub(super) fn raw(mut self, mut header: Header, content: &[u8]) -> Archive {
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub(super) fn extended(self, records: &[(&str, &[u8])]) -> Archive {
        let mut text = Vec::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let length =
                (1..).map(|digits| rest + digits).find(|l| l.to_string().len() + rest == *l);
            text.extend_from_slice(format!("{} {key}=", length.unwrap()).as_bytes());
            text.extend_from_slice(value);
            text.push(b'\n');
        }
        let header = header(EntryType::XHeader, "PaxHeaders/x", "", text.len() as u64);
        self.raw(header, &text)
    }

    pub(super) fn file(self, name: &str, content: &str) -> Archive {
        self.entry(EntryType::Regular, name, "", content.as_bytes())
    }

    pub(super) fn directory(self, name: &str) -> Archive {
        self.entry(EntryType::Directory, name, "", b"")
    }

    pub(super) fn link(self, name: &str, target: &str) -> Archive {
        self.entry(EntryType::Symlink, name, target, b"")
    }

    pub(super) fn hard(self, name: &str, target: &str) -> Archive {
        self.entry(EntryType::Link, name, target, b"")
    }

    pub(super) fn end(mut self) -> Vec<u8> {
        self.0.extend_from_slice(&[0; 1024]);
        self.0
    }
}

pub(super) fn header(kind: EntryType, name: &str, target: &str, size: u64) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    let old = header.as_old_mut();
    for (field, text) in [(&mut old.name, name), (&mut old.linkname, target)] {
        let length = text.len().min(100);
        field[..length].copy_from_slice(&text.as_bytes()[..length]);
    }
    header.set_size(size);
    header.set_mode(if kind == EntryType::Directory { 0o755 } else { 0o640 });
    header.set_mtime(7);
    header.set_uid(nix::unistd::getuid().as_raw().into());
    header.set_gid(nix::unistd::getgid().as_raw().into());
    header
}

pub(super) fn sparse(name: &str, size: u64, pieces: &[(u64, &[u8])]) -> Archive {
    let content: Vec<u8> = pieces.concat_content();
    let mut header = Header::new_gnu();
    let ours = self::header(EntryType::GNUSparse, name, "", content.len() as u64);
    header.as_old_mut().name = ours.as_old().name;
    header.set_entry_type(EntryType::GNUSparse);
    header.set_size(content.len() as u64);
    header.set_mode(0o640);
    header.set_mtime(7);
    header.set_uid(ours.uid().unwrap());
    header.set_gid(ours.gid().unwrap());
    let gnu = header.as_gnu_mut().unwrap();
    let octal = |field: &mut [u8; 12], number: u64| {
        // Larger than eleven digits: in base 256.
        if number < 1 << 33 {
            field.copy_from_slice(format!("{number:011o}\0").as_bytes());
        } else {
            field[4..].copy_from_slice(&number.to_be_bytes());
            field[0] = 0x80;
        }
    };
    for (field, (offset, piece)) in gnu.sparse.iter_mut().zip(pieces) {
        octal(&mut field.offset, *offset);
        octal(&mut field.numbytes, piece.len() as u64);
    }
    octal(&mut gnu.realsize, size);
    Archive::new().raw(header, &content)
}

trait Concat {
    fn concat_content(&self) -> Vec<u8>;
}

impl Concat for [(u64, &[u8])] {
    fn concat_content(&self) -> Vec<u8> {
        self.iter().flat_map(|(_, piece)| piece.iter().copied()).collect()
    }
}

/// Layers that lie on one another, and beside them what none of them may touch.
pub(super) struct Layers {
    pub(super) dir: tempfile::TempDir,
    pub(super) count: usize,
}

impl Layers {
    pub(super) fn new() -> Layers {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("outside")).unwrap();
        fs::write(dir.path().join("outside/canary"), "alive").unwrap();
        Layers { dir, count: 0 }
    }

    pub(super) fn outside(&self) -> String {
        self.dir.path().join("outside").display().to_string()
    }

    pub(super) fn path(&self, layer: usize) -> PathBuf {
        self.dir.path().join(layer.to_string())
    }

    /// The uppermost first.
    pub(super) fn lower(&self) -> Vec<PathBuf> {
        (0..self.count).rev().map(|layer| self.path(layer)).collect()
    }

    pub(super) fn union(&self) -> Directory {
        Directory::root(&self.lower(), Spelling::User).unwrap()
    }

    pub(super) fn try_add(&mut self, archive: &[u8]) -> Result<Unpacked> {
        let (into, below) = (self.path(self.count), self.union());
        fs::create_dir(&into).unwrap();
        fs::set_permissions(&into, fs::Permissions::from_mode(0o755)).unwrap();
        let unpacked = unpack(archive, &into, &below, Spelling::User);
        // Whatever became of the archive, nothing outside of the layer is another.
        let outside = self.dir.path().join("outside");
        assert_eq!(fs::read_to_string(outside.join("canary")).unwrap(), "alive");
        assert_eq!(fs::metadata(outside.join("canary")).unwrap().nlink(), 1);
        assert_eq!(fs::read_dir(outside).unwrap().count(), 1);
        if unpacked.is_ok() {
            self.count += 1;
        }
        unpacked
    }

    #[track_caller]
    pub(super) fn add(&mut self, archive: Archive) -> PathBuf {
        self.try_add(&archive.end()).unwrap();
        self.path(self.count - 1)
    }

    #[track_caller]
    pub(super) fn refuses(archive: Archive, words: &str) {
        Layers::new().refuses_on_top(&archive.end(), words);
    }

    #[track_caller]
    pub(super) fn refuses_on_top(&mut self, archive: &[u8], words: &str) {
        let error = self.try_add(archive).unwrap_err();
        let (told, _) = console::told(&error, 1);
        assert!(told.contains(words), "{words:?} is not in {told:?}");
        assert!(told.contains("\n  try: "), "no remedy in {told:?}");
        let error = format!("{error:#}");
        let mut parts: Vec<&str> = error.split(": ").collect();
        parts.sort_unstable();
        assert!(parts.windows(2).all(|two| two[0] != two[1]), "twice the same in {error:?}");
    }

    /// All paths of the union.
    pub(super) fn seen(&self) -> Vec<String> {
        let mut out = Vec::new();
        pack_union(&self.union(), &mut out, None).unwrap();
        let mut archive = tar::Archive::new(&out[..]);
        let path = |entry: tar::Entry<&[u8]>| entry.path().unwrap().display().to_string();
        archive.entries().unwrap().map(|entry| path(entry.unwrap())).skip(1).collect()
    }
}
