//! Text out, numbers in.

use core::ffi::CStr;
use core::fmt::{self, Write};
use core::str::FromStr;

use super::{Failure, sys};

/// A descriptor to write to, with a buffer: a report is one write, so that lines of several
/// processes do not mix.
pub(crate) struct Output {
    descriptor: i32,
    buffer: [u8; 1024],
    used: usize,
}

impl Output {
    /// Standard output.
    pub(crate) fn standard() -> Self {
        Output { descriptor: 1, buffer: [0; 1024], used: 0 }
    }

    /// Adds bytes; writes when the buffer is full.
    pub(crate) fn bytes(&mut self, mut bytes: &[u8]) -> Result<(), Failure> {
        while !bytes.is_empty() {
            if self.used == self.buffer.len() {
                self.flush()?;
            }
            let room = &mut self.buffer[self.used..];
            let (now, later) = bytes.split_at(bytes.len().min(room.len()));
            room[..now.len()].copy_from_slice(now);
            self.used += now.len();
            bytes = later;
        }
        Ok(())
    }

    /// Writes what is in the buffer.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        let mut rest = &self.buffer[..self.used];
        // Emptied even on failure, or the same bytes would be tried again at the end.
        self.used = 0;
        while !rest.is_empty() {
            let count = sys::write(self.descriptor, rest).map_err(|_| Failure::Output)?;
            rest = &rest[count..];
        }
        Ok(())
    }
}

impl Write for Output {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.bytes(text.as_bytes()).map_err(|_| fmt::Error)
    }
}

/// Writes to standard error.
pub(crate) fn complain(text: fmt::Arguments<'_>) {
    let mut errors = Output { descriptor: 2, ..Output::standard() };
    // Where standard error takes nothing, the exit code is all that can still be said.
    let _ = errors.write_fmt(text);
    let _ = errors.flush();
}

/// A decimal number; anything else is misuse.
pub(crate) fn number<T: FromStr>(text: &CStr) -> Result<T, Failure> {
    text.to_str().ok().and_then(|text| text.parse().ok()).ok_or(Failure::Misuse)
}

/// A number of bytes, with K, M or G for 2^10, 2^20 or 2^30 of them.
pub(crate) fn size(text: &CStr) -> Result<usize, Failure> {
    let text = text.to_str().map_err(|_| Failure::Misuse)?;
    let (digits, unit) = match text.as_bytes().last() {
        Some(b'K') => (&text[..text.len() - 1], 1 << 10),
        Some(b'M') => (&text[..text.len() - 1], 1 << 20),
        Some(b'G') => (&text[..text.len() - 1], 1 << 30),
        _ => (text, 1),
    };
    let count: usize = digits.parse().map_err(|_| Failure::Misuse)?;
    count.checked_mul(unit).ok_or(Failure::Misuse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_take_binary_units() {
        assert_eq!(size(c"300").ok(), Some(300));
        assert_eq!(size(c"4K").ok(), Some(4096));
        assert_eq!(size(c"512M").ok(), Some(512 << 20));
        assert_eq!(size(c"2G").ok(), Some(2 << 30));
    }

    #[test]
    fn what_is_no_number_is_misuse() {
        for text in [c"", c"M", c"-1", c"1.5M", c"12X", c"99999999999999999999", c"99999999999G"] {
            assert!(size(text).is_err(), "{text:?}");
        }
        assert!(number::<u8>(c"256").is_err());
    }
}
