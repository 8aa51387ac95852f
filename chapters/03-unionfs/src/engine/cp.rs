//! `cp`: files out of a container, or into it, whether it runs or not. A container may be hostile, and
//! change its files while they are copied: every path in it is resolved in its root (openat2(2),
//! RESOLVE_IN_ROOT), and what lies behind is reached by descriptors and single names, link by link.
//!
//! ```text
//!  SRC ─▶ what is there (O_PATH) ─┬─▶ a tree of files ─▶ DEST, by Docker's rules
//!                                 └─▶ an archive ──────▶ standard output
//!  standard input: an archive ──────▶ files ───────────▶ DEST, a directory
//! ```

mod argument;
mod container;
mod copies;
mod destination;
mod incoming;
mod root;
mod tree;
mod whose;

use crate::engine::cp::argument::{Argument, Asked};
use crate::engine::cp::container::Container;
use crate::engine::cp::copies::Copies;
use crate::engine::cp::destination::{Destination, There};
use crate::engine::cp::root::Root;
use crate::engine::cp::whose::Whose;
use crate::engine::stack::Found;
use crate::engine::{entries, import, pack};
use anyhow::{Context, Result, ensure};
use console::failure::Failure;
use console::format::decimal_bytes;
use console::options::Global;
use kernel::Errno;
use nix::sys::stat::SFlag;
use nix::sys::statfs::{
    CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, FsType, PROC_SUPER_MAGIC, SYSFS_MAGIC, fstatfs,
};
use std::ffi::OsString;
use std::io::{BufWriter, IsTerminal, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

/// Options of `cp`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "SRC/. means what is in SRC. Copies belong to root in a container, and to you on the \
                  host; set-user-ID bits do not come out without -a."
)]
pub struct Options {
    /// Keep user and group ids
    #[arg(short, long)]
    archive: bool,
    /// If SRC is a symbolic link, copy what it leads to
    #[arg(short = 'L', long)]
    follow_link: bool,
    /// Do not say how much was copied: it is said on a terminal only
    #[arg(short, long)]
    quiet: bool,
    /// CONTAINER:PATH, a path here, or - for an archive on standard input
    #[arg(value_name = "SRC")]
    source: OsString,
    /// CONTAINER:PATH, a path here, or - for an archive on standard output
    #[arg(value_name = "DEST")]
    destination: OsString,
}

/// Copies; returns the exit code.
pub fn copy(options: &Options, global: &Global) -> Result<u8> {
    for (what, text) in [("source", &options.source), ("destination", &options.destination)] {
        ensure!(!text.is_empty(), misuse(&format!("{what} can not be empty")));
    }
    let source = Argument::parse(&options.source)?;
    match (source, Argument::parse(&options.destination)?) {
        (Argument::Container(..), Argument::Container(..)) => {
            let failure = Failure::new("copying between containers is not supported");
            return Err(failure.remedy("cp ONE:PATH - | cp - OTHER:DIR").into());
        }
        (Argument::Container(name, source), to) => out_of(&name, &source, &to, options, global)?,
        (from, Argument::Container(name, to)) => into(&name, &from, &to, options, global)?,
        _ => return Err(misuse("must specify at least one container source").into()),
    }
    Ok(0)
}

fn misuse(words: &str) -> Failure {
    Failure::new(words).remedy("cp CONTAINER:SRC DEST, or cp SRC CONTAINER:DEST")
}

fn out_of(
    name: &str,
    source: &Asked,
    to: &Argument,
    options: &Options,
    global: &Global,
) -> Result<()> {
    let there = match to {
        Argument::Host(to) => Some((to, There::look(&Root::Host, to, &no_directory)?)),
        _ => None,
    };
    if let Some((to, There::Other(SFlag::S_IFCHR | SFlag::S_IFBLK, ..))) = there {
        let words =
            format!("invalid output path: {:?} must be a directory or a regular file", to.given);
        return Err(a_device(&words));
    }
    let container = container::to_read(global, name)?;
    let found = find(&container.root, source, options, &container)?
        .filter(|found| !container.runs || !is_kernels(found))
        .ok_or_else(|| not_found(&source.given, name))?;
    // What is mounted in a container that runs is not among its files.
    let device = container.runs.then(|| found.stat().map(|stat| stat.st_dev)).transpose()?;
    let Some((to, there)) = there else { return to_output(&found, source, device) };
    let is_directory = matches!(found, Found::Directory(_));
    let whose = if options.archive { Whose::Kept } else { Whose::Ours };
    let size = make(&found, there.settle(to, source, is_directory)?, whose, device)?;
    tell(size, &to.path.display().to_string(), options);
    Ok(())
}

