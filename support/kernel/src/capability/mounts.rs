//! Trials of file systems, each for a child with a mount namespace of its own: the calls of the
//! mount API, pivot_root(2), /proc and /sys, pseudoterminals, and overlay (the kernel's
//! filesystems/overlayfs document).

use super::{Found, Refused};
use crate::error::Result;
use crate::explain::call;
use crate::mount::attribute::{NO_DEV, NO_EXEC, NO_SUID};
use crate::{mount, path, terminal};
use nix::errno::Errno;
use std::ffi::CStr;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// A directory that every host has, to mount on.
const PLACE: &CStr = c"/proc";

/// A tmpfs over [`PLACE`], once nothing flows back to the host.
fn cover() -> Result<()> {
    mount::make_tree_private(c"/")?;
    let tmpfs = mount::new_file_system(c"tmpfs", c"trial", &[], NO_SUID | NO_DEV | NO_EXEC)?;
    mount::attach_at(tmpfs, PLACE)
}

/// Makes, attaches, clones and locks a mount.
pub fn calls() -> Found {
    cover()?;
    let tree = mount::clone_tree_at(PLACE)?;
    mount::make_tree_read_only(&tree)?;
    mount::attach_at(tree, PLACE)?;
    match fs::write("/proc/file", "") {
        Err(error) if error.raw_os_error() == Some(libc::EROFS) => {
            Ok("fsopen, fsmount, open_tree, mount_setattr, move_mount".into())
        }
        _ => Err(Refused::new("mount_setattr: a read-only mount can be written")),
    }
}

/// Exchanges the root for a clone of itself, as a container does for another.
pub fn pivot_root() -> Found {
    mount::make_tree_private(c"/")?;
    let root = mount::clone_tree_at(c"/")?;
    mount::make_detached_tree_private(&root)?;
    mount::attach_at(&root, c"/")?;
    path::change_directory_to(&root)?;
    mount::pivot_root_here()?;
    mount::detach(c".")?;
    path::change_directory(c"/")?;
    Ok("the root can be exchanged".into())
}

/// Mounts a file system of the kernel's, `proc` or `sysfs`, for our own namespaces.
pub fn kernel_files(kind: &CStr) -> Found {
    mount::make_tree_private(c"/")?;
    let files = mount::new_file_system(kind, kind, &[], NO_SUID | NO_DEV | NO_EXEC)?;
    mount::attach_at(files, PLACE)?;
    Ok("can be mounted".into())
}

/// Makes a pseudoterminal in a devpts of our own.
pub fn terminal() -> Found {
    let options: [(&CStr, &CStr); 1] = [(c"ptmxmode", c"0666")];
    let devpts = mount::new_file_system(c"devpts", c"devpts", &options, NO_SUID | NO_EXEC)?;
    terminal::make_pty(path::open_device_in_root(devpts, c"ptmx")?)?;
    Ok("can be made".into())
}

/// Stacks an overlay whose upper directory is on a new tmpfs.
pub fn overlay_on_tmpfs(own_xattr: bool) -> Found {
    cover()?;
    overlay(Path::new("/proc"), own_xattr)
}

/// Stacks an overlay whose layers are on the file system of `base`, an empty directory, which is
/// empty again afterwards. `own_xattr` keeps the marks in user.*, which is all that may be written
/// in a user namespace.
pub fn overlay_on(base: &Path, own_xattr: bool) -> Found {
    mount::make_tree_private(c"/")?;
    overlay(base, own_xattr)
}

/// How many parts of one directory an overlay is made of here.
const PARTS: [&str; 4] = ["lower", "upper", "work", "merged"];

fn overlay(base: &Path, own_xattr: bool) -> Found {
    let io = |what: &'static str| move |error: std::io::Error| Refused::io(what, &error);
    // Names below the working directory need no escape in the options.
    std::env::set_current_dir(base).map_err(io("enter the directory"))?;
    for part in PARTS {
        fs::create_dir(part).map_err(io("make a directory"))?;
    }
    let found = make_layers().map_err(io("write the lower layer")).and_then(|()| {
        let base = c"lowerdir=lower,upperdir=upper,workdir=work";
        let user = c"lowerdir=lower,upperdir=upper,workdir=work,userxattr";
        mount_overlay(c"merged", if own_xattr { user } else { base })?;
        let found = use_layers();
        mount::detach(c"merged")?;
        found
    });
    for part in PARTS {
        fs::remove_dir_all(part).map_err(io("remove a directory"))?;
    }
    found
}

fn make_layers() -> std::io::Result<()> {
    fs::write("lower/changed", "old")?;
    fs::write("lower/removed", "old")?;
    fs::create_dir("lower/directory")?;
    fs::write("lower/directory/inner", "old")
}

/// What chapter 03 lives on: a change is copied up, a removal leaves a whiteout, and a directory
/// that is made anew hides what lies below it.
fn use_layers() -> Found {
    let io = |what: &'static str| move |error: std::io::Error| Refused::io(what, &error);
    fs::write("merged/changed", "new").map_err(io("change a file of the lower layer"))?;
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    if (read("lower/changed").as_str(), read("upper/changed").as_str()) != ("old", "new") {
        return Err(Refused::new("a changed file is not copied up"));
    }
    fs::remove_file("merged/removed").map_err(io("remove a file of the lower layer"))?;
    let whiteout = fs::symlink_metadata("upper/removed").map_err(io("find the whiteout"))?;
    if !whiteout.file_type().is_char_device() || whiteout.rdev() != 0 {
        return Err(Refused::new("a removed file leaves no whiteout"));
    }
    let anew =
        fs::remove_dir_all("merged/directory").and_then(|()| fs::create_dir("merged/directory"));
    anew.map_err(io("make a directory anew: no extended attributes")).map_err(Refused::in_part)?;
    if Path::new("merged/directory/inner").exists() {
        return Err(Refused::new("a directory made anew shows the old one's files").in_part());
    }
    Ok("copies up, leaves whiteouts, hides directories".into())
}

fn mount_overlay(target: &CStr, options: &CStr) -> Result<()> {
    call(
        "mount",
        || format!("\"overlay\", {target:?}, \"overlay\", 0, {options:?}"),
        // SAFETY: four C strings.
        || unsafe {
            let kind = c"overlay".as_ptr();
            let data = options.as_ptr().cast();
            Errno::result(libc::mount(kind, target.as_ptr(), kind, 0, data)).map(drop)
        },
    )
}
