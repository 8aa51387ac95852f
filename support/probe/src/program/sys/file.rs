//! Files, directories and links, and the descriptors that stand for them.

use core::ffi::CStr;

use super::{Result, call, number};

/// The longest path that the kernel gives out (PATH_MAX, limits.h).
pub(crate) const PATH: usize = 4096;

/// "Relative to the working directory", where a call takes a directory's descriptor.
const AT_FDCWD: usize = -100_isize as usize;
const AT_REMOVEDIR: usize = 0x200;
const O_CLOEXEC: usize = 0o2_000_000;
/// A descriptor that names a place without opening what is there.
const O_PATH: usize = 0o10_000_000;

/// An open descriptor, closed with its owner.
pub(crate) struct Descriptor(usize);

impl Descriptor {
    /// Takes over a descriptor that a call has just made.
    pub(super) fn new(number: usize) -> Self {
        Descriptor(number)
    }

    pub(crate) fn number(&self) -> i32 {
        self.0 as i32
    }

    /// The argument for a system call.
    pub(super) fn raw(&self) -> usize {
        self.0
    }

    /// Opens for reading.
    pub(crate) fn open(path: &CStr) -> Result<Self> {
        open(AT_FDCWD, path, O_CLOEXEC)
    }

    /// Opens for naming other files relative to it.
    pub(crate) fn open_path(path: &CStr) -> Result<Self> {
        open(AT_FDCWD, path, O_CLOEXEC | O_PATH)
    }

    /// As `open`, in this directory.
    pub(crate) fn open_in(&self, path: &CStr) -> Result<Self> {
        open(self.0, path, O_CLOEXEC)
    }

    /// As `open_path`, in this directory.
    pub(crate) fn open_path_in(&self, path: &CStr) -> Result<Self> {
        open(self.0, path, O_CLOEXEC | O_PATH)
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        // SAFETY: the descriptor is ours alone. Nothing was written through it that closing could
        // lose, so its result says nothing.
        let _ = unsafe { call(number::CLOSE, [self.0]) };
    }
}

fn open(directory: usize, path: &CStr, flags: usize) -> Result<Descriptor> {
    // SAFETY: `path` ends with a zero.
    unsafe { call(number::OPENAT, [directory, path.as_ptr() as usize, flags]) }.map(Descriptor)
}

/// read(2); 0 at the end.
pub(crate) fn read(file: &Descriptor, buffer: &mut [u8]) -> Result<usize> {
    // SAFETY: the kernel writes at most the buffer's length.
    unsafe { call(number::READ, [file.0, buffer.as_mut_ptr() as usize, buffer.len()]) }
}

/// write(2), to a descriptor that the process was started with.
pub(crate) fn write(descriptor: i32, bytes: &[u8]) -> Result<usize> {
    // SAFETY: the kernel reads the slice's length.
    unsafe { call(number::WRITE, [descriptor as usize, bytes.as_ptr() as usize, bytes.len()]) }
}

/// getdents64(2): whole records; 0 at the end.
pub(crate) fn read_directory(directory: &Descriptor, buffer: &mut [u8]) -> Result<usize> {
    let arguments = [directory.0, buffer.as_mut_ptr() as usize, buffer.len()];
    // SAFETY: the kernel writes at most the buffer's length.
    unsafe { call(number::GETDENTS64, arguments) }
}

/// readlinkat(2), relative to the working directory unless a directory is given.
pub(crate) fn read_link<'a>(
    directory: Option<&Descriptor>,
    path: &CStr,
    buffer: &'a mut [u8],
) -> Result<&'a [u8]> {
    let directory = directory.map_or(AT_FDCWD, Descriptor::raw);
    let arguments = [directory, path.as_ptr() as usize, buffer.as_mut_ptr() as usize, buffer.len()];
    // SAFETY: `path` ends with a zero, and the kernel writes at most the buffer's length.
    let length = unsafe { call(number::READLINKAT, arguments) }?;
    Ok(&buffer[..length])
}

/// mkdirat(2).
pub(crate) fn make_directory(path: &CStr) -> Result<()> {
    // SAFETY: `path` ends with a zero.
    unsafe { call(number::MKDIRAT, [AT_FDCWD, path.as_ptr() as usize, 0o700]) }.map(drop)
}

/// rmdir(2), of a name in `parent`.
pub(crate) fn remove_directory(parent: &Descriptor, name: &CStr) -> Result<()> {
    // SAFETY: `name` ends with a zero.
    unsafe { call(number::UNLINKAT, [parent.0, name.as_ptr() as usize, AT_REMOVEDIR]) }.map(drop)
}

/// chdir(2).
pub(crate) fn change_directory(path: &CStr) -> Result<()> {
    // SAFETY: `path` ends with a zero.
    unsafe { call(number::CHDIR, [path.as_ptr() as usize]) }.map(drop)
}

/// getcwd(2).
pub(crate) fn working_directory(buffer: &mut [u8]) -> Result<&[u8]> {
    // SAFETY: the kernel writes at most the buffer's length.
    let length = unsafe { call(number::GETCWD, [buffer.as_mut_ptr() as usize, buffer.len()]) }?;
    // The kernel counts the zero at the end.
    Ok(&buffer[..length - 1])
}

/// pipe2(2): the end to read and the end to write.
pub(crate) fn pipe() -> Result<(Descriptor, Descriptor)> {
    let mut ends = [0_i32; 2];
    // SAFETY: the kernel writes two descriptors.
    unsafe { call(number::PIPE2, [ends.as_mut_ptr() as usize, O_CLOEXEC]) }?;
    Ok((Descriptor(ends[0] as usize), Descriptor(ends[1] as usize)))
}

/// Waits until every writing end of the pipe is closed.
pub(crate) fn wait_for_end(pipe: &Descriptor) {
    // Nobody writes: whatever comes back is the end, or an error that waiting does not mend.
    let _ = read(pipe, &mut [0]);
}

/// Waits until something comes from standard input, or its end; takes a line of that.
pub(crate) fn wait_for_input() {
    let mut line = [0_u8; 64];
    let arguments = [0, line.as_mut_ptr() as usize, line.len()];
    // SAFETY: the kernel writes at most the buffer's length. Whatever comes back, an error too, ends the waiting.
    let _ = unsafe { call(number::READ, arguments) };
}

/// The rows and columns of a terminal (ioctl_tty(2)); ENOTTY for anything else.
pub(crate) fn window_size(descriptor: i32) -> Result<(u16, u16)> {
    const TIOCGWINSZ: usize = 0x5413;
    let mut size = [0_u16; 4];
    // SAFETY: the kernel writes a `winsize`: rows, columns and two more of that width.
    unsafe { call(number::IOCTL, [descriptor as usize, TIOCGWINSZ, size.as_mut_ptr() as usize]) }?;
    Ok((size[0], size[1]))
}
