//! Overlay before Linux 6.5, which takes all layers in one line of options (mount(2)).

use crate::engine::path_names::PathNames;
use crate::engine::refuse;
use crate::overlay::{OPTIONS, Overlay};
use crate::whiteout::Spelling;
use anyhow::Result;
use kernel::{mount, namespace};
use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// mount(2) takes its options in one page, with a NUL byte at the end.
const PAGE: usize = 4096;

/// The older way: mount(2), which needs a place. In a mount namespace of our own nobody sees it, and
/// a clone of it is detached again.
pub(crate) fn mount_the_older_way(overlay: &Overlay) -> Result<OwnedFd> {
    // First: overlay takes no descriptor of a mount in another namespace (EINVAL).
    namespace::enter_new_mounts()?;
    mount::make_tree_private(c"/")?;
    let mut names = PathNames::default();
    let mut line = options(overlay, &mut |path| names.plain(path));
    if line.len() >= PAGE {
        line = options(overlay, &mut |path| names.descriptor(path));
    }
    if line.len() >= PAGE {
        return Err(refuse::too_many_layers(overlay.lower.len()));
    }
    // By its own name: a descriptor would go on meaning what lies below the mount.
    let place = CString::new(overlay.own.as_os_str().as_bytes())?;
    mount::mount_at(c"overlay", c"overlay", &place, &mount::option(line))?;
    let detached = mount::clone_mount(&place)?;
    mount::detach(&place)?;
    Ok(detached)
}

/// All options in one line, with each path named in this way.
fn options(overlay: &Overlay, name: &mut dyn FnMut(&Path) -> CString) -> String {
    let mut name = |path: &Path| name(path).to_string_lossy().into_owned();
    let lower: Vec<String> = overlay.lower.iter().map(|layer| name(layer)).collect();
    let (upper, work) = (name(&overlay.upper()), name(&overlay.work()));
    // LAB 03.1 layers: all of them in one option, the uppermost first, with colons between them
    let mut line = format!("lowerdir={}", lower.join(":"));
    // LAB 03.1 own: where it is written to, and where overlay may prepare that
    line += &format!(",upperdir={upper},workdir={work}");
    for (name, value) in OPTIONS {
        line += &format!(",{name}={value}");
    }
    line += if overlay.spelling() == Spelling::User { ",userxattr" } else { "" };
    line + if overlay.is_thrown_away() { ",volatile" } else { "" }
}
