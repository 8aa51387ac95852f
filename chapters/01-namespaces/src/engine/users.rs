//! Who `-u` means: names are looked up in the root's own passwd(5) and group(5), never in the
//! host's, and these files are read as what they may be: somebody else's.

use crate::config::User;
use anyhow::{Context, Result};
use console::failure::Failure;
use kernel::{Errno, Pid, path};
use std::ffi::CStr;
use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;

/// More than any honest passwd file has.
const LIMIT: u64 = 16 << 20;

/// A line of passwd(5).
struct Account<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

/// Opens a file of a root by its path in there; none if it is not there.
pub type Files<'a> = &'a dyn Fn(&CStr) -> Result<Option<File>>;

/// The files of a root that is a directory.
pub fn in_directory(root: impl AsFd) -> impl Fn(&CStr) -> Result<Option<File>> {
    move |name| match path::open_file_in_root(&root, name) {
        Err(error) if matches!(error.errno, Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
        file => Ok(Some(File::from(file?))),
    }
}

/// Resolves `USER[:GROUP]`, each a name or a number; without it, root.
pub fn resolve(files: Files, wanted: Option<&str>) -> Result<User> {
    let passwd = read(files, c"etc/passwd")?;
    let accounts: Vec<Account> = passwd.lines().filter_map(account).collect();
    let (user, group) = match wanted.unwrap_or("0").split_once(':') {
        Some((user, group)) => (user, Some(group).filter(|group| !group.is_empty())),
        None => (wanted.unwrap_or("0"), None),
    };
    let user = if user.is_empty() { "0" } else { user };
    let account = accounts
        .iter()
        .find(|account| account.name == user)
        .or_else(|| accounts.iter().find(|account| user.parse() == Ok(account.uid)));
    let uid = match account {
        Some(account) => account.uid,
        None => number(user).ok_or_else(|| unknown("user", user, "/etc/passwd"))?,
    };

    let needs_groups = account.is_some() || group.is_some_and(|group| number(group).is_none());
    let groups_file = if needs_groups { read(files, c"etc/group")? } else { String::new() };
    let gid = match group {
        Some(name) => group_id(&groups_file, name)
            .or_else(|| number(name))
            .ok_or_else(|| unknown("group", name, "/etc/group"))?,
        None => account.map_or(0, |account| account.gid),
    };
    // As login(1) does, except that a group asked for by name stands alone.
    let groups = match (group, account) {
        (None, Some(account)) => memberships(&groups_file, account.name),
        _ => Vec::new(),
    };
    let home = account.map(|account| account.home).filter(|home| !home.is_empty());
    // Without an entry a home is a guess: root's is the usual one, others have none.
    let home = home.unwrap_or(if uid == 0 && account.is_none() { "/root" } else { "/" });
    Ok(User { uid, gid, groups, home: home.into() })
}

/// The user that a process is, as numbered in its own user namespace.
pub fn of_process(pid: Pid, files: Files) -> Result<User> {
    let status = kernel::text::read(format!("/proc/{pid}/status"))?;
    let ids = |name: &str, map: &str| -> Result<Vec<u32>> {
        let map = kernel::text::read(format!("/proc/{pid}/{map}"))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("");
        let ids = line.split_whitespace().filter_map(number);
        Ok(ids.filter_map(|id| inside(&map, id)).collect())
    };
    // Real, effective, saved, file system: what a program may do depends on the second.
    let effective = |ids: Vec<u32>| ids.get(1).copied().unwrap_or(0);
    let uid = effective(ids("Uid:", "uid_map")?);
    let user = resolve(files, Some(&uid.to_string()))?;
    let gid = effective(ids("Gid:", "gid_map")?);
    Ok(User { gid, groups: ids("Groups:", "gid_map")?, ..user })
}

/// An id of ours as a user namespace calls it that has this map (user_namespaces(7)): lines of
/// first id inside, first id outside, count.
fn inside(map: &str, id: u32) -> Option<u32> {
    map.lines().find_map(|line| {
        let mut fields = line.split_whitespace().map(|field| field.parse::<u32>().ok());
        let (inside, outside, count) = (fields.next()??, fields.next()??, fields.next()??);
        let offset = id.checked_sub(outside).filter(|offset| *offset < count)?;
        inside.checked_add(offset)
    })
}

/// Reads a small text file of a root. A missing one is empty.
fn read(files: Files, name: &CStr) -> Result<String> {
    let shown = || format!("/{} of the root", name.to_string_lossy());
    let Some(file) = files(name).with_context(shown)? else { return Ok(String::new()) };
    if !file.metadata()?.is_file() {
        let failure = Failure::new(format!("{} is not a regular file", shown()));
        return Err(failure.remedy("replace it in the root by a file, or remove it").into());
    }
    let mut bytes = Vec::new();
    file.take(LIMIT + 1).read_to_end(&mut bytes).with_context(shown)?;
    if bytes.len() as u64 > LIMIT {
        let failure = Failure::new(format!("{} is larger than {} MiB", shown(), LIMIT >> 20));
        return Err(failure.remedy("no honest file of this name is: look at it").into());
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn account(line: &str) -> Option<Account<'_>> {
    let mut fields = line.split(':');
    let (name, _password) = (fields.next()?, fields.next()?);
    let (uid, gid) = (number(fields.next()?)?, number(fields.next()?)?);
    Some(Account { name, uid, gid, home: fields.nth(1).unwrap_or("") })
}

fn group_id(file: &str, name: &str) -> Option<u32> {
    let mut lines = file.lines().map(|line| line.split(':'));
    lines.find_map(|mut fields| number((fields.next()? == name).then(|| fields.nth(1))??))
}

fn memberships(file: &str, user: &str) -> Vec<u32> {
    let membership = |line: &str| {
        let mut fields = line.split(':').skip(2);
        let gid = number(fields.next()?)?;
        fields.next()?.split(',').any(|member| member == user).then_some(gid)
    };
    file.lines().filter_map(membership).collect()
}

/// An id as a number. The largest one means "leave it as it is" to setresuid(2): whoever was given
/// that one would stay root.
fn number(text: &str) -> Option<u32> {
    text.parse().ok().filter(|id| *id != u32::MAX)
}

fn unknown(what: &str, name: &str, file: &str) -> Failure {
    Failure::new(format!("unable to find {what} {name}: no matching entries in {file} of the root"))
        .remedy(format!("give a number, or a name that is in {file} of the root"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn root() -> (tempfile::TempDir, std::os::fd::OwnedFd) {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("etc")).unwrap();
        let passwd =
            "root:x:0:0:root:/root:/bin/sh\nann:x:70000:71:A:/home/ann:/bin/sh\nbad line\n";
        fs::write(dir.path().join("etc/passwd"), passwd).unwrap();
        let group = "staff:x:71:\ndisk:x:6:bob,ann\ntape:x:26:joanne\nbroken\n";
        fs::write(dir.path().join("etc/group"), group).unwrap();
        let name = std::ffi::CString::new(dir.path().to_str().unwrap()).unwrap();
        let fd = path::open_root(&name).unwrap();
        (dir, fd)
    }

    fn user(uid: u32, gid: u32, groups: &[u32], home: &str) -> User {
        User { uid, gid, groups: groups.into(), home: home.into() }
    }

    #[test]
    fn names_and_numbers_mean_what_the_root_says() {
        let (_dir, root) = root();
        let resolve = |wanted| resolve(&in_directory(&root), wanted).unwrap();
        assert_eq!(resolve(None), user(0, 0, &[], "/root"));
        assert_eq!(resolve(Some("ann")), user(70000, 71, &[6], "/home/ann"));
        assert_eq!(resolve(Some("70000")), user(70000, 71, &[6], "/home/ann"));
        assert_eq!(resolve(Some("ann:disk")), user(70000, 6, &[], "/home/ann"));
        assert_eq!(resolve(Some("1234")), user(1234, 0, &[], "/"));
        assert_eq!(resolve(Some("1234:5")), user(1234, 5, &[], "/"));
    }

    #[test]
    fn a_map_is_read_from_the_outside_in() {
        let map = "         0       1000          1\n         1     100000      65536\n";
        assert_eq!(inside(map, 1000), Some(0));
        assert_eq!(inside(map, 100041), Some(42));
        assert_eq!(inside(map, 0), None);
        assert_eq!(inside(map, 165536), None);
    }

    #[test]
    fn unknown_names_are_named() {
        let (_dir, root) = root();
        let error = resolve(&in_directory(&root), Some("nobody-here")).unwrap_err().to_string();
        assert!(error.contains("user nobody-here"), "{error}");
        let error = resolve(&in_directory(&root), Some("ann:wheel")).unwrap_err().to_string();
        assert!(error.contains("group wheel"), "{error}");
        assert!(resolve(&in_directory(&root), Some("4294967295")).is_err());
        assert!(resolve(&in_directory(&root), Some("-1")).is_err());
    }

    #[test]
    fn the_id_that_changes_nothing_is_nobodys() {
        let (dir, root) = root();
        let evil = "evil:x:4294967295:4294967295::/:/bin/sh\n";
        fs::write(dir.path().join("etc/passwd"), evil).unwrap();
        fs::write(dir.path().join("etc/group"), "evil:x:4294967295:ann\n").unwrap();
        assert!(resolve(&in_directory(&root), Some("evil")).is_err());
        assert!(resolve(&in_directory(&root), Some("1000:evil")).is_err());
    }
}
