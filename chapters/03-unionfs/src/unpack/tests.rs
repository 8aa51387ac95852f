use super::*;
use nix::unistd::{getgid, getuid};
use std::ffi::CStr;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use tempfile::TempDir;

/// An archive, written byte by byte: the library refuses to write most of what is tried here.
#[derive(Default)]
struct Tar(Vec<u8>);

impl Tar {
    fn header(kind: u8, name: &[u8], size: u64) -> tar::Header {
        let mut header = tar::Header::new_gnu();
        header.set_size(size);
        header.set_mode(0o640);
        header.set_mtime(7);
        header.set_uid(getuid().as_raw().into());
        header.set_gid(getgid().as_raw().into());
        header.as_old_mut().linkflag = [kind];
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header
    }

    fn put(mut self, mut header: tar::Header, content: &[u8]) -> Tar {
        header.set_cksum();
        self.0.extend(header.as_bytes());
        self.0.extend(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    fn add(self, kind: u8, name: impl AsRef<[u8]>, content: &[u8]) -> Tar {
        let name = name.as_ref();
        let tar = match name.len() {
            ..100 => self,
            long => self.put(Tar::header(b'L', b"././@LongLink", long as u64), name),
        };
        tar.put(Tar::header(kind, &name[..name.len().min(99)], content.len() as u64), content)
    }

    fn file(self, name: impl AsRef<[u8]>, content: &str) -> Tar {
        self.add(b'0', name, content.as_bytes())
    }

    fn directory(self, name: &str, mode: u32) -> Tar {
        let mut header = Tar::header(b'5', name.as_bytes(), 0);
        header.set_mode(mode);
        self.put(header, b"")
    }

    fn link(self, kind: u8, name: &str, target: &str) -> Tar {
        let mut header = Tar::header(kind, name.as_bytes(), 0);
        header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
        self.put(header, b"")
    }

    fn symlink(self, name: &str, target: &str) -> Tar {
        self.link(b'2', name, target)
    }

    fn hard(self, name: &str, target: &str) -> Tar {
        self.link(b'1', name, target)
    }

    fn pax(self, records: &[(&str, &[u8])]) -> Tar {
        let mut data = Vec::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let length = (1..9).map(|digits| rest + digits);
            let length = length.clone().find(|all| all.to_string().len() + rest == *all).unwrap();
            data.extend(format!("{length} {key}=").bytes().chain(value.iter().copied()));
            data.push(b'\n');
        }
        self.put(Tar::header(b'x', b"pax", data.len() as u64), &data)
    }
}

/// A layer, one below it, and something outside of both that must not be reached.
struct Scene {
    dir: TempDir,
}

impl Scene {
    fn new() -> Scene {
        let dir = tempfile::tempdir().unwrap();
        for name in ["layer", "lower", "outside"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        fs::write(dir.path().join("outside/kept"), "kept").unwrap();
        Scene { dir }
    }

    fn layer(&self, name: &str) -> PathBuf {
        self.dir.path().join("layer").join(name)
    }

    fn lower(&self, name: &str) -> PathBuf {
        self.dir.path().join("lower").join(name)
    }

    fn unpack(&self, tar: &Tar) -> Result<Unpacked> {
        let below = Directory::root(&[self.lower("")], Spelling::User).unwrap();
        let unpacked = unpack(&tar.0[..], &self.layer(""), &below, Spelling::User);
        let outside: Vec<_> = fs::read_dir(self.dir.path().join("outside")).unwrap().collect();
        let kept = fs::metadata(self.dir.path().join("outside/kept")).unwrap();
        assert_eq!((outside.len(), kept.len(), kept.nlink()), (1, 4, 1), "it has left the layer");
        assert_eq!(fs::read_dir(self.dir.path()).unwrap().count(), 3, "it has left the layer");
        unpacked
    }

    fn refused(tar: &Tar, words: &str) {
        let scene = Scene::new();
        let error = format!("{:#}", scene.unpack(tar).unwrap_err());
        assert!(error.contains(words), "{error}");
    }

    fn whiteout(&self, name: &str) -> bool {
        let found = fs::symlink_metadata(self.layer(name));
        found.is_ok_and(|found| found.file_type().is_char_device() && found.rdev() == 0)
    }

    fn opaque(&self, name: &str) -> bool {
        whiteout::is_opaque(fs::File::open(self.layer(name)).unwrap(), Spelling::User).unwrap()
    }

    /// The names of a directory of the union.
    fn names(&self, path: &str) -> Vec<String> {
        let layers = [self.layer(""), self.lower("")];
        let root = Directory::root(&layers, Spelling::User).unwrap();
        let Some(Found::Directory(found)) = root.look_up(Path::new(path)).unwrap() else {
            panic!("{path} is no directory")
        };
        found.names().unwrap().into_keys().map(|name| name.into_string().unwrap()).collect()
    }
}

fn text(path: PathBuf) -> String {
    fs::read_to_string(path).unwrap()
}

fn attribute(path: PathBuf, name: &CStr) -> Option<Vec<u8>> {
    kernel::xattr::get(fs::File::open(path).unwrap(), name).unwrap()
}

#[test]
fn an_archive_becomes_a_directory() {
    let scene = Scene::new();
    let tar = Tar::default().directory("./", 0o711).file("./a/b", "hi").file("/c", "abs");
    let unpacked = scene.unpack(&tar).unwrap();
    assert_eq!((unpacked.size, unpacked.entries, unpacked.newest), (5, 3, Some(7)));
    assert_eq!((text(scene.layer("a/b")), text(scene.layer("c"))), ("hi".into(), "abs".into()));
    let b = fs::metadata(scene.layer("a/b")).unwrap();
    assert_eq!((b.mode() & 0o7777, b.mtime()), (0o640, 7));
    let (root, a) = (fs::metadata(scene.layer("")), fs::metadata(scene.layer("a")));
    assert_eq!(root.map(|root| (root.mode() & 0o7777, root.mtime())).unwrap(), (0o711, 7));
    // Nobody has described it.
    assert_eq!(a.map(|a| (a.mode() & 0o7777, a.mtime())).unwrap(), (0o755, 0));
}

#[test]
fn names_that_lead_out_are_refused() {
    for name in ["../x", "a/../../x", "..", "/..", "/../outside/x"] {
        Scene::refused(&Tar::default().file(name, "x"), "leads out of the layer");
    }
    let scene = Scene::new();
    scene.unpack(&Tar::default().file("a/../b", "b").file("...", "x")).unwrap();
    assert_eq!(scene.names(""), ["...", "b"]);
    Scene::refused(&Tar::default().file("x".repeat(256), ""), "longer than a name can be");
    Scene::refused(&Tar::default().file("x/".repeat(2100), ""), "longer than a path can be");
    Scene::refused(&Tar::default().file("d/".repeat(300) + "f", ""), "in one another");
    let nul = Tar::default().pax(&[("path", b"a\0b")]).file("x", "");
    Scene::refused(&nul, "NUL byte");
    Scene::refused(&Tar::default().file(".", "x"), "the root can only be a directory");
}

#[test]
fn a_link_leads_to_where_it_does_in_the_layer() {
    let scene = Scene::new();
    let outside = scene.dir.path().join("outside");
    let tar = Tar::default().symlink("out", outside.to_str().unwrap()).file("out/x", "x");
    let tar = tar.symlink("up", "../../outside").file("up/y", "y").file("out/kept", "mine");
    scene.unpack(&tar).unwrap();
    let inside = scene.layer("").join(outside.strip_prefix("/").unwrap());
    assert_eq!(text(inside.join("x")), "x");
    assert_eq!(text(scene.layer("outside/y")), "y");
    // A link as the last part of a name is replaced, not followed.
    let scene = Scene::new();
    let kept = scene.dir.path().join("outside/kept");
    let tar = Tar::default().symlink("k", kept.to_str().unwrap()).file("k", "own");
    scene.unpack(&tar).unwrap();
    assert_eq!(text(scene.layer("k")), "own");
}

#[test]
fn a_directory_that_becomes_a_link_leads_nowhere_else() {
    let scene = Scene::new();
    let outside = scene.dir.path().join("outside");
    let tar = Tar::default().directory("d", 0o700).file("d/a", "a");
    let tar = tar.symlink("d", outside.to_str().unwrap()).file("d/kept", "x").hard("d/h", "d/kept");
    scene.unpack(&tar).unwrap();
    assert!(fs::symlink_metadata(scene.layer("d")).unwrap().is_symlink());
    let inside = scene.layer("").join(outside.strip_prefix("/").unwrap());
    assert_eq!(fs::metadata(inside.join("h")).unwrap().nlink(), 2);
    Scene::refused(&Tar::default().symlink("a", "b").symlink("b", "a").file("a/x", ""), "ELOOP");
    Scene::refused(&Tar::default().file("f", "").file("f/x", ""), "ENOTDIR");
}

#[test]
fn a_link_below_is_followed_in_the_union_and_what_is_below_is_made_as_it_is_there() {
    let scene = Scene::new();
    fs::create_dir_all(scene.lower("usr/lib")).unwrap();
    fs::set_permissions(scene.lower("usr"), fs::Permissions::from_mode(0o1711)).unwrap();
    let lib = fs::File::open(scene.lower("usr/lib")).unwrap();
    kernel::xattr::set(&lib, c"user.kept", b"1").unwrap();
    kernel::xattr::set(&lib, c"user.overlay.opaque", b"y").unwrap();
    let then = std::time::UNIX_EPOCH + std::time::Duration::new(1000, 5);
    lib.set_modified(then).unwrap();
    symlink("/usr/lib", scene.lower("lib")).unwrap();
    scene.unpack(&Tar::default().file("lib/x", "x").file("lib/sub/y", "y")).unwrap();
    assert_eq!(
        (text(scene.layer("usr/lib/x")), text(scene.layer("usr/lib/sub/y"))),
        ("x".into(), "y".into())
    );
    assert!(!scene.layer("lib").exists());
    let lib = fs::metadata(scene.layer("usr/lib")).unwrap();
    assert_eq!(lib.modified().unwrap(), then);
    assert_eq!(attribute(scene.layer("usr/lib"), c"user.kept").as_deref(), Some(&b"1"[..]));
    assert!(!scene.opaque("usr/lib"));
    assert_eq!(fs::metadata(scene.layer("usr")).unwrap().mode() & 0o7777, 0o1711);
}

#[test]
fn a_hard_link_is_one_to_a_file_of_the_archive_or_of_below() {
    let outside = Scene::new();
    let kept = outside.dir.path().join("outside/kept");
    let scene = Scene::new();
    fs::write(scene.lower("low"), "below").unwrap();
    symlink("low", scene.lower("lowlink")).unwrap();
    let tar = Tar::default().file("a", "a").hard("b", "a").hard("d/c", "/b").hard("a", "a");
    let tar = tar.hard("up", "low").hard("uplink", "lowlink");
    assert_eq!(scene.unpack(&tar).unwrap().size, 6);
    assert_eq!(fs::metadata(scene.layer("d/c")).unwrap().nlink(), 3);
    let (up, low) = (fs::metadata(scene.layer("up")), fs::metadata(scene.layer("low")));
    assert_eq!(up.unwrap().ino(), low.unwrap().ino());
    assert_eq!(text(scene.layer("up")), "below");
    assert_eq!(fs::read_link(scene.layer("uplink")).unwrap(), Path::new("low"));
    assert_eq!(fs::metadata(scene.lower("low")).unwrap().nlink(), 1);

    Scene::refused(&Tar::default().hard("x", kept.to_str().unwrap()), "which is not there");
    Scene::refused(&Tar::default().hard("x", "../outside/kept"), "leads out of the layer");
    Scene::refused(&Tar::default().hard("x", "x"), "which is not there");
    Scene::refused(&Tar::default().directory("d", 0o755).hard("x", "d"), "a directory");
    Scene::refused(&Tar::default().hard("x", "/"), "a hard link to the root");
    Scene::refused(&Tar::default().hard("x", ""), "a link to nothing");
    let link = kept.parent().unwrap().to_str().unwrap();
    let tar = Tar::default().symlink("l", link).hard("x", "l/kept");
    Scene::refused(&tar, "which is not there");
}

#[test]
fn what_is_below_is_hidden_whatever_the_order_and_what_is_of_the_layer_stays() {
    let lower = |scene: &Scene| {
        for file in ["d/low", "d/sub/low", "f", "gone"] {
            fs::create_dir_all(scene.lower(file).parent().unwrap()).unwrap();
            fs::write(scene.lower(file), "").unwrap();
        }
    };
    let entries: [&dyn Fn(Tar) -> Tar; 7] = [
        &|tar| tar.directory("d", 0o755).file("d/own", ""),
        &|tar| tar.file(".wh.d", ""),
        &|tar| tar.file("f", "own"),
        &|tar| tar.file(".wh.f", ""),
        &|tar| tar.file(".wh.gone", ""),
        &|tar| tar.file(".wh.never", "").file("no/.wh.where", "").file("no/.wh..wh..opq", ""),
        &|tar| tar.file("d/.wh.sub", "content of a mark counts for nothing"),
    ];
    for rotation in 0..entries.len() {
        for reverse in [false, true] {
            let scene = Scene::new();
            lower(&scene);
            let mut order: Vec<_> = (0..entries.len()).collect();
            order.rotate_left(rotation);
            if reverse {
                order.reverse();
            }
            let tar = order.iter().fold(Tar::default(), |tar, entry| entries[*entry](tar));
            scene.unpack(&tar).unwrap();
            assert_eq!(
                (scene.names(""), scene.names("d")),
                (vec!["d".into(), "f".into()], vec!["own".into()])
            );
            assert_eq!(text(scene.layer("f")), "own");
            assert!(scene.opaque("d") && scene.whiteout("gone"));
            // Where it has nothing to hide a mark would be seen as a name with nothing behind it.
            assert!(fs::symlink_metadata(scene.layer("d/sub")).is_err());
            for none in ["never", "no"] {
                assert!(fs::symlink_metadata(scene.layer(none)).is_err());
            }
        }
    }
}

#[test]
fn an_opaque_directory_keeps_what_comes_before_and_after() {
    let scene = Scene::new();
    fs::create_dir_all(scene.lower("d/sub")).unwrap();
    fs::write(scene.lower("d/sub/low"), "").unwrap();
    fs::write(scene.lower("top"), "").unwrap();
    let tar =
        Tar::default().file("d/before", "").file("d/sub/.wh.low", "").file("d/.wh..wh..opq", "");
    let tar = tar.file("d/after", "").file("d/sub/own", "").file("d/sub/.wh.low", "");
    scene.unpack(&tar).unwrap();
    assert_eq!(scene.names("d"), ["after", "before", "sub"]);
    assert!(scene.opaque("d") && fs::symlink_metadata(scene.layer("d/sub/low")).is_err());
    // No file system knows a root that is opaque.
    let scene = Scene::new();
    fs::create_dir(scene.lower("d")).unwrap();
    fs::write(scene.lower("d/low"), "").unwrap();
    fs::write(scene.lower("top"), "").unwrap();
    scene.unpack(&Tar::default().file("d/own", "").file(".wh..wh..opq", "").file("x", "")).unwrap();
    assert_eq!(
        (scene.names(""), scene.names("d")),
        (vec!["d".into(), "x".into()], vec!["own".into()])
    );
    assert!(scene.whiteout("top") && scene.opaque("d") && !scene.opaque(""));
}

#[test]
fn marks_that_nobody_knows_are_refused() {
    for name in [".wh.", ".wh..", ".wh...", "a/.wh.", ".wh..wh.plnk", ".wh..wh.aufs"] {
        Scene::refused(&Tar::default().file(name, ""), "is no whiteout");
    }
    for name in [".wh.x/y", ".wh..wh.plnk/1.2", "a/.wh..wh..opq/x"] {
        Scene::refused(&Tar::default().file(name, ""), "in a whiteout");
    }
    Scene::refused(&Tar::default().add(b'3', "dev", b""), "a character device 0:0");
}

#[test]
fn what_comes_later_counts() {
    let scene = Scene::new();
    fs::create_dir(scene.lower("d")).unwrap();
    fs::write(scene.lower("d/low"), "").unwrap();
    let tar = Tar::default().file("f", "long text").file("f", "2").directory("e", 0o700);
    let tar = tar.file("e/in", "").directory("e", 0o750).file("g/x", "").file("g", "file");
    let tar = tar.file("d", "file").directory("d", 0o755).symlink("s", "f").file("s", "3");
    scene.unpack(&tar).unwrap();
    assert_eq!((text(scene.layer("f")), text(scene.layer("g"))), ("2".into(), "file".into()));
    assert_eq!(fs::metadata(scene.layer("e")).unwrap().mode() & 0o7777, 0o750);
    assert!(scene.layer("e/in").exists());
    assert_eq!(scene.names("d"), [] as [String; 0]);
}

#[test]
fn an_archive_without_its_end_is_refused() {
    let whole =
        Tar::default().file("first", "1").pax(&[("user", b"x")]).file("second", &"2".repeat(2000));
    let cases = [
        (100, "in the middle of a header"),
        (512, "\"first\""),
        (600, "after the content"),
        (1200, "in the middle of a header"),
        (1536, "an extended header"),
        (2048, "between an extended header and its entry"),
        (2700, "\"second\""),
        (4600, "after the content"),
    ];
    for (end, words) in cases {
        Scene::refused(&Tar(whole.0[..end].to_vec()), words);
        let error =
            format!("{:#}", Scene::new().unpack(&Tar(whole.0[..end].to_vec())).unwrap_err());
        assert!(error.contains("the archive ends"), "{end}: {error}");
    }
    // Without the empty blocks after it, it is still whole.
    assert_eq!(Scene::new().unpack(&whole).unwrap().entries, 2);
    assert_eq!(Scene::new().unpack(&Tar::default()).unwrap().entries, 0);
    let mut lies = Tar::header(b'0', b"liar", 1 << 40);
    lies.set_cksum();
    Scene::refused(&Tar(lies.as_bytes().to_vec()), "\"liar\": the archive ends");
    Scene::refused(&Tar(b"not an archive".repeat(100)), "no archive");
    Scene::refused(&Tar::default().add(b'V', "label", b""), "of the kind 'V'");
    let scene = Scene::new();
    let mut rest = [&whole.0[..], &[0; 1024], b"what a digest is taken of"].concat();
    let mut reader = &rest[..];
    let below = Directory::root(&[] as &[PathBuf], Spelling::User).unwrap();
    unpack(&mut reader, &scene.layer(""), &below, Spelling::User).unwrap();
    assert!(reader.is_empty());
    rest[0] ^= 1;
    Scene::refused(&Tar(rest), "damaged");
}

#[test]
fn headers_may_take_only_so_much() {
    for kind in *b"xLK" {
        let mut huge = Tar::header(kind, b"huge", 1 << 40);
        huge.set_cksum();
        Scene::refused(&Tar(huge.as_bytes().to_vec()), "more than 1 MiB");
        let twice =
            Tar::default().add(kind, "1", b"6 a=b\n").add(kind, "2", b"6 a=b\n").file("f", "");
        Scene::refused(&twice, "two extended headers");
    }
    Scene::refused(&Tar::default().add(b'x', "pax", b"99 path=x\n").file("f", ""), "damaged");
    let huge = Tar::default().pax(&[("uid", b"4294967296")]).file("f", "");
    Scene::refused(&huge, "more than a number of an account");
}

#[test]
fn attributes_and_names_may_have_any_bytes_in_them() {
    let scene = Scene::new();
    let long = format!("a\n{}\nb", "n".repeat(200));
    let value = b"a\nb\0c=d\n20 path=evil\n";
    let records: [(&str, &[u8]); 6] = [
        ("path", long.as_bytes()),
        ("mtime", b"1500000000.25"),
        ("SCHILY.xattr.user.b", value),
        ("SCHILY.xattr.user.empty", b""),
        ("SCHILY.xattr.user.overlay.redirect", b"/etc/shadow"),
        ("SCHILY.xattr.trusted.overlay.opaque", b"y"),
    ];
    let tar =
        Tar::default().pax(&records).file("short", "x").file("n".repeat(255), "").file("nl\n", "");
    scene.unpack(&tar.file(b"\xff\xfe", "")).unwrap();
    let names: Vec<_> =
        fs::read_dir(scene.layer("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 4);
    assert!(names.contains(&long.clone().into()) && names.contains(&"nl\n".into()));
    let modified = fs::metadata(scene.layer(&long)).unwrap();
    assert_eq!((modified.mtime(), modified.mtime_nsec()), (1_500_000_000, 250_000_000));
    assert_eq!(attribute(scene.layer(&long), c"user.b").as_deref(), Some(&value[..]));
    let all = kernel::xattr::list(fs::File::open(scene.layer(&long)).unwrap()).unwrap();
    assert_eq!(all, [c"user.b", c"user.empty"].map(CStr::to_owned));
    // A directory's attributes are those that are said last.
    let scene = Scene::new();
    let tar = Tar::default().pax(&[("SCHILY.xattr.user.a", b"1")]).directory("d", 0o755);
    scene.unpack(&tar.directory("d", 0o755)).unwrap();
    assert_eq!(attribute(scene.layer("d"), c"user.a"), None);
}

#[test]
fn holes_stay_holes_however_they_are_written() {
    let scene = Scene::new();
    let mut old = Tar::header(b'S', b"old", 512);
    let gnu = old.as_gnu_mut().unwrap();
    gnu.set_real_size(1 << 40);
    gnu.sparse[0].set_offset(1 << 39);
    gnu.sparse[0].set_length(512);
    let tar = Tar::default().put(old, &[b'o'; 512]);
    let one: [(&str, &[u8]); 5] = [
        ("GNU.sparse.major", b"1"),
        ("GNU.sparse.minor", b"0"),
        ("GNU.sparse.name", b"one"),
        ("GNU.sparse.realsize", b"1048576"),
        ("mtime", b"3"),
    ];
    let mut content = b"1\n524288\n3\n".to_vec();
    content.resize(512, 0);
    content.extend(b"abc");
    let tar = tar.pax(&one).add(b'0', "GNUSparseFile.1/one", &content);
    let zero: [(&str, &[u8]); 2] =
        [("GNU.sparse.size", b"1000000"), ("GNU.sparse.map", b"0,1,999000,2")];
    let tar = tar.pax(&zero).file("zero", "xyz").add(b'0', "zeros", &[0; 1 << 20]);
    let unpacked = scene.unpack(&tar).unwrap();
    assert_eq!(unpacked.size, (1 << 40) + (1 << 20) + 1_000_000 + (1 << 20));
    for name in ["old", "one", "zero", "zeros"] {
        let file = fs::metadata(scene.layer(name)).unwrap();
        assert!(file.blocks() * 512 < 200_000, "{name} takes {} blocks", file.blocks());
    }
    let mut at = [0; 4];
    let read = |name: &str, at: &mut [u8], offset| {
        std::os::unix::fs::FileExt::read_exact_at(
            &fs::File::open(scene.layer(name)).unwrap(),
            at,
            offset,
        )
        .unwrap();
    };
    read("old", &mut at, (1 << 39) - 2);
    assert_eq!(&at, b"\0\0oo");
    read("one", &mut at, 524_287);
    assert_eq!(&at, b"\0abc");
    read("zero", &mut at, 998_999);
    assert_eq!(&at, b"\0yz\0");

    for map in ["5,1,0,2", "0,1,999999,2", "0,1,2", "0,1", "0,18446744073709551615,1,4", "x,3"] {
        let records: [(&str, &[u8]); 2] =
            [("GNU.sparse.size", b"1000000"), ("GNU.sparse.map", map.as_bytes())];
        assert!(
            Scene::new().unpack(&Tar::default().pax(&records).file("f", "xyz")).is_err(),
            "{map}"
        );
    }
    for content in ["9999999999\n", "1\n0\n", "x\n", "2\n0\n1\n"] {
        let mut content = content.as_bytes().to_vec();
        content.resize(512, 0);
        assert!(Scene::new().unpack(&Tar::default().pax(&one).add(b'0', "f", &content)).is_err());
    }
    // More than any file can be.
    let records: [(&str, &[u8]); 2] =
        [("GNU.sparse.size", b"9223372036854775807"), ("GNU.sparse.map", b"0,3")];
    Scene::refused(
        &Tar::default().pax(&records).file("f", "xyz"),
        "a file of 9223372036854775807 bytes",
    );
}

#[test]
fn modes_survive_a_change_of_owner() {
    if !getuid().is_root() {
        // Only root gives a file away.
        return;
    }
    let scene = Scene::new();
    let mut header = Tar::header(b'0', b"bin", 1);
    header.set_mode(0o6755);
    header.set_uid(3_000_000_000);
    header.set_gid(7);
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let tar = Tar::default().pax(&[("SCHILY.xattr.security.capability", &capability)]);
    scene.unpack(&tar.put(header, b"x")).unwrap();
    let file = fs::metadata(scene.layer("bin")).unwrap();
    assert_eq!((file.mode() & 0o7777, file.uid(), file.gid()), (0o6755, 3_000_000_000, 7));
    assert_eq!(
        attribute(scene.layer("bin"), c"security.capability").as_deref(),
        Some(&capability[..])
    );
}
