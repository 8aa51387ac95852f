use super::*;
use crate::unpack::unpack;
use kernel::xattr;
use nix::sys::stat::{Mode, mknod};
use nix::unistd::mkfifo;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::time::{Duration, UNIX_EPOCH};
use tempfile::TempDir;

const SPELLING: Spelling = Spelling::User;

fn layer(directory: &Path, latest: Option<i64>) -> Vec<u8> {
    let mut out = Vec::new();
    pack_layer(directory, SPELLING, &mut out, latest).unwrap();
    out
}

/// Unpacks an archive on top of a layer.
fn unpacked(archive: &[u8], below: &[&Path]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let below = Directory::root(below, SPELLING).unwrap();
    unpack(archive, dir.path(), &below, SPELLING).unwrap();
    dir
}

/// The names in an archive, as somebody else reads it.
fn names(archive: &[u8]) -> Vec<String> {
    let mut archive = tar::Archive::new(archive);
    let entries = archive.entries().unwrap();
    let name = |entry: tar::Entry<&[u8]>| String::from_utf8(entry.path_bytes().to_vec()).unwrap();
    entries.map(|entry| name(entry.unwrap())).collect()
}

fn marked(lower: &Path, upper: &Path) {
    for name in ["gone", "d/low", "e/low"] {
        fs::create_dir_all(lower.join(name).parent().unwrap()).unwrap();
        fs::write(lower.join(name), "").unwrap();
    }
    fs::create_dir_all(upper.join("d")).unwrap();
    fs::create_dir_all(upper.join("e")).unwrap();
    fs::write(upper.join("d/!first"), "").unwrap();
    let top = fs::File::open(upper).unwrap();
    whiteout::make_whiteout(&top, OsStr::new("gone"), SPELLING).unwrap();
    whiteout::make_opaque(fs::File::open(upper.join("d")).unwrap(), SPELLING).unwrap();
    let e = fs::File::open(upper.join("e")).unwrap();
    whiteout::make_whiteout(e, OsStr::new("low"), SPELLING).unwrap();
}

#[test]
fn what_is_packed_unpacked_and_packed_again_is_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let long = format!("long\n{}", "n".repeat(240));
    let deep = format!("{}/{long}", ["deep"; 60].join("/"));
    fs::create_dir_all(at(&deep)).unwrap();
    for (name, content) in
        [("a", "a"), ("new\nline", "n"), (&*long, "l"), (".whale", "w"), ("old", "o")]
    {
        fs::write(at(name), content).unwrap();
    }
    fs::hard_link(at("a"), at(&format!("{deep}/b"))).unwrap();
    symlink("t".repeat(1000) + "\n", at("link")).unwrap();
    mkfifo(&at("fifo"), Mode::from_bits_truncate(0o622)).unwrap();
    fs::set_permissions(at("a"), fs::Permissions::from_mode(0o6751)).unwrap();
    fs::set_permissions(at("deep"), fs::Permissions::from_mode(0o3775)).unwrap();
    let file = fs::File::create(at("holes")).unwrap();
    file.set_len(1 << 22).unwrap();
    xattr::set(&file, c"user.b", b"a\nb\0=\n").unwrap();
    file.set_modified(UNIX_EPOCH + Duration::new(1_500_000_000, 1)).unwrap();
    let old = fs::File::open(at("old")).unwrap();
    old.set_modified(UNIX_EPOCH - Duration::from_millis(1500)).unwrap();
    if nix::unistd::getuid().is_root() {
        let device = nix::sys::stat::makedev(259, 70_000);
        mknod(&at("device"), SFlag::S_IFBLK, Mode::S_IRUSR, device).unwrap();
        std::os::unix::fs::lchown(at("link"), Some(3_000_000_000), Some(2_500_000)).unwrap();
        xattr::set(
            &file,
            c"security.capability",
            &[1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        )
        .unwrap();
    }
    let _listener = UnixListener::bind(at("socket")).unwrap();
    let first = layer(dir.path(), None);
    assert_eq!(first, layer(dir.path(), None));
    let again = unpacked(&first, &[]);
    assert!(first == layer(again.path(), None), "not the same bytes");
    let union = Directory::root(&[again.path()], SPELLING).unwrap();
    let mut out = Vec::new();
    pack_union(&union, &mut out, None).unwrap();
    assert!(first == out, "not the same bytes");
    assert!(!again.path().join("socket").exists());
    let told = fs::metadata(again.path().join("old")).unwrap().modified().unwrap();
    assert_eq!(told, UNIX_EPOCH - Duration::from_millis(1500));
}

