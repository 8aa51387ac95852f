//! An archive, entry by entry (tar(5)): ustar with the extensions of pax and of GNU tar. Nothing in it
//! is believed: what a header says of sizes is bounded, and what is missing is named. Where formats
//! leave a choice, it is read as Go's archive/tar does it, since that is what docker and umoci read
//! with: one archive must not be two things.

use crate::engine::entries::{self, shown};
use crate::engine::fields::{device, kind, metadata, number, signed_number, size};
use crate::engine::metadata::Metadata;
use crate::engine::pax;
use anyhow::{Context, Result, bail, ensure};
use console::failure::Failure;
use nix::sys::stat::SFlag;
use std::ffi::OsStr;
use std::io::{self, ErrorKind, Read};
use std::iter;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use tar::{GnuHeader, GnuSparseHeader, Header};

/// What a long name, all attributes of a file, or the list of its pieces may take: as for Go.
const MOST: u64 = 1 << 20;

const BLOCK: u64 = 512;

/// An archive that is read once, from its beginning to its end. Its bytes are those of the current
/// entry's content.
pub struct Archive<R> {
    input: R,
    /// How much of the current entry's content is still to be read.
    content: u64,
    /// And what follows it, up to the next block.
    padding: u64,
}

/// An entry.
#[derive(Debug)]
pub struct Entry {
    /// Its name, as it stands there.
    pub name: Vec<u8>,
    /// What it is; none for a hard link, which is what its target is.
    pub kind: Option<SFlag>,
    /// Where a link leads.
    pub target: Vec<u8>,
    /// The major and the minor number of a device.
    pub device: (u64, u64),
    /// All that a file has besides its content.
    pub metadata: Metadata,
    /// The size of a regular file, holes included.
    pub size: u64,
    /// Where in the file the content belongs, in order: what lies between is holes.
    pub pieces: Vec<Range<u64>>,
}

/// What comes before the header of an entry.
#[derive(Default)]
struct Extensions {
    records: Option<Vec<u8>>,
    name: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
}

impl AsRef<Path> for Entry {
    fn as_ref(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.name))
    }
}

impl<R: Read> Archive<R> {
    /// An archive that nothing of has been read.
    pub fn new(input: R) -> Archive<R> {
        Archive { input, content: 0, padding: 0 }
    }

    /// The next entry; none at the end. Its content is read from the archive; what is left of the
    /// last one's is passed over.
    ///
    /// # Errors
    /// If it cannot be read, or says what cannot be.
    pub fn next_entry(&mut self) -> Result<Option<Entry>> {
        self.read_entry().map_err(entries::damaged)
    }

    fn read_entry(&mut self) -> Result<Option<Entry>> {
        let mut extensions = Extensions::default();
        loop {
            self.pass_over()?;
            let Some(header) = self.header()? else {
                let Extensions { records: None, name: None, target: None } = extensions else {
                    bail!(ends("between an extended header and its entry"));
                };
                return Ok(None);
            };
            let place = match header.as_old().linkflag[0] {
                b'x' => &mut extensions.records,
                b'L' => &mut extensions.name,
                b'K' => &mut extensions.target,
                // About all that follows, and of no use: git notes a commit in it.
                b'g' => {
                    self.enter(size(&header)?);
                    continue;
                }
                _ => return self.entry(&header, extensions).map(Some),
            };
            ensure!(place.is_none(), "two extended headers say the same of one entry");
            let length = size(&header)?;
            ensure!(length <= MOST, "an extended header of more than {} MiB", MOST >> 20);
            self.enter(length);
            let mut data = Vec::new();
            self.read_to_end(&mut data).context("an extended header")?;
            *place = Some(data);
        }
    }

    /// Reads what comes after the last entry: it belongs to what a digest is taken of.
    pub fn finish(mut self) -> Result<()> {
        let end = io::copy(&mut self.input, &mut io::sink()).context("the end of the archive");
        end.map(drop).map_err(entries::damaged)
    }

