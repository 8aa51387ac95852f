//! The archive that a kernel unpacks into its first root: cpio in the "newc" format
//! (Documentation/driver-api/early-userspace/buffer-format.rst). Each file is a header of hexadecimal
//! numbers, its name and its bytes, the last two filled up to a multiple of four.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// What stands under a name.
enum Node {
    Directory { mode: u32 },
    File { mode: u32, content: Vec<u8> },
    Link { target: Vec<u8> },
}

/// The files of a root. Everything in it belongs to root.
#[derive(Default)]
pub struct Archive {
    /// Sorted, so that a directory comes before what is in it: the kernel makes no parents.
    nodes: BTreeMap<PathBuf, Node>,
}

impl Archive {
    /// A directory, and those above it.
    pub fn directory(&mut self, path: &Path, mode: u32) {
        self.parents(path);
        self.nodes.insert(path.to_owned(), Node::Directory { mode });
    }

    /// A file; the directories above it are made where they are missing.
    pub fn file(&mut self, path: &Path, mode: u32, content: Vec<u8>) {
        self.parents(path);
        self.nodes.insert(path.to_owned(), Node::File { mode, content });
    }

    /// A file of the host's, with its mode.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn copy(&mut self, host: &Path, path: &Path) -> Result<()> {
        let content = fs::read(host).with_context(|| format!("read {}", host.display()))?;
        let mode = host.metadata()?.permissions().mode() & 0o777;
        self.file(path, mode, content);
        Ok(())
    }

    /// A directory of the host's with all that is in it. Sockets, pipes and devices stay behind.
    ///
    /// # Errors
    /// If something in it cannot be read.
    pub fn copy_tree(&mut self, host: &Path, path: &Path) -> Result<()> {
        let about = host.symlink_metadata().with_context(|| format!("stat {}", host.display()))?;
        let kind = about.file_type();
        if kind.is_symlink() {
            let target = fs::read_link(host)?.into_os_string().into_vec();
            self.parents(path);
            self.nodes.insert(path.to_owned(), Node::Link { target });
        } else if kind.is_dir() {
            self.directory(path, about.permissions().mode() & 0o7777);
            let entries = fs::read_dir(host).with_context(|| format!("read {}", host.display()))?;
            for entry in entries {
                let name = entry?.file_name();
                self.copy_tree(&host.join(&name), &path.join(&name))?;
            }
        } else if !(kind.is_socket() || kind.is_fifo() || is_device(&kind)) {
            self.copy(host, path)?;
        }
        Ok(())
    }

    /// Whether something stands under exactly this name.
    pub fn has(&self, path: &Path) -> bool {
        self.nodes.contains_key(path)
    }

    /// The bytes for the kernel.
    ///
    /// # Errors
    /// If a file has 4 GiB or more: its length would not fit into the header.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        for (path, node) in &self.nodes {
            let (mode, content): (u32, &[u8]) = match node {
                Node::Directory { mode } => (libc::S_IFDIR | mode, &[]),
                Node::File { mode, content } => (libc::S_IFREG | mode, content),
                Node::Link { target } => (libc::S_IFLNK | 0o777, target),
            };
            let name = path.as_os_str().as_bytes();
            let name = name.strip_prefix(b"/").unwrap_or(name);
            if !name.is_empty() {
                entry(&mut bytes, name, mode, content)
                    .with_context(|| path.display().to_string())?;
            }
        }
        entry(&mut bytes, b"TRAILER!!!", 0, &[])?;
        Ok(bytes)
    }

    fn parents(&mut self, path: &Path) {
        for parent in path.ancestors().skip(1) {
            if !self.nodes.contains_key(parent) {
                self.nodes.insert(parent.to_owned(), Node::Directory { mode: 0o755 });
            }
        }
    }
}

fn is_device(kind: &fs::FileType) -> bool {
    kind.is_block_device() || kind.is_char_device()
}

fn entry(bytes: &mut Vec<u8>, name: &[u8], mode: u32, content: &[u8]) -> Result<()> {
    let size = u32::try_from(content.len());
    ensure!(size.is_ok(), "too large for a cpio archive");
    // inode, mode, uid, gid, links, mtime, size, device, rdevice (two numbers each), name, check
    let links = 1;
    let name_size = name.len() as u32 + 1;
    let numbers = [0, mode, 0, 0, links, 0, size?, 0, 0, 0, 0, name_size, 0];
    bytes.extend_from_slice(b"070701");
    for number in numbers {
        bytes.extend_from_slice(format!("{number:08X}").as_bytes());
    }
    bytes.extend_from_slice(name);
    bytes.push(0);
    fill(bytes);
    bytes.extend_from_slice(content);
    fill(bytes);
    Ok(())
}

fn fill(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_a_header_a_name_and_its_bytes() {
        let mut archive = Archive::default();
        archive.file(Path::new("/a/b"), 0o755, b"hello".to_vec());
        let bytes = archive.bytes().unwrap();
        // 110 bytes of header, `a` and its zero: 112.
        let file = &bytes[112..];
        assert_eq!(&bytes[..22], b"07070100000000000041ED");
        assert_eq!(&file[..22], b"07070100000000000081ED");
        assert_eq!(&file[54..62], b"00000005");
        assert_eq!(&file[110..116], b"a/b\0\0\0".get(..6).unwrap());
        assert_eq!(&file[116..124], b"hello\0\0\0");
        assert_eq!(&file[124..130], b"070701");
        assert_eq!(bytes.len() % 4, 0);
    }

    #[test]
    fn a_tree_is_taken_with_its_links_and_without_its_sockets() {
        let host = tempfile::tempdir().unwrap();
        fs::create_dir(host.path().join("d")).unwrap();
        fs::write(host.path().join("d/f"), "x").unwrap();
        std::os::unix::fs::symlink("d/f", host.path().join("l")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(host.path().join("s")).unwrap();
        let mut archive = Archive::default();
        archive.copy_tree(host.path(), Path::new("/t")).unwrap();
        let names: Vec<_> = archive.nodes.keys().map(|path| path.to_str().unwrap()).collect();
        assert_eq!(names, ["/", "/t", "/t/d", "/t/d/f", "/t/l"]);
        assert!(
            matches!(&archive.nodes[Path::new("/t/l")], Node::Link { target } if target == b"d/f")
        );
    }
}
