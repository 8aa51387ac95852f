//! What a container lies on: an image of the store, the lab, or a directory. None of them is written to.

use crate::engine::assemble;
use crate::engine::image::Settings;
use crate::engine::layout::{self, Image};
use crate::engine::stack::{Directory, Found, kind};
use crate::engine::store::{Hold, Store};
use crate::whiteout::Spelling;
use anyhow::{Context, Result};
use console::failure::Failure;
use namespaces::engine::labroot::Lab;
use namespaces::engine::roots;
use namespaces::engine::run::{Defaults, c_string};
use nix::sys::stat::SFlag;
use std::cell::RefCell;
use std::ffi::{CString, OsStr};
use std::fs::File;
use std::path::{Path, PathBuf};

/// What a container lies on.
#[derive(Default)]
pub struct Base {
    /// As it was asked for.
    pub name: String,
    /// The image's id.
    pub image: Option<String>,
    /// The chain ids of its layers, the lowest first.
    pub layers: Vec<String>,
    /// A directory instead.
    pub directory: Option<PathBuf>,
    settings: Settings,
    /// `clean` leaves a lab that is held.
    _lab: Option<Lab>,
}

impl Base {
    /// Finds it. As long as the hold is there, nobody removes the image.
    pub fn find(store: &Store, root: &OsStr, plan_only: bool) -> Result<(Base, Option<Hold>)> {
        let name = root.to_string_lossy().into_owned();
        if root == "lab" || roots::is_path(root) {
            let data = (root == "lab").then_some(store.root.as_path());
            let (opened, lab) = roots::open(root, data)?;
            // Mounted by its name later: one that does not begin somewhere else then.
            let directory = std::path::absolute(&opened.path);
            let directory = directory.with_context(|| opened.path.display().to_string())?;
            let base = Base { name, directory: Some(directory), _lab: lab, ..Base::default() };
            return Ok((base, None));
        }
        // Nothing is to be made for a plan, not even a lock.
        let hold = (!plan_only).then(|| store.lock_shared()).transpose()?;
        let image = store.layout().find(&name)?.ok_or_else(|| layout::missing_to_run(&name))?;
        let layers = match plan_only {
            true => image.chain_ids(),
            false => assemble::ensure_layers(store, &image)?,
        };
        if layers.is_empty() {
            let failure = Failure::new(format!("the image {name} has no layer"));
            return Err(failure.remedy("there is nothing in it to run").into());
        }
        let Image { id, config, .. } = image;
        let image = Some(id.to_string());
        let settings = config.config;
        Ok((Base { name, image, layers, settings, ..Base::default() }, hold))
    }

    /// The directories of its layers, the uppermost first. For a plan, those that there are.
    pub fn lower(&self, store: &Store, plan_only: bool) -> Result<Vec<PathBuf>> {
        if let Some(directory) = &self.directory {
            return Ok(vec![directory.clone()]);
        }
        let layers = store.layers();
        // All are there, unless it is for a plan.
        let there = self.layers.iter().rev().filter(|layer| !plan_only || layers.has(layer));
        Ok(there.map(|layer| layers.directory(layer)).collect())
    }

    /// What an image says about the commands in it.
    pub fn defaults(&self) -> Defaults {
        let words = |words: &Option<Vec<String>>| -> Vec<CString> {
            words.iter().flatten().map(|word| c_string(OsStr::new(word))).collect()
        };
        let text = |text: &String| (!text.is_empty()).then(|| text.clone());
        Defaults {
            entrypoint: words(&self.settings.entrypoint),
            command: words(&self.settings.cmd),
            environment: self.settings.env.iter().map(Into::into).collect(),
            directory: text(&self.settings.working_dir).map(|text| c_string(OsStr::new(&text))),
            user: text(&self.settings.user),
        }
    }
}