    fn entry(&mut self, header: &Header, extensions: Extensions) -> Result<Entry> {
        let records = pax::records(extensions.records.as_deref().unwrap_or_default())?;
        let text = |key: &[u8]| {
            let mut values = records.iter().filter(|(has, value)| *has == key && !value.is_empty());
            values.next_back().map(|(_, value)| value.to_vec())
        };
        // A long name of GNU ends with a NUL byte.
        let until_nul = |text: Vec<u8>| text.split(|byte| *byte == 0).next().map(<[u8]>::to_vec);
        let name = text(b"GNU.sparse.name").or_else(|| text(b"path"));
        let name = extensions.name.and_then(until_nul).or(name);
        let name = name.unwrap_or_else(|| header.path_bytes().into_owned());
        let target = extensions.target.and_then(until_nul).or_else(|| text(b"linkpath"));
        let target = target.or_else(|| header.link_name_bytes().map(|name| name.into_owned()));

        let named = || shown(OsStr::from_bytes(&name));
        let kind = kind(header, &name).with_context(named)?;
        let metadata = metadata(header, &records).with_context(named)?;
        let device = match kind {
            Some(SFlag::S_IFCHR | SFlag::S_IFBLK) => device(header).with_context(named)?,
            _ => (0, 0),
        };
        let mut entry = Entry {
            name,
            kind,
            target: target.unwrap_or_default(),
            device,
            metadata,
            size: 0,
            pieces: vec![],
        };
        // Whatever the header of anything else says of a size: no content follows.
        if kind == Some(SFlag::S_IFREG) {
            let stored = text(b"size").map(|size| pax::number(&size));
            let stored = stored.unwrap_or_else(|| size(header));
            let sparse = stored.and_then(|stored| self.pieces(header, &records, stored));
            (entry.size, entry.pieces) = sparse.with_context(|| shown(&entry))?;
        }
        Ok(entry)
    }

    /// The size of a file and the pieces that are stored of it. Up to here nothing of `stored`, the
    /// size of its content in the archive, is read; afterwards all but the pieces is.
    fn pieces(
        &mut self,
        header: &Header,
        records: &[pax::Record],
        stored: u64,
    ) -> Result<(u64, Vec<Range<u64>>)> {
        let last = |key: &[u8]| records.iter().rev().find(|(has, _)| *has == key).map(|r| r.1);
        let (size, numbers) = if header.as_old().linkflag[0] == b'S' {
            let gnu = header.as_gnu().context("a sparse file without GNU tar's header")?;
            let numbers = self.gnu_map(gnu)?;
            self.enter(stored);
            (number(&gnu.realsize)?, numbers)
        } else if last(b"GNU.sparse.major") == Some(b"1") {
            self.enter(stored);
            let size = pax::number(last(b"GNU.sparse.realsize").context("a size is missing")?)?;
            (size, self.map_in_content()?)
        } else if let Some(size) = last(b"GNU.sparse.size") {
            self.enter(stored);
            let numbers: Result<Vec<u64>> = match last(b"GNU.sparse.map") {
                Some(map) => map.split(|byte| *byte == b',').map(pax::number).collect(),
                None => {
                    let keys: [&[u8]; 2] = [b"GNU.sparse.offset", b"GNU.sparse.numbytes"];
                    let numbers = records.iter().filter(|(key, _)| keys.contains(key));
                    numbers.map(|(_, value)| pax::number(value)).collect()
                }
            };
            (pax::number(size)?, numbers.context("the pieces of a sparse file")?)
        } else {
            self.enter(stored);
            return Ok((stored, iter::once(0..stored).collect()));
        };
        let mut pieces: Vec<Range<u64>> = Vec::new();
        for pair in numbers.chunks(2) {
            let &[start, length] = pair else { bail!("a piece of a sparse file has no length") };
            let end = start.checked_add(length).context("a piece behind all ends")?;
            let before = pieces.last().map_or(0, |piece| piece.end);
            ensure!(before <= start && end <= size, "the pieces of a sparse file overlap");
            pieces.push(start..end);
        }
        let all: u64 = pieces.iter().map(|piece| piece.end - piece.start).sum();
        ensure!(all == self.content, "the pieces of a sparse file are not its content");
        Ok((size, pieces))
    }

