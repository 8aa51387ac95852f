//! Names made of content: `sha256:` and 64 hexadecimal digits (image-spec, "Digests"). Whoever has
//! the name can tell whether the content is the one that was meant.

use anyhow::Result;
use console::failure::Failure;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::io::{self, Read, Write};
use std::ops::Deref;

/// The one algorithm that everybody knows.
const ALGORITHM: &str = "sha256:";

const DIGITS: [u8; 16] = *b"0123456789abcdef";

/// How many digits of an id are shown.
const SHORT: usize = 12;

/// A digest that is one by its form, so that its digits are fit for a file name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Digest(String);

impl Digest {
    /// The digest of this content.
    pub fn of(content: impl AsRef<[u8]>) -> Digest {
        Digest::finished(Sha256::new_with_prefix(content))
    }

    /// The digest that a text is; none if it is not the whole of one.
    pub fn parse(text: &str) -> Option<Digest> {
        is_hex(text.strip_prefix(ALGORITHM)?, 64).then(|| Digest(text.into()))
    }

    /// The digest with these 64 digits.
    pub fn of_hex(digits: &str) -> Option<Digest> {
        is_hex(digits, 64).then(|| Digest(format!("{ALGORITHM}{digits}")))
    }

    /// Its digits alone.
    pub fn hex(&self) -> &str {
        &self.0[ALGORITHM.len()..]
    }

    /// As many digits as people are shown.
    pub fn short(&self) -> &str {
        &self.hex()[..SHORT]
    }

    fn finished(hasher: Sha256) -> Digest {
        let digits = hasher.finalize().into_iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let digits = digits.map(|digit| char::from(DIGITS[usize::from(digit)]));
        Digest(ALGORITHM.chars().chain(digits).collect())
    }
}

/// Whether a text is the beginning of an id, or all of it.
pub fn is_prefix(text: &str) -> bool {
    (1..=64).contains(&text.len()) && is_hex(text, text.len())
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

impl Deref for Digest {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Digest {
    type Error = Failure;

    fn try_from(text: String) -> Result<Digest, Failure> {
        Digest::parse(&text).ok_or_else(|| {
            let shown: String = text.chars().take(80).collect();
            Failure::new(format!("{shown:?} is no digest of the form sha256:DIGITS"))
        })
    }
}

/// A reader or writer that digests and counts what passes through it.
pub struct Digesting<T> {
    inner: T,
    hasher: Sha256,
    count: u64,
}

impl<T> Digesting<T> {
    /// Around another one.
    pub fn new(inner: T) -> Digesting<T> {
        Digesting { inner, hasher: Sha256::new(), count: 0 }
    }

    /// The digest of what has passed, how many bytes that were, and the other one.
    pub fn finish(self) -> (Digest, u64, T) {
        (Digest::finished(self.hasher), self.count, self.inner)
    }

    fn note(&mut self, passed: &[u8]) {
        self.hasher.update(passed);
        self.count += passed.len() as u64;
    }
}

impl<T: Read> Read for Digesting<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.note(&buffer[..length]);
        Ok(length)
    }
}

impl<T: Write> Write for Digesting<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.inner.write(bytes)?;
        self.note(&bytes[..length]);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_has_one_form() {
        let of_nothing = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(&*Digest::of(""), of_nothing);
        assert_eq!(Digest::parse(of_nothing), Some(Digest::of("")));
        assert_eq!(Digest::of("").short(), "e3b0c44298fc");
        let bad = ["", "sha256:", "sha256:../../../etc/passwd", "sha512:00", &of_nothing[7..]];
        assert!(bad.iter().all(|text| Digest::parse(text).is_none()));
        assert!(Digest::parse(&of_nothing.to_uppercase().replace("SHA", "sha")).is_none());
        assert!(serde_json::from_str::<Digest>("\"sha256:0\"").is_err());
    }

    #[test]
    fn what_passes_is_digested() {
        let mut reader = Digesting::new(&b"abc"[..]);
        io::copy(&mut reader, &mut io::sink()).unwrap();
        let (digest, count, _) = reader.finish();
        assert_eq!((digest, count), (Digest::of("abc"), 3));
    }
}