/// Files of a root that is not mounted yet, every link resolved as the container will see it.
pub struct Files<'a> {
    layers: &'a [PathBuf],
    spelling: Spelling,
    /// The last directory that was asked for. To find one again costs calls for each of its layers,
    /// of which there may be hundreds; passwd and group are in the same one.
    last: RefCell<Option<(PathBuf, Directory)>>,
}

impl Files<'_> {
    /// Those of the union of these directories, the uppermost first.
    pub fn of(layers: &[PathBuf], spelling: Spelling) -> Files<'_> {
        Files { layers, spelling, last: RefCell::default() }
    }

    /// Opens one for reading; none if there is none.
    pub fn open(&self, path: &Path) -> Result<Option<File>> {
        match self.look_up(path)? {
            Some(Found::File(file)) if kind(&file.stat) == SFlag::S_IFREG => Ok(Some(file.read()?)),
            Some(_) => {
                let failure = Failure::new("not a regular file");
                Err(failure.remedy("replace it in the root by a file, or remove it").into())
            }
            None => Ok(None),
        }
    }

    fn look_up(&self, path: &Path) -> Result<Option<Found>> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return self.look_up_from_root(path);
        };
        let mut last = self.last.borrow_mut();
        if last.as_ref().is_none_or(|(known, _)| known != parent) {
            *last = match self.find_directory(parent)? {
                Some(Found::Directory(directory)) => Some((parent.into(), directory)),
                None => return Ok(None),
                // In the way, or a link: from the root it leads on, or the whole path says what is wrong.
                Some(Found::File(_)) => return self.look_up_from_root(path),
            };
        }
        let found = last.as_ref().map(|(_, directory)| directory.find(name)).transpose()?.flatten();
        match found {
            // It leads on from the root.
            Some(Found::File(link)) if kind(&link.stat) == SFlag::S_IFLNK => {
                self.look_up_from_root(path)
            }
            found => Ok(found),
        }
    }

    fn find_directory(&self, path: &Path) -> Result<Option<Found>> {
        let mut names = path.iter().skip_while(|name| *name == "/");
        match (names.next(), names.next()) {
            (Some(name), None) if name != ".." => {
                Directory::find_in_root(self.layers, name, self.spelling)
            }
            _ => self.look_up_from_root(path),
        }
    }

    fn look_up_from_root(&self, path: &Path) -> Result<Option<Found>> {
        Directory::root(self.layers, self.spelling)?.look_up(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn files_are_found_as_from_the_root() {
        let dir = tempfile::tempdir().unwrap();
        let [upper, lower] = ["upper", "lower"].map(|name| dir.path().join(name));
        fs::create_dir_all(upper.join("etc")).unwrap();
        fs::create_dir_all(lower.join("usr/etc")).unwrap();
        fs::create_dir_all(lower.join("etc")).unwrap();
        fs::write(upper.join("etc/passwd"), "upper").unwrap();
        fs::write(lower.join("etc/passwd"), "lower").unwrap();
        fs::write(lower.join("usr/etc/group"), "linked").unwrap();
        fs::write(lower.join("in-the-way"), "").unwrap();
        symlink("/usr/etc/group", lower.join("etc/group")).unwrap();
        symlink("usr/etc", lower.join("moved")).unwrap();
        let layers = [upper, lower];
        let files = Files::of(&layers, Spelling::User);
        let text = |path: &str| {
            let file = files.open(Path::new(path)).unwrap();
            file.map(|file| std::io::read_to_string(file).unwrap())
        };
        for _ in 0..2 {
            assert_eq!(text("/etc/passwd").as_deref(), Some("upper"));
            assert_eq!(text("/etc/group").as_deref(), Some("linked"));
            assert_eq!(text("/moved/group").as_deref(), Some("linked"));
            assert_eq!(text("/etc/none"), None);
            assert_eq!(text("/none/passwd"), None);
        }
        assert!(files.open(Path::new("/in-the-way/passwd")).is_err());
        assert!(files.open(Path::new("/usr/etc")).is_err());
    }
}