    /// The offsets and lengths in the header and in the blocks after it.
    fn gnu_map(&mut self, gnu: &GnuHeader) -> Result<Vec<u64>> {
        let mut numbers = Vec::new();
        let mut add = |pieces: &[GnuSparseHeader]| -> Result<()> {
            for piece in pieces.iter().take_while(|piece| piece.offset[0] != 0) {
                numbers.extend([number(&piece.offset)?, number(&piece.numbytes)?]);
            }
            ensure!(numbers.len() as u64 <= MOST / 12, "a file of too many pieces");
            Ok(())
        };
        add(&gnu.sparse)?;
        let mut more = gnu.isextended[0] != 0;
        while more {
            let mut block = tar::GnuExtSparseHeader::new();
            let whole = fill(&mut self.input, block.as_mut_bytes())? as u64 == BLOCK;
            ensure!(whole, ends("among the pieces of a sparse file"));
            add(block.sparse())?;
            more = block.isextended[0] != 0;
        }
        Ok(numbers)
    }

    /// The same as lines of digits before the content, how many pieces there are in the first one.
    fn map_in_content(&mut self) -> Result<Vec<u64>> {
        let mut text = Vec::new();
        loop {
            let mut block = [0; BLOCK as usize];
            self.read_exact(&mut block).context("the pieces of a sparse file")?;
            text.extend(block);
            ensure!(text.len() as u64 <= MOST, "a file of too many pieces");
            // Not before its newline is a number whole.
            let Some(end) = text.iter().rposition(|byte| *byte == b'\n') else { continue };
            let mut lines = text[..end].split(|byte| *byte == b'\n');
            let pieces = pax::number(lines.next().unwrap_or_default())?;
            ensure!(pieces <= MOST, "a file of too many pieces");
            let numbers: Vec<&[u8]> = lines.take(2 * pieces as usize).collect();
            if numbers.len() as u64 == 2 * pieces {
                return numbers.into_iter().map(pax::number).collect();
            }
        }
    }

    /// A header, if it is not the end.
    fn header(&mut self) -> Result<Option<Header>> {
        let mut header = Header::new_old();
        match fill(&mut self.input, header.as_mut_bytes())? as u64 {
            // Some leave out the two empty blocks that mark the end.
            0 => return Ok(None),
            BLOCK if is_empty(&header) => {
                // Two mark the end. Behind a single one, nothing must be lost unseen.
                fill(&mut self.input, header.as_mut_bytes())?;
                ensure!(is_empty(&header), in_the_middle());
                return Ok(None);
            }
            BLOCK => {}
            _ => bail!(ends("in the middle of a header")),
        }
        let mut bytes = *header.as_bytes();
        // The sum is taken as if its own field were blank.
        bytes[148..156].fill(b' ');
        let sum: u64 = bytes.iter().copied().map(u64::from).sum();
        let signed: i64 = bytes.iter().map(|byte| i64::from(*byte as i8)).sum();
        let told = signed_number(&header.as_old().cksum).ok();
        if told != i64::try_from(sum).ok() && told != Some(signed) {
            let failure = Failure::new("this is no archive, or a damaged one");
            return Err(failure.remedy("fetch it, or make it, anew, with tar(1)").into());
        }
        Ok(Some(header))
    }

    /// Content of that size comes next.
    fn enter(&mut self, size: u64) {
        self.content = size;
        self.padding = (BLOCK - size % BLOCK) % BLOCK;
    }

    fn pass_over(&mut self) -> Result<()> {
        io::copy(self, &mut io::sink()).context("the rest of an entry")?;
        let mut padding = vec![0; self.padding as usize];
        self.padding = 0;
        let whole = fill(&mut self.input, &mut padding)? == padding.len();
        ensure!(whole, ends("after the content of an entry"));
        Ok(())
    }
}

impl<R: Read> Read for Archive<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.content).unwrap_or(usize::MAX).min(buffer.len());
        let length = self.input.read(&mut buffer[..most])?;
        if length == 0 && most > 0 {
            return Err(io::Error::new(ErrorKind::UnexpectedEof, "it ends in the middle"));
        }
        self.content -= length as u64;
        Ok(length)
    }
}

fn ends(place: &str) -> anyhow::Error {
    let failure = Failure::new(format!("the archive ends {place}"));
    failure.remedy("fetch it, or make it, anew").into()
}

fn is_empty(header: &Header) -> bool {
    header.as_bytes().iter().all(|byte| *byte == 0)
}

fn in_the_middle() -> Failure {
    let failure = Failure::new("an empty block in the middle of the archive");
    failure.remedy("fetch it, or make it, anew")
}

/// Reads until the buffer is full, or there is no more.
fn fill(input: &mut impl Read, buffer: &mut [u8]) -> Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match input.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error).context("read the archive"),
        }
    }
    Ok(length)
}
