//! Kernel modules in the order in which they can be loaded. A package that was unpacked and not installed has no
//! `modules.dep`: what depmod(8) writes there is read from the modules themselves, which name what
//! they need in their section `.modinfo` (`depends=virtio,virtio_ring`).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use object::Endianness;
use object::read::elf::ElfFile64;
use object::{Object, ObjectSection};

/// The modules of one kernel, by name.
pub struct Modules {
    files: BTreeMap<String, PathBuf>,
}

/// A module that is read and can be loaded.
pub struct Module {
    /// Its file's name, without what says how it is compressed.
    pub file: String,
    /// Decompressed.
    pub content: Vec<u8>,
}

impl Modules {
    /// Looks for modules below a directory: /lib/modules/VERSION.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub fn below(directory: &Path) -> Result<Modules> {
        let mut modules = Modules { files: BTreeMap::new() };
        modules.search(&directory.join("kernel"))?;
        Ok(modules)
    }

    /// No modules: a kernel that has everything built in.
    pub fn none() -> Modules {
        Modules { files: BTreeMap::new() }
    }

    /// These modules, each after those that it needs. One that is not there is built in, or the
    /// kernel has none: which of the two, shows when it is used.
    ///
    /// # Errors
    /// If a file is no module, or a program that decompresses it is missing.
    pub fn with_dependencies(&self, names: &[&str]) -> Result<Vec<Module>> {
        let mut order = Vec::new();
        let mut seen = BTreeSet::new();
        for name in names {
            self.add(name, &mut seen, &mut order)?;
        }
        Ok(order)
    }

    fn add(&self, name: &str, seen: &mut BTreeSet<String>, order: &mut Vec<Module>) -> Result<()> {
        let name = name.replace('-', "_");
        let Some(path) = self.files.get(&name) else { return Ok(()) };
        if !seen.insert(name) {
            return Ok(());
        }
        let content = read(path).with_context(|| format!("read {}", path.display()))?;
        for needed in depends(&content).with_context(|| format!("read {}", path.display()))? {
            self.add(&needed, seen, order)?;
        }
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let file = format!("{}.ko", file.split(".ko").next().unwrap_or_default());
        order.push(Module { file, content });
        Ok(())
    }

    fn search(&mut self, directory: &Path) -> Result<()> {
        let entries = fs::read_dir(directory)
            .with_context(|| format!("read the modules in {}", directory.display()))?;
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type()?.is_dir() {
                self.search(&entry.path())?;
            } else if let Some((name, _)) = name.split_once(".ko") {
                // The kernel writes `-` and `_` as it likes, and means the same.
                self.files.insert(name.replace('-', "_"), entry.path());
            }
        }
        Ok(())
    }
}

/// The module's bytes; some distributions compress them.
fn read(path: &Path) -> Result<Vec<u8>> {
    let program = match path.extension().and_then(|extension| extension.to_str()) {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        Some("gz") => "gzip",
        _ => return Ok(fs::read(path)?),
    };
    let output = Command::new(program).arg("-dc").arg(path).output();
    let output = output.with_context(|| format!("{program} is needed to decompress it"))?;
    ensure!(output.status.success(), "{program} -dc: {}", output.status);
    Ok(output.stdout)
}

/// The names after `depends=`.
fn depends(module: &[u8]) -> Result<Vec<String>> {
    let elf = ElfFile64::<Endianness>::parse(module).context("not a 64-bit ELF file")?;
    let section = elf.section_by_name(".modinfo").context("no section .modinfo: not a module")?;
    let list = section
        .data()?
        .split(|byte| *byte == 0)
        .find_map(|field| field.strip_prefix(b"depends="))
        .unwrap_or_default();
    let names = String::from_utf8_lossy(list);
    Ok(names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_module_is_refused_and_what_is_not_there_is_not() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("kernel")).unwrap();
        fs::write(directory.path().join("kernel/virtio-rng.ko"), "no module").unwrap();
        let modules = Modules::below(directory.path()).unwrap();
        assert!(modules.with_dependencies(&["virtio_rng"]).is_err());
        assert!(modules.with_dependencies(&["overlay"]).unwrap().is_empty());
    }
}
