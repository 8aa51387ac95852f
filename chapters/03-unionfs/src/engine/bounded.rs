//! An archive whose headers may take only so much: the library reads a long name as a whole into
//! memory, and an archive may say that it is as long as the disk is large.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// More than any name and all attributes of a file take.
const MOST: u64 = 1 << 20;

/// A reader with a limit that can be lifted.
pub struct Bounded<R> {
    inner: R,
    left: Limit,
}

/// How much may be read until it is set anew.
#[derive(Clone)]
pub struct Limit(Rc<Cell<u64>>);

impl<R> Bounded<R> {
    /// Without a limit at first.
    pub fn new(inner: R) -> (Bounded<R>, Limit) {
        let left = Limit(Rc::new(Cell::new(u64::MAX)));
        (Bounded { inner, left: left.clone() }, left)
    }
}

impl Limit {
    /// What comes next are headers.
    pub fn headers(&self) {
        self.0.set(MOST);
    }

    /// What comes next is content.
    pub fn content(&self) {
        self.0.set(u64::MAX);
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Limit(left) = &self.left;
        if left.get() == 0 {
            let words = format!("the headers of an entry take more than {} MiB", MOST >> 20);
            return Err(io::Error::new(io::ErrorKind::InvalidData, words));
        }
        let most = usize::try_from(left.get()).unwrap_or(usize::MAX).min(buffer.len());
        let length = self.inner.read(&mut buffer[..most])?;
        left.set(left.get() - length as u64);
        Ok(length)
    }
}
