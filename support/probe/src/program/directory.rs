//! The names in a directory, read with getdents64(2).

use core::ffi::CStr;

use super::Failure;
use super::sys::{Descriptor, Errno, read_directory};

/// The name stands after inode (8 bytes), offset (8), record length (2) and type (1).
const NAME: usize = 19;

/// Calls `each` with every name except `.` and `..`.
pub(crate) fn entries(
    directory: &Descriptor,
    failed: impl Fn(Errno) -> Failure,
    mut each: impl FnMut(&CStr) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut buffer = [0; 2048];
    loop {
        let count = read_directory(directory, &mut buffer).map_err(&failed)?;
        if count == 0 {
            return Ok(());
        }
        let mut rest = &buffer[..count];
        while !rest.is_empty() {
            let length = usize::from(u16::from_ne_bytes([rest[16], rest[17]]));
            let (record, later) = rest.split_at(length);
            rest = later;
            if let Ok(name) = CStr::from_bytes_until_nul(&record[NAME..])
                && name != c"."
                && name != c".."
            {
                each(name)?;
            }
        }
    }
}
