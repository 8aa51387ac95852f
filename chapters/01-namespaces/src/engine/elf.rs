//! What an ELF header (elf(5)) says of a program's start: the loader (PT_INTERP), the libraries
//! (DT_NEEDED) and where they may lie (DT_RPATH, DT_RUNPATH). Nothing is run to find out: `ldd` would run the loader.

use std::env::consts::ARCH;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use object::elf::{self, FileHeader64};
use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use object::read::{ReadCache, StringTable};
use object::{Endianness, U64};

/// The part of an ELF header that the loader acts on.
#[derive(Debug, Default)]
pub(crate) struct Elf {
    pub(crate) interpreter: Option<PathBuf>,
    pub(crate) needed: Vec<String>,
    pub(crate) rpath: Vec<String>,
    pub(crate) runpath: Vec<String>,
}

impl Elf {
    /// Reads the headers of `path`; anything but a 64-bit ELF file for this machine is an error.
    pub(crate) fn read(path: &Path) -> Result<Elf> {
        // Opening a fifo would wait for its writer.
        ensure!(fs::metadata(path)?.is_file(), "not a regular file");
        let data = &ReadCache::new(File::open(path)?);
        let header = FileHeader64::<Endianness>::parse(data).context("not a 64-bit ELF file")?;
        let endian = header.endian()?;
        let machine = header.e_machine(endian);
        let ours = if ARCH == "aarch64" { elf::EM_AARCH64 } else { elf::EM_X86_64 };
        ensure!(machine == ours, "made for another machine ({machine:?})");

        let segments = header.program_headers(endian, data)?;
        let mut found = Elf::default();
        let mut dynamic: &[elf::Dyn64<Endianness>] = &[];
        for segment in segments {
            if let Some(path) = segment.interpreter(endian, data)? {
                found.interpreter = Some(PathBuf::from(std::str::from_utf8(path)?));
            }
            dynamic = segment.dynamic(endian, data)?.unwrap_or(dynamic);
        }
        // The loader reads segments, never sections, which may have been stripped.
        let value = |tag| {
            dynamic.iter().find(|entry| entry.tag(endian) == tag).map(|entry| entry.val(endian))
        };
        let Some(address) = value(elf::DT_STRTAB) else {
            return Ok(found);
        };
        let size = value(elf::DT_STRSZ).context("DT_STRTAB without DT_STRSZ")?;
        let start = segments
            .iter()
            .filter(|segment| segment.p_type(endian) == elf::PT_LOAD)
            .find_map(|load| offset_in(load.p_vaddr, load.p_filesz, load.p_offset, endian, address))
            .context("DT_STRTAB points outside the file")?;
        let strings = StringTable::new(data, start, start.saturating_add(size));
        for entry in dynamic.iter().take_while(|entry| entry.tag(endian) != elf::DT_NULL) {
            let list = match entry.tag(endian) {
                elf::DT_NEEDED => &mut found.needed,
                elf::DT_RPATH => &mut found.rpath,
                elf::DT_RUNPATH => &mut found.runpath,
                _ => continue,
            };
            let text = std::str::from_utf8(entry.string(endian, strings)?)?;
            if entry.tag(endian) == elf::DT_NEEDED {
                list.push(text.to_owned());
            } else {
                list.extend(
                    text.split(':').filter(|path| path.starts_with(['/', '$'])).map(str::to_owned),
                );
            }
        }
        Ok(found)
    }

    /// Whether the program looks for libraries beside itself, so that it must stay where it is.
    pub(crate) fn looks_beside_itself(&self) -> bool {
        let words = |path: &String| path.contains("$ORIGIN") || path.contains("${ORIGIN}");
        self.rpath.iter().chain(&self.runpath).any(words)
    }
}

/// Where in the file the byte lies that will be at `address` in memory, if this segment holds it.
fn offset_in(
    base: U64<Endianness>,
    size: U64<Endianness>,
    offset: U64<Endianness>,
    endian: Endianness,
    address: u64,
) -> Option<u64> {
    let within = address.checked_sub(base.get(endian))?;
    (within < size.get(endian)).then(|| offset.get(endian).saturating_add(within))
}
