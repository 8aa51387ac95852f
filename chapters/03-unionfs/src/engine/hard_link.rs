//! A hard link in an archive: a second name of a file that an earlier entry has made, or of one that a
//! layer below has.

use crate::engine::copy_up::copy_up;
use crate::engine::entries;
use crate::engine::place::Place;
use crate::engine::stack::Found;
use crate::unpack::Layer;
use anyhow::Result;
use console::failure::Failure;
use nix::fcntl::AtFlags;
use nix::unistd::linkat;
use std::ffi::OsStr;
use std::path::Path;

impl Layer {
    /// Makes it.
    ///
    /// # Errors
    /// If it leads to a directory, or to nothing. It cannot lead out of the layer: its target is a name
    /// in the archive.
    pub(crate) fn hard_link(&mut self, place: &Place, name: &OsStr, target: &Path) -> Result<()> {
        let shown = entries::shown(target);
        let last = target.file_name().ok_or_else(|| entries::refused("a hard link to the root"))?;
        let to = self.place(target.parent().unwrap_or(Path::new("")))?;
        let same = to.path == place.path && last == name;
        match to.union.find(last)? {
            Some(Found::Directory(_)) => {
                return Err(entries::refused(format!("a hard link to {shown}, a directory")).into());
            }
            Some(Found::File(file)) if file.layer == 0 => {}
            // Of a layer below: it is copied up, as the kernel would do it.
            Some(Found::File(file)) => {
                copy_up(&file, to.directory(), last)?;
                if !same {
                    self.implied.insert(to.path.join(last));
                }
            }
            None => {
                let missing = format!("a hard link to {shown}, which is not there");
                let remedy = "make the archive anew, with that file in it, and before its links";
                return Err(Failure::new(missing).remedy(remedy).into());
            }
        }
        if same {
            return Ok(());
        }
        self.make_room(place, name)?;
        Ok(linkat(to.directory(), last, place.directory(), name, AtFlags::empty())?)
    }
}
