//! What a layer has though no entry of its archive says so: directories on the way to a mark or a file, and
//! files of a layer below that a hard link has copied up. A mark that comes later hides these like what they
//! are made from: an archive means the same in whatever order it says it.

use crate::engine::metadata::is_directory;
use crate::engine::place::Place;
use crate::engine::stack::list;
use crate::unpack::Layer;
use crate::whiteout;
use anyhow::Result;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use std::ffi::OsStr;

impl Layer {
    /// Removes what is implied of a name that is hidden: itself, and all in it that no entry says is there.
    /// Returns whether something stays, marks not counted.
    pub(crate) fn remove_implied(&mut self, place: &Place, name: &OsStr) -> Result<bool> {
        let Some(stat) = self.look(place, name)? else { return Ok(false) };
        let mut stays = !self.implied.contains(&place.path.join(name));
        if is_directory(&stat) {
            let within = place.enter(name)?;
            for name in list(within.directory())? {
                stays |= self.remove_implied(&within, &name)?;
            }
        } else {
            let how = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            let file = openat(place.directory(), name, how, Mode::empty())?;
            if whiteout::is_whiteout(file, &stat, self.spelling)? {
                return Ok(false);
            }
        }
        if !stays {
            self.make_room(place, name)?;
        }
        Ok(stays)
    }
}