fn into(name: &str, from: &Argument, to: &Asked, options: &Options, global: &Global) -> Result<()> {
    let container = container::to_write(global, name)?;
    let found = match from {
        Argument::Host(source) => {
            let found = find(&Root::Host, source, options, &container)?;
            Some((source, found.ok_or_else(|| missing(&source.path))?))
        }
        _ => None,
    };
    let there = There::look(&container.root, to, &|path| not_found(&path.to_string_lossy(), name))?;
    if let There::Other(SFlag::S_IFCHR | SFlag::S_IFBLK, ..) = there {
        let words =
            format!("destination \"{name}:{}\" must be a directory or a regular file", to.given);
        return Err(a_device(&words));
    }
    let whose = if options.archive { Whose::Kept } else { Whose::Container };
    let size = match (found, there) {
        (Some((source, found)), there) => {
            let is_directory = matches!(found, Found::Directory(_));
            if is_directory {
                import::refuse_own_files(&container.store, &source.path)?;
            }
            make(&found, there.settle(to, source, is_directory)?, whose, None)?
        }
        (None, There::Directory(directory)) => {
            let mut copies = Copies::new(directory, &to.path, whose)?;
            copies.unpack(std::io::stdin().lock()).context("standard input")?;
            copies.size
        }
        (None, _) => {
            let words = format!("destination \"{name}:{}\" must be a directory", to.given);
            return Err(Failure::new(words).remedy("what is in an archive has names").into());
        }
    };
    tell(size, &format!("{name}:{}", to.path.display()), options);
    Ok(())
}

/// What is to be copied.
fn find(
    root: &Root,
    asked: &Asked,
    options: &Options,
    container: &Container,
) -> Result<Option<Found>> {
    let follow = options.follow_link || asked.directory;
    let found = match root.find(&asked.path, follow, container.store.spelling) {
        Ok(Some(Found::File(_))) if asked.directory => Err(Errno::ENOTDIR.into()),
        found => found,
    };
    found.map_err(|error| match error.downcast_ref() {
        Some(Errno::ENOTDIR) => {
            let failure = Failure::new(format!("lstat {}: not a directory", asked.given));
            failure.remedy("leave out what comes after the file's name").into()
        }
        _ => error.context(format!("lstat {}", asked.given)),
    })
}

/// Copies it to its destination; returns how many bytes an archive of it would have.
fn make(found: &Found, to: Destination, whose: Whose, device: Option<u64>) -> Result<u64> {
    let mut copies = Copies::new(to.directory, &to.path, whose)?;
    copies.device = device;
    let into = copies.base.try_clone()?;
    let made = match (found, &to.name) {
        (Found::Directory(directory), None) => copies.contents(directory, &into, Path::new("")),
        (found, Some(name)) => copies.copy(found, &into, name),
        (Found::File(_), None) => Err(Errno::ENOTDIR.into()),
    };
    made.map_err(entries::explained).map(|()| copies.size)
}

/// Writes it as an archive.
fn to_output(found: &Found, source: &Asked, device: Option<u64>) -> Result<()> {
    let output = std::io::stdout();
    if output.is_terminal() {
        let failure = Failure::new("cowardly refusing to write an archive to a terminal");
        return Err(failure.remedy("send it elsewhere: cp CONTAINER:SRC - | tar t").into());
    }
    let name = if source.contents { PathBuf::new() } else { source.name().into() };
    let mut output = BufWriter::with_capacity(64 << 10, output.lock());
    let packed =
        pack::pack_found(found, &name, device, &mut output).and_then(|()| Ok(output.flush()?));
    console::offered(packed).map(drop)
}

/// What the kernel makes up when it is asked is no file of a container's.
fn is_kernels(found: &Found) -> bool {
    const MADE_UP: [FsType; 4] =
        [PROC_SUPER_MAGIC, SYSFS_MAGIC, CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC];
    let file = match found {
        Found::Directory(directory) => directory.uppermost().as_fd(),
        Found::File(file) => file.file.as_fd(),
    };
    fstatfs(file).is_ok_and(|system| MADE_UP.contains(&system.filesystem_type()))
}

/// As Docker, to a person only.
fn tell(size: u64, to: &str, options: &Options) {
    if !options.quiet && std::io::stdout().is_terminal() {
        // The end of an archive is two empty blocks.
        let words = format!("Successfully copied {} to {to}", decimal_bytes(size + 1024));
        // If standard error is closed there is nowhere to say it.
        let _said = writeln!(std::io::stderr(), "{}", console::failure::printable(&words));
    }
}

fn not_found(path: &str, name: &str) -> anyhow::Error {
    let failure = Failure::new(format!("Could not find the file {path} in container {name}"));
    failure.remedy(format!("`cp {name}:DIR - | tar t` lists what there is")).into()
}

fn missing(path: &Path) -> anyhow::Error {
    let failure = Failure::new(format!("lstat {}: no such file or directory", path.display()));
    failure.remedy("a path on the host, or CONTAINER:PATH").into()
}

fn no_directory(path: &Path) -> anyhow::Error {
    let failure = Failure::new(format!("invalid output path: directory {path:?} does not exist"));
    failure.remedy("make it first").into()
}

fn a_device(words: &str) -> anyhow::Error {
    let failure = Failure::new(format!("{words}: got a device"));
    failure.remedy("name another destination").into()
}
