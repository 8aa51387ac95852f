//! What the extended headers of an entry say (pax, "pax Extended Header"). Each record begins with its
//! length, and so may have any byte in it. The library ends one at the first newline instead, which
//! names and attributes may well contain.

use anyhow::{Context, Result, ensure};
use tar::{EntryType, Header};

const BLOCK: usize = 512;

/// The records, in their order.
#[derive(Debug, Default)]
pub struct Extensions(Vec<(Vec<u8>, Vec<u8>)>);

impl Extensions {
    /// Those in the headers of one entry, which were read from the archive's byte `start` on: the rest
    /// of the block in which the entry before it ended comes first.
    pub fn read(headers: &[u8], start: u64) -> Result<Extensions> {
        let mut extensions = Extensions::default();
        let mut ahead = headers;
        skip(&mut ahead, (start as usize).wrapping_neg() % BLOCK);
        let (mut long_name, mut long_target) = (false, false);
        while ahead.len() >= BLOCK {
            let header = Header::from_byte_slice(&ahead[..BLOCK]);
            let kind = header.entry_type();
            if !matches!(kind, EntryType::XHeader | EntryType::GNULongName | EntryType::GNULongLink)
            {
                break;
            }
            let size = usize::try_from(header.entry_size()?).context("a size")?;
            skip(&mut ahead, BLOCK);
            match kind {
                EntryType::XHeader => extensions.records(&ahead[..size.min(ahead.len())])?,
                EntryType::GNULongName => long_name = true,
                _ => long_target = true,
            }
            skip(&mut ahead, size.div_ceil(BLOCK).saturating_mul(BLOCK));
        }
        // Where an entry has a name in both forms, GNU's counts, as for everybody else.
        extensions
            .0
            .retain(|(key, _)| !(long_name && key == b"path" || long_target && key == b"linkpath"));
        Ok(extensions)
    }

    /// `27 path=a name, and so on\n`
    fn records(&mut self, mut text: &[u8]) -> Result<()> {
        while !text.is_empty() {
            let damaged = "an extended header is damaged";
            let space = text.iter().position(|byte| *byte == b' ').context(damaged)?;
            let length = std::str::from_utf8(&text[..space]).context(damaged)?;
            let length: usize = length.parse().context(damaged)?;
            ensure!(space + 1 < length && length <= text.len(), damaged);
            ensure!(text[length - 1] == b'\n', damaged);
            let record = &text[space + 1..length - 1];
            let equals = record.iter().position(|byte| *byte == b'=').context(damaged)?;
            self.0.push((record[..equals].into(), record[equals + 1..].into()));
            skip(&mut text, length);
        }
        Ok(())
    }

    /// The last one of this key, unless it is empty: that says that there is none.
    pub fn get(&self, key: &str) -> Option<&[u8]> {
        let last = self.0.iter().rev().find(|(known, _)| known == key.as_bytes());
        last.map(|(_, value)| &**value).filter(|value| !value.is_empty())
    }

    /// A number.
    pub fn number(&self, key: &str) -> Result<Option<u64>> {
        let parse = |value: &[u8]| std::str::from_utf8(value).ok()?.parse().ok();
        self.get(key)
            .map(|value| parse(value).with_context(|| format!("{key} of an entry")))
            .transpose()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().map(|(key, value)| (&**key, &**value))
    }
}

fn skip(bytes: &mut &[u8], count: usize) {
    *bytes = &bytes[count.min(bytes.len())..];
}
