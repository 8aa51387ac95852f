//! Extended attributes (xattr(7)): names and values beside a file's content. They are reached by
//! descriptor, also of a link, a device or a FIFO that is only named by it (O_PATH): no name can be
//! swapped in between.

use nix::errno::Errno;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd};

/// What a value may have (XATTR_SIZE_MAX in limits.h).
const LARGEST: usize = 64 << 10;

/// What all names of a file together may have (XATTR_LIST_MAX in limits.h).
const LONGEST_LIST: usize = 64 << 10;

/// A descriptor as a path that leads to the very file, whatever that is; for as long as it is open, and
/// so only borrowed: who gives one away for good would have it closed before the call.
fn path(file: &impl AsFd) -> CString {
    let path = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
    CString::new(path).expect("a number has no NUL byte")
}

/// The value of an attribute (getxattr(2)); none if the file has no such attribute, or its file
/// system knows none.
pub fn get(file: impl AsFd, name: &CStr) -> nix::Result<Option<Vec<u8>>> {
    let path = path(&file);
    let mut value = vec![0; 256];
    loop {
        let (at, size) = (value.as_mut_ptr().cast(), value.len());
        // SAFETY: two C strings, and a buffer of the size given.
        let got = unsafe { libc::getxattr(path.as_ptr(), name.as_ptr(), at, size) };
        match Errno::result(got) {
            Ok(length) => {
                value.truncate(length as usize);
                return Ok(Some(value));
            }
            Err(Errno::ERANGE) if size < LARGEST => value.resize(LARGEST, 0),
            Err(Errno::ENODATA | Errno::ENOTSUP) => return Ok(None),
            Err(errno) => return Err(errno),
        }
    }
}

/// Sets an attribute (setxattr(2)).
pub fn set(file: impl AsFd, name: &CStr, value: &[u8]) -> nix::Result<()> {
    let path = path(&file);
    let (at, size) = (value.as_ptr().cast(), value.len());
    // SAFETY: two C strings, and a buffer of the size given.
    let set = unsafe { libc::setxattr(path.as_ptr(), name.as_ptr(), at, size, 0) };
    Errno::result(set).map(drop)
}

/// Removes an attribute (removexattr(2)).
pub fn remove(file: impl AsFd, name: &CStr) -> nix::Result<()> {
    let path = path(&file);
    // SAFETY: two C strings.
    Errno::result(unsafe { libc::removexattr(path.as_ptr(), name.as_ptr()) }).map(drop)
}

/// The names of a file's attributes (listxattr(2)), in order; none where the file system has none.
pub fn list(file: impl AsFd) -> nix::Result<Vec<CString>> {
    let path = path(&file);
    let mut names = vec![0u8; LONGEST_LIST];
    // SAFETY: a C string, and a buffer of the size given.
    let got = unsafe { libc::listxattr(path.as_ptr(), names.as_mut_ptr().cast(), names.len()) };
    match Errno::result(got) {
        Err(Errno::ENOTSUP) => return Ok(Vec::new()),
        got => names.truncate(got? as usize),
    }
    let names = names.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let mut names: Vec<CString> =
        names.map(|name| CString::new(name).expect("split at NUL bytes")).collect();
    names.sort_unstable();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_is_set_read_listed_and_removed() {
        let file = std::env::temp_dir().join(format!("xattr-{}", std::process::id()));
        let open = std::fs::File::create(&file).unwrap();
        let long = vec![7; 1000];
        match set(&open, c"user.long", &long) {
            // A file system without them has none to show.
            Err(Errno::ENOTSUP) => assert_eq!(get(&open, c"user.long"), Ok(None)),
            done => {
                done.unwrap();
                set(&open, c"user.a", b"1").unwrap();
                assert_eq!(get(&open, c"user.long"), Ok(Some(long.clone())));
                // A descriptor that is given away stays open for as long as it is needed.
                assert_eq!(get(open.try_clone().unwrap(), c"user.long"), Ok(Some(long)));
                assert_eq!(list(&open).unwrap(), [c"user.a", c"user.long"].map(CString::from));
                remove(&open, c"user.a").unwrap();
                assert_eq!(get(&open, c"user.a"), Ok(None));
            }
        }
        std::fs::remove_file(file).unwrap();
    }
}