#[test]
fn marks_are_spelled_as_in_archives() {
    let dir = tempfile::tempdir().unwrap();
    let (lower, upper) = (dir.path().join("lower"), dir.path().join("upper"));
    marked(&lower, &upper);
    let archive = layer(&upper, None);
    let expected = ["./", "d/", "d/.wh..wh..opq", "d/!first", "e/", "e/.wh.low", ".wh.gone"];
    assert_eq!(names(&archive), expected);
    let again = unpacked(&archive, &[&lower]);
    assert_eq!(layer(again.path(), None), archive);
    // The union has nothing of what is hidden, and no mark.
    let union = Directory::root(&[&upper, &lower], SPELLING).unwrap();
    let mut out = Vec::new();
    pack_union(&union, &mut out, None).unwrap();
    assert_eq!(names(&out), ["./", "d/", "d/!first", "e/"]);
}

#[test]
fn nothing_of_the_moment_gets_in() {
    let dirs = [(); 2].map(|()| tempfile::tempdir().unwrap());
    for (dir, order) in dirs.iter().zip([["b", "a", "c"], ["c", "b", "a"]]) {
        order.iter().for_each(|name| fs::write(dir.path().join(name), name).unwrap());
        fs::write(dir.path().join(order[0]), order[0]).unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        std::thread::sleep(Duration::from_millis(20));
    }
    let [one, other] = dirs.each_ref().map(|dir| layer(dir.path(), Some(1_000_000_000)));
    assert_eq!(one, other);
    let mut archive = tar::Archive::new(&one[..]);
    for entry in archive.entries().unwrap() {
        let header = entry.unwrap().header().clone();
        assert_eq!((header.mtime().unwrap(), header.username()), (1_000_000_000, Ok(Some(""))));
    }
    // What is older than that stays as it is.
    let file = fs::File::open(dirs[0].path().join("a")).unwrap();
    file.set_modified(UNIX_EPOCH + Duration::new(5, 6)).unwrap();
    let old = unpacked(&layer(dirs[0].path(), Some(1_000_000_000)), &[]);
    let time = fs::metadata(old.path().join("a")).unwrap().modified().unwrap();
    assert_eq!(time, UNIX_EPOCH + Duration::new(5, 6));
}

#[test]
fn what_cannot_be_told_in_an_archive_is_refused() {
    let refused = |make: &dyn Fn(&Path), words: &str| {
        let dir = tempfile::tempdir().unwrap();
        make(dir.path());
        let union = Directory::root(&[dir.path()], SPELLING).unwrap();
        let layer = pack_layer(dir.path(), SPELLING, io::sink(), None);
        for error in [layer.unwrap_err(), pack_union(&union, io::sink(), None).unwrap_err()] {
            assert!(format!("{error:#}").contains(words), "{error:#}");
        }
    };
    refused(&|dir| fs::write(dir.join(".wh.x"), "").unwrap(), "that is a whiteout");
    // Who unpacks it as files has files of these names.
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(".wh.x"), "").unwrap();
    let (union, mut out) = (Directory::root(&[dir.path()], SPELLING).unwrap(), Vec::new());
    pack_plain(&union, &mut out).unwrap();
    assert_eq!(names(&out), ["./", ".wh.x"]);
    let deep = ["d"; DEEPEST + 1].join("/");
    refused(&|dir| fs::create_dir_all(dir.join(&deep)).unwrap(), "in one another");
    let equals = |dir: &Path| xattr::set(fs::File::open(dir).unwrap(), c"user.a=b", b"").unwrap();
    refused(&equals, "user.a=b");
}

#[test]
fn a_file_that_changes_meanwhile_is_cut_or_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    let pack = |content: &str| {
        fs::write(&path, "12345").unwrap();
        let file = fs::File::open(&path).unwrap();
        let stat = nix::sys::stat::fstat(&file).unwrap();
        fs::write(&path, content).unwrap();
        let mut archive = Archive::new(Vec::new(), None);
        archive.entry(b"f", &file, &stat).map(|()| archive.builder.into_inner().unwrap())
    };
    let again = unpacked(&pack("1234567").unwrap(), &[]);
    assert_eq!(fs::read_to_string(again.path().join("f")).unwrap(), "12345");
    assert!(pack("123").unwrap_err().to_string().contains("shorter"));
}
