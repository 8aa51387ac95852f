//! A layer that is not in the store yet: its blob in an ingest directory, the same unpacked beside
//! the layers. Both are made in one pass where that is possible.

use crate::engine::assemble::{self, Compression};
use crate::engine::blob::{NewBlob, Written};
use crate::engine::digest::{Digest, Digesting};
use crate::engine::scratch::Scratch;
use crate::engine::store::Store;
use anyhow::{Context, Result};
use console::failure::Failure;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use std::fs::File;
use std::io::{self, Cursor, Read, Write};
use std::path::PathBuf;

/// The layer.
pub struct NewLayer {
    /// The archive, compressed.
    pub blob: Written,
    /// The digest of the archive before that.
    pub diff_id: Digest,
    /// The same unpacked.
    pub partial: Scratch,
    /// When the last of its files was changed, in seconds since 1970.
    pub newest: Option<i64>,
}

impl NewLayer {
    /// From an archive. One in gzip is kept as it came, so that it keeps the digest that whoever
    /// made it knows.
    pub fn from_archive(store: &Store, to: PathBuf, mut input: impl Read) -> Result<NewLayer> {
        let mut first = Vec::new();
        input.by_ref().take(6).read_to_end(&mut first).context("read the archive")?;
        if first.is_empty() {
            let failure = Failure::new("there is nothing in it");
            return Err(failure.remedy("give an archive that tar(1) has made").into());
        }
        let compression =
            Compression::of(&first, |program| format!("{program} -dc FILE | import - NAME"))?;
        let input = Cursor::new(first).chain(input);
        let blob = NewBlob::create(to)?;
        let (unpacked, blob) = match compression {
            Compression::Gzip => {
                let mut input = Tee::new(input, blob);
                let archive = MultiGzDecoder::new(&mut input);
                let unpacked = assemble::unpack_archive(store, archive, &[]);
                let blob = input.finish()?;
                (unpacked?, blob)
            }
            Compression::Plain => {
                let mut input = Tee::new(input, compressed(blob));
                let unpacked = assemble::unpack_archive(store, &mut input, &[]);
                let blob = input.finish()?;
                (unpacked?, blob.finish().context("write the blob")?)
            }
        };
        let assemble::Layer { partial, diff_id, newest } = unpacked;
        Ok(NewLayer { blob: blob.finish()?, diff_id, partial, newest })
    }

    /// From what `pack` writes; then it is unpacked on top of the directories below, the uppermost
    /// first, which shows that it can be.
    pub fn packed(
        store: &Store,
        to: PathBuf,
        below: &[PathBuf],
        pack: impl FnOnce(&mut dyn Write) -> Result<()>,
    ) -> Result<NewLayer> {
        let mut out = Digesting::new(compressed(NewBlob::create(to)?));
        pack(&mut out)?;
        let (diff_id, _, out) = out.finish();
        let blob = out.finish().context("write the blob")?.finish()?;
        let archive = MultiGzDecoder::new(File::open(&blob.path)?);
        let assemble::Layer { partial, newest, .. } =
            assemble::unpack_archive(store, archive, below)?;
        Ok(NewLayer { blob, diff_id, partial, newest })
    }
}

/// In gzip, without a time or a name in it: the same content gives the same bytes.
fn compressed(blob: NewBlob) -> GzEncoder<NewBlob> {
    GzEncoder::new(blob, flate2::Compression::default())
}

/// A reader that writes down all that it reads.
struct Tee<R, W> {
    input: R,
    out: W,
    /// Why it could not be written down. Whoever reads here may not pass that on.
    failed: Option<io::Error>,
}

impl<R: Read, W: Write> Tee<R, W> {
    fn new(input: R, out: W) -> Tee<R, W> {
        Tee { input, out, failed: None }
    }

    fn finish(self) -> Result<W> {
        match self.failed {
            Some(error) => Err(error).context("write the blob"),
            None => Ok(self.out),
        }
    }
}

impl<R: Read, W: Write> Read for Tee<R, W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.input.read(buffer)?;
        self.out.write_all(&buffer[..length]).map_err(|error| {
            let same = io::Error::from(error.kind());
            self.failed.get_or_insert(error);
            same
        })?;
        Ok(length)
    }
}
