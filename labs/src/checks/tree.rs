//! All that can be said about the files below a directory, so that two of them, or the same at two times, can be compared.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

/// What is said of each path below it, the directory itself as the empty one.
pub(crate) type Tree = BTreeMap<PathBuf, String>;

/// Everything below a directory, but for these names in it.
pub(crate) fn tree(directory: &Path, but: &[&str]) -> io::Result<Tree> {
    let mut walk = Walk { directory, names: HashMap::new(), found: Tree::new() };
    walk.path(Path::new(""), but)?;
    Ok(walk.found)
}

/// The first path that is not the same in both, with what either has there.
pub(crate) fn difference(one: &Tree, other: &Tree) -> Option<String> {
    let path =
        one.keys().chain(other.keys()).filter(|path| one.get(*path) != other.get(*path)).min()?;
    let told = |tree: &Tree| tree.get(path).map_or("nothing", String::as_str).to_owned();
    Some(format!("/{}: {} and {}", path.display(), told(one), told(other)))
}

/// The paths of all files below a directory; of directories only those in which something is.
pub(crate) fn files(directory: &Path) -> io::Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        // Not followed: a link is a file.
        match fs::symlink_metadata(&path)?.is_dir() {
            true => found.extend(files(&path)?),
            false => _ = found.insert(path),
        }
    }
    Ok(found)
}

struct Walk<'a> {
    directory: &'a Path,
    /// Where a file was met first that has several names.
    names: HashMap<(u64, u64), PathBuf>,
    found: Tree,
}

impl Walk<'_> {
    fn path(&mut self, path: &Path, but: &[&str]) -> io::Result<()> {
        let place = self.directory.join(path);
        let told = self.told(&place, path)?;
        self.found.insert(path.into(), told);
        // Not followed: a link is told as what it is.
        if !fs::symlink_metadata(&place)?.is_dir() {
            return Ok(());
        }
        let entries = fs::read_dir(&place)?.collect::<io::Result<Vec<_>>>()?;
        let mut names: Vec<_> = entries.into_iter().map(|entry| entry.file_name()).collect();
        // The first name of several is the same each time.
        names.sort();
        for name in names.iter().filter(|name| !but.iter().any(|other| name == other)) {
            self.path(&path.join(name), &[])?;
        }
        Ok(())
    }

    fn told(&mut self, place: &Path, path: &Path) -> io::Result<String> {
        let about = fs::symlink_metadata(place)?;
        let kind = about.file_type();
        let mut told = format!(
            "mode {:o}, owner {}:{}, time {}.{:09}",
            about.mode(),
            about.uid(),
            about.gid(),
            about.mtime(),
            about.mtime_nsec()
        );
        if kind.is_file() {
            told += &format!(
                ", {} bytes {}",
                about.len(),
                crate::report::digest(place).unwrap_or_default()
            );
        } else if kind.is_symlink() {
            told += &format!(", to {:?}", fs::read_link(place)?);
        } else if kind.is_char_device() || kind.is_block_device() {
            told += &format!(", device {:x}", about.rdev());
        }
        if !kind.is_dir() && about.nlink() > 1 {
            let first = self.names.entry((about.dev(), about.ino())).or_insert_with(|| path.into());
            told += &format!(", with {} the same as {first:?}", about.nlink());
        }
        let how = OFlag::O_PATH | OFlag::O_NOFOLLOW;
        let file = File::options().read(true).custom_flags(how.bits()).open(place)?;
        for name in kernel::xattr::list(&file)? {
            told += &format!(", {name:?} {:?}", kernel::xattr::get(&file, &name)?);
        }
        Ok(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use testkit::scratch;

    #[test]
    fn whatever_changes_is_a_difference() {
        let dir = scratch();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("d")).unwrap();
        fs::write(at("d/file"), "1").unwrap();
        fs::write(at("not"), "1").unwrap();
        symlink("file", at("d/link")).unwrap();
        let look = || tree(dir.path(), &["not"]).unwrap();
        let changes: [(&str, &dyn Fn() -> io::Result<()>); 6] = [
            ("/d/file", &|| fs::write(at("d/file"), "2")),
            ("/d/file", &|| fs::set_permissions(at("d/file"), Permissions::from_mode(0o600))),
            ("/d/file", &|| File::open(at("d/file"))?.set_modified(std::time::UNIX_EPOCH)),
            ("/d", &|| fs::hard_link(at("d/file"), at("d/other"))),
            ("/d", &|| fs::remove_file(at("d/link")).and_then(|()| symlink("new", at("d/link")))),
            ("/d/file", &|| Ok(kernel::xattr::set(File::open(at("d/file"))?, c"user.x", b"1")?)),
        ];
        for (index, (path, change)) in changes.iter().enumerate() {
            let before = look();
            fs::write(at("not"), index.to_string()).unwrap();
            assert_eq!(difference(&before, &look()), None);
            match change() {
                // Not every file system keeps attributes.
                Err(error) if error.kind() == io::ErrorKind::Unsupported => continue,
                changed => changed.unwrap(),
            }
            let found = difference(&before, &look()).unwrap();
            assert!(found.starts_with(&format!("{path}: ")), "{index}: {found}");
        }
    }
}
