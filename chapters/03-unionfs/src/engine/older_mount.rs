//! Overlay before Linux 6.7, which takes all layers in one line of options (mount(2)).

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
    mount::mount_at(c"overlay", c"overlay", &place, &CString::new(line)?)?;
    let detached = mount::clone_mount(&place)?;
    mount::detach(&place)?;
    Ok(detached)
}

/// All options in one line, with each path named in this way. A path is bytes, and need not be text.
fn options(overlay: &Overlay, name: &mut dyn FnMut(&Path) -> CString) -> Vec<u8> {
    let mut name = |path: &Path| name(path).into_bytes();
    let lower: Vec<Vec<u8>> = overlay.lower.iter().map(|layer| name(layer)).collect();
    let (upper, work) = (name(&overlay.upper()), name(&overlay.work()));
    // LAB 03.1 layers: all of them in one option, the uppermost first, with colons between them
    let mut line = [b"lowerdir=", &*lower.join(&b':')].concat();
    // LAB 03.1 own: where it is written to, and where overlay may prepare that
    line.extend([&b",upperdir="[..], &upper, b",workdir=", &work].concat());
    for (name, value) in OPTIONS {
        line.extend(format!(",{name}={value}").into_bytes());
    }
    let user = overlay.spelling() == Spelling::User;
    line.extend(if user { ",userxattr" } else { "" }.bytes());
    line.extend(if overlay.is_thrown_away() { ",volatile" } else { "" }.bytes());
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    #[test]
    fn a_path_that_is_no_text_is_named_as_it_is() {
        let path = |bytes: &[u8]| OsStr::from_bytes(bytes).into();
        let (lower, own) = (vec![path(b"/two\xff"), path(b"/one")], path(b"/own\xfe"));
        let mut names = PathNames::default();
        let overlay = Overlay { record: None, lower, own };
        let line = options(&overlay, &mut |path| names.plain(path));
        let begin =
            b"lowerdir=/two\xff:/one,upperdir=/own\xfe/upper,workdir=/own\xfe/work,redirect_dir=";
        assert!(line.starts_with(begin), "{}", String::from_utf8_lossy(&line));
    }
}
