//! Files of text that the kernel writes while they are read, as in /proc and in control groups.

use std::fs::File;
use std::io;
use std::path::Path;

/// More than most of these files have.
const PIECE: usize = 4096;

/// Reads one. Its size is not known before, and is 0 for whoever asks: std's way would ask, and
/// begin with 32 bytes.
pub fn read(path: impl AsRef<Path>) -> io::Result<String> {
    let file = File::open(path)?;
    let mut text = Vec::new();
    let mut piece = [0; PIECE];
    loop {
        match nix::unistd::read(&file, &mut piece) {
            Ok(0) => break,
            Ok(length) => text.extend_from_slice(&piece[..length]),
            Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    String::from_utf8(text).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_whole() {
        assert_eq!(read("/proc/self/comm").unwrap().lines().count(), 1);
        // Longer than a piece.
        let symbols = read("/proc/kallsyms").unwrap();
        assert!(symbols.len() > PIECE && symbols.ends_with('\n'));
        assert_eq!(read("/proc/self/none").unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
