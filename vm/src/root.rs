//! The guest's root: the `lab` of the containers, the command with its libraries, and this program as its init. Nothing
//! of the host's disk is mounted; what is to be there is copied into memory.

use std::env::split_paths;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use console::failure::Failure;
use namespaces::engine::labroot;
use namespaces::engine::labtree::settle;
use namespaces::engine::libraries;

use crate::cpio::Archive;
use crate::job::INIT;
use crate::linux;

/// Where programs are put that have no place of their own.
const BIN: &str = "/usr/local/bin";

/// A root that is being put together.
pub struct Root {
    archive: Archive,
}

impl Root {
    /// The lab's tools, and `init`, which is a program that calls [`crate::guest::run`] as `/init`.
    ///
    /// # Errors
    /// If the lab cannot be made.
    pub fn new(init: &Path) -> Result<Root> {
        let lab = labroot::ensure(&linux::directory()?, probe::PROGRAM, probe::ID)?;
        let mut root = Root { archive: Archive::default() };
        root.archive.copy_tree(&lab.path, Path::new("/"))?;
        root.program(init, Path::new(INIT))?;
        Ok(root)
    }

    /// A program of the host's at a place in the guest, with the libraries that it needs. A script
    /// comes alone.
    ///
    /// # Errors
    /// If it cannot be read, or a library is missing.
    pub fn program(&mut self, host: &Path, place: &Path) -> Result<()> {
        self.archive.copy(host, place)?;
        if std::fs::read(host)?.starts_with(b"\x7fELF") {
            let needed = libraries::needs(host, place);
            for library in needed.with_context(|| host.display().to_string())? {
                let place = self.settled(&library.lab);
                if !self.archive.has(&place) {
                    self.archive.copy(&library.host, &place)?;
                }
            }
        }
        Ok(())
    }

    /// A file or directory of the host's at the same place in the guest.
    ///
    /// # Errors
    /// If something of it cannot be read.
    pub fn add(&mut self, host: &Path) -> Result<()> {
        let host = std::path::absolute(host)?;
        let place = self.settled(&host);
        if host.is_file() {
            return self.program(&host, &place);
        }
        self.archive.copy_tree(&host, &place)
    }

    /// Finds a command as a shell would, takes it along and returns its name in the guest: a path is a program of
    /// the host's, a bare name a tool of the guest's, or else a program on the host's PATH.
    ///
    /// # Errors
    /// If there is no such program.
    pub fn command(&mut self, name: &str) -> Result<String> {
        if name.contains('/') {
            // A path may also mean a file that only the guest has: /probe, /bin/sh.
            if self.archive.has(Path::new(name)) {
                return Ok(name.to_owned());
            }
            let path = std::path::absolute(name)?;
            if !path.exists() {
                let remedy = "name a program of this machine, or a tool of the lab";
                bail!(Failure::new(format!("{name}: no such program")).remedy(remedy).code(127));
            }
            let place = self.settled(&path);
            self.program(&path, &place)?;
            return Ok(place.to_string_lossy().into_owned());
        }
        let here = ["/bin", BIN].map(|directory| Path::new(directory).join(name));
        if here.iter().any(|path| self.archive.has(path)) {
            return Ok(name.to_owned());
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = split_paths(&path).map(|directory| directory.join(name)).find(|p| p.is_file());
        let found = found.with_context(|| {
            Failure::new(format!("{name}: neither in the lab nor on your PATH"))
                .remedy(format!("install it, or give its path: ./{name}"))
                .code(127)
        })?;
        self.program(&found, &Path::new(BIN).join(name))?;
        Ok(name.to_owned())
    }

    /// A chapter's program; returns its place.
    ///
    /// # Errors
    /// As [`Root::program`].
    pub fn chapter(&mut self, host: &Path, name: &OsStr) -> Result<PathBuf> {
        let place = Path::new(BIN).join(name);
        self.program(host, &place)?;
        Ok(place)
    }

    /// Where a path leads in the lab, whose `/usr/bin` and `/lib64` are links.
    fn settled(&mut self, path: &Path) -> PathBuf {
        let (place, passed) = settle(path);
        for directory in passed {
            if !self.archive.has(&directory) {
                self.archive.directory(&directory, 0o755);
            }
        }
        place
    }

    /// The archive, for what is not a program.
    pub fn archive(&mut self) -> &mut Archive {
        &mut self.archive
    }
}
