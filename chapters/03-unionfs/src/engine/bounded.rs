//! An archive whose headers may take only so much: the library reads a long name as a whole into
//! memory, and an archive may say that it is as long as the disk is large. What they take is written
//! down meanwhile, for [`crate::engine::extensions`].

use crate::engine::extensions::Extensions;
use anyhow::Result;
use std::cell::RefCell;
use std::io::{self, Read};
use std::rc::Rc;

/// More than any name and all attributes of a file take.
const MOST: usize = 1 << 20;

/// A reader with a limit that can be lifted.
pub struct Bounded<R> {
    inner: R,
    limit: Limit,
}

/// How much may be read until it is set anew.
#[derive(Clone, Default)]
pub struct Limit(Rc<RefCell<Reading>>);

#[derive(Default)]
struct Reading {
    /// All bytes so far.
    position: u64,
    are_headers: bool,
    /// Where the headers began, and they themselves.
    start: u64,
    headers: Vec<u8>,
}

impl<R> Bounded<R> {
    /// Without a limit at first.
    pub fn new(inner: R) -> (Bounded<R>, Limit) {
        let limit = Limit::default();
        (Bounded { inner, limit: limit.clone() }, limit)
    }
}

impl Limit {
    /// What comes next are headers.
    pub fn headers(&self) {
        let mut reading = self.0.borrow_mut();
        reading.are_headers = true;
        reading.start = reading.position;
        reading.headers.clear();
    }

    /// What comes next is content; what came were the headers of its entry.
    pub fn content(&self) -> Result<Extensions> {
        let mut reading = self.0.borrow_mut();
        reading.are_headers = false;
        Extensions::read(&reading.headers, reading.start)
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let reading = &mut *self.limit.0.borrow_mut();
        let mut most = buffer.len();
        if reading.are_headers {
            most = most.min(MOST - reading.headers.len());
            if most == 0 {
                let words = format!("the headers of an entry take more than {} MiB", MOST >> 20);
                return Err(io::Error::new(io::ErrorKind::InvalidData, words));
            }
        }
        let length = self.inner.read(&mut buffer[..most])?;
        reading.position += length as u64;
        if reading.are_headers {
            reading.headers.extend_from_slice(&buffer[..length]);
        }
        Ok(length)
    }
}
