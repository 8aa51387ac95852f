use super::*;
use crate::engine::pack::{pack_layer, pack_union};
use nix::sys::stat::lstat;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use tar::{EntryType, Header};

/// An archive, byte by byte: the library that writes them elsewhere refuses to write hostile ones.
#[derive(Clone, Default)]
struct Archive(Vec<u8>);

impl Archive {
    fn new() -> Archive {
        Archive::default()
    }

    fn entry(mut self, kind: EntryType, name: &str, target: &str, content: &[u8]) -> Archive {
        let mut extensions = Vec::new();
        if name.len() > 100 {
            extensions.push(("path", name.as_bytes()));
        }
        if target.len() > 100 {
            extensions.push(("linkpath", target.as_bytes()));
        }
        if !extensions.is_empty() {
            self = self.extended(&extensions);
        }
        self.raw(header(kind, name, target, content.len() as u64), content)
    }

    fn raw(mut self, mut header: Header, content: &[u8]) -> Archive {
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    fn extended(self, records: &[(&str, &[u8])]) -> Archive {
        let mut text = Vec::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let length =
                (1..).map(|digits| rest + digits).find(|l| l.to_string().len() + rest == *l);
            text.extend_from_slice(format!("{} {key}=", length.unwrap()).as_bytes());
            text.extend_from_slice(value);
            text.push(b'\n');
        }
        let header = header(EntryType::XHeader, "PaxHeaders/x", "", text.len() as u64);
        self.raw(header, &text)
    }

    fn file(self, name: &str, content: &str) -> Archive {
        self.entry(EntryType::Regular, name, "", content.as_bytes())
    }

    fn directory(self, name: &str) -> Archive {
        self.entry(EntryType::Directory, name, "", b"")
    }

    fn link(self, name: &str, target: &str) -> Archive {
        self.entry(EntryType::Symlink, name, target, b"")
    }

    fn hard(self, name: &str, target: &str) -> Archive {
        self.entry(EntryType::Link, name, target, b"")
    }

    fn end(mut self) -> Vec<u8> {
        self.0.extend_from_slice(&[0; 1024]);
        self.0
    }
}

fn header(kind: EntryType, name: &str, target: &str, size: u64) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    let old = header.as_old_mut();
    for (field, text) in [(&mut old.name, name), (&mut old.linkname, target)] {
        let length = text.len().min(100);
        field[..length].copy_from_slice(&text.as_bytes()[..length]);
    }
    header.set_size(size);
    header.set_mode(if kind == EntryType::Directory { 0o755 } else { 0o640 });
    header.set_mtime(7);
    header.set_uid(nix::unistd::getuid().as_raw().into());
    header.set_gid(nix::unistd::getgid().as_raw().into());
    header
}

/// Layers that lie on one another, and beside them what none of them may touch.
struct Layers {
    dir: tempfile::TempDir,
    count: usize,
}

impl Layers {
    fn new() -> Layers {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("outside")).unwrap();
        fs::write(dir.path().join("outside/canary"), "alive").unwrap();
        Layers { dir, count: 0 }
    }

    fn outside(&self) -> String {
        self.dir.path().join("outside").display().to_string()
    }

    fn path(&self, layer: usize) -> PathBuf {
        self.dir.path().join(layer.to_string())
    }

    /// The uppermost first.
    fn lower(&self) -> Vec<PathBuf> {
        (0..self.count).rev().map(|layer| self.path(layer)).collect()
    }

    fn union(&self) -> Directory {
        Directory::root(&self.lower(), Spelling::User).unwrap()
    }

    fn try_add(&mut self, archive: &[u8]) -> Result<Unpacked> {
        let (into, below) = (self.path(self.count), self.union());
        fs::create_dir(&into).unwrap();
        fs::set_permissions(&into, fs::Permissions::from_mode(0o755)).unwrap();
        let unpacked = unpack(archive, &into, &below, Spelling::User);
        // Whatever became of the archive, nothing outside of the layer is another.
        let outside = self.dir.path().join("outside");
        assert_eq!(fs::read_to_string(outside.join("canary")).unwrap(), "alive");
        assert_eq!(fs::metadata(outside.join("canary")).unwrap().nlink(), 1);
        assert_eq!(fs::read_dir(outside).unwrap().count(), 1);
        if unpacked.is_ok() {
            self.count += 1;
        }
        unpacked
    }

    #[track_caller]
    fn add(&mut self, archive: Archive) -> PathBuf {
        self.try_add(&archive.end()).unwrap();
        self.path(self.count - 1)
    }

    #[track_caller]
    fn refuses(archive: Archive, words: &str) {
        Layers::new().refuses_on_top(&archive.end(), words);
    }

    #[track_caller]
    fn refuses_on_top(&mut self, archive: &[u8], words: &str) {
        let error = self.try_add(archive).unwrap_err();
        let (told, _) = console::told(&error, 1);
        assert!(told.contains(words), "{words:?} is not in {told:?}");
        assert!(told.contains("\n  try: "), "no remedy in {told:?}");
        let error = format!("{error:#}");
        let mut parts: Vec<&str> = error.split(": ").collect();
        parts.sort_unstable();
        assert!(parts.windows(2).all(|two| two[0] != two[1]), "twice the same in {error:?}");
    }

    /// All paths of the union.
    fn seen(&self) -> Vec<String> {
        let mut out = Vec::new();
        pack_union(&self.union(), &mut out, None).unwrap();
        let mut archive = tar::Archive::new(&out[..]);
        let path = |entry: tar::Entry<&[u8]>| entry.path().unwrap().display().to_string();
        archive.entries().unwrap().map(|entry| path(entry.unwrap())).skip(1).collect()
    }
}

fn packed(layer: &Path) -> Vec<u8> {
    let mut out = Vec::new();
    pack_layer(layer, Spelling::User, &mut out, None).unwrap();
    out
}

#[test]
fn an_archive_becomes_a_directory() {
    let mut layers = Layers::new();
    let unpacked = layers.try_add(&Archive::new().file("a/b", "hi").end()).unwrap();
    assert_eq!((unpacked.entries, unpacked.newest), (1, Some(7)));
    assert_eq!(fs::read(layers.path(0).join("a/b")).unwrap(), b"hi");
}

#[test]
fn packing_what_was_unpacked_gives_the_same_bytes() {
    let long = "l".repeat(255);
    let deep = vec![&long[..60]; 60].join("/");
    let attribute: &[u8] = b"two\nlines\0and 9 path=evil\n";
    let mut archive = Archive::new()
        .directory("d/")
        .file("d/new\nline", "x")
        .file(&format!("d/{long}"), "y")
        .file(&format!("d/{}\n{}", "a".repeat(120), "b".repeat(120)), "z")
        .file(&deep, "deep")
        .link("d/link", &format!("{}\nend", "../t".repeat(200)))
        .hard("d/hard", "d/new\nline")
        .entry(EntryType::Fifo, "d/fifo", "", b"");
    archive = archive
        .extended(&[("mtime", b"1500000000.123456789"), ("SCHILY.xattr.user.x", attribute)])
        .file("d/more", "m")
        .extended(&[("mtime", b"-2.5")])
        .file("d/old", "o");
    let mut sticky = header(EntryType::Directory, "s/", "", 0);
    sticky.set_mode(0o3775);
    let mut program = header(EntryType::Regular, "s/program", "", 0);
    program.set_mode(0o6755);
    let mut layers = Layers::new();
    let first = layers.add(archive.raw(sticky, b"").raw(program, b""));
    assert_eq!(fs::read(first.join(&deep)).unwrap(), b"deep");
    let more = fs::metadata(first.join("d/more")).unwrap();
    assert_eq!((more.mtime(), more.mtime_nsec()), (1_500_000_000, 123_456_789));
    let old = fs::metadata(first.join("d/old")).unwrap();
    assert_eq!((old.mtime(), old.mtime_nsec()), (-3, 500_000_000));
    assert_eq!(fs::metadata(first.join("s")).unwrap().mode() & 0o7777, 0o3775);
    assert_eq!(fs::metadata(first.join("s/program")).unwrap().mode() & 0o7777, 0o6755);
    assert_eq!(fs::metadata(first.join("d/hard")).unwrap().nlink(), 2);
    assert_eq!(fs::metadata(first.join("d")).unwrap().mtime(), 7);
    let bytes = packed(&first);
    let other = Layers::new();
    let below = other.union();
    let into = other.path(9);
    fs::create_dir(&into).unwrap();
    unpack(&bytes[..], &into, &below, Spelling::User).unwrap();
    let attributes = kernel::xattr::get(fs::File::open(into.join("d/more")).unwrap(), c"user.x");
    assert_eq!(attributes.unwrap().as_deref(), Some(attribute));
    assert!(packed(&into) == bytes);
}

#[test]
fn marks_survive_the_way_into_an_archive_and_back() {
    let mut layers = Layers::new();
    layers.add(Archive::new().file("a/b", "").file("c/d", "").file("e", ""));
    let upper =
        layers.add(Archive::new().file(".wh.e", "").file("c/.wh..wh..opq", "").file("c/n", ""));
    let bytes = packed(&upper);
    assert_eq!(layers.seen(), ["a/", "a/b", "c/", "c/n"]);
    layers.count = 1;
    fs::remove_dir_all(&upper).unwrap();
    layers.try_add(&bytes).unwrap();
    assert_eq!(layers.seen(), ["a/", "a/b", "c/", "c/n"]);
    assert!(packed(&upper) == bytes);
}

#[test]
fn names_that_lead_out_are_refused_and_absolute_ones_land_inside() {
    let bad = ["../x", "a/../../x", "/../x", "..", "a/b/../../../outside/canary"];
    for name in bad {
        Layers::refuses(Archive::new().file(name, "evil"), "leads out of the layer");
        Layers::refuses(Archive::new().directory(name), "leads out of the layer");
        Layers::refuses(Archive::new().link(name, "x"), "leads out of the layer");
        let hard = Archive::new().file("x", "").hard("y", name);
        Layers::refuses(hard, "leads out of the layer");
    }
    let mut layers = Layers::new();
    let canary = format!("{}/canary", layers.outside());
    let layer = layers.add(Archive::new().file(&canary, "inside"));
    let inside = layer.join(canary.trim_start_matches('/'));
    assert_eq!(fs::read_to_string(inside).unwrap(), "inside");
    Layers::refuses(Archive::new().extended(&[("path", b"a\0b")]).file("x", ""), "NUL byte");
}

#[test]
fn links_are_followed_inside_only() {
    for up in ["", "../../../../../../../../../.."] {
        let mut layers = Layers::new();
        let outside = layers.outside();
        let target = format!("{up}{outside}");
        // Through a link, through a link to a link, and through a directory that became a link.
        let layer = layers.add(
            Archive::new()
                .link("one", &target)
                .file("one/canary", "evil")
                .link("two", "one")
                .file("two/more", "evil")
                .directory("three")
                .file("three/before", "")
                .link("three", &target)
                .file("three/canary", "last"),
        );
        let inside = layer.join(outside.trim_start_matches('/'));
        assert_eq!(fs::read_to_string(inside.join("canary")).unwrap(), "last");
        assert_eq!(fs::read_to_string(inside.join("more")).unwrap(), "evil");
        assert!(lstat(&layer.join("three")).unwrap().st_mode & 0o170000 == 0o120000);
    }
    let round = Archive::new().link("a", "b").link("b", "a").file("a/x", "");
    Layers::refuses(round, "ELOOP");
    Layers::refuses(Archive::new().file("a", "").file("a/x", ""), "is no directory");
}

#[test]
fn a_link_itself_is_replaced_and_not_written_through() {
    let mut layers = Layers::new();
    let canary = format!("{}/canary", layers.outside());
    let layer = layers
        .add(Archive::new().link("a", &canary).file("a", "own").link("b", &canary).hard("c", "b"));
    assert_eq!(fs::read_to_string(layer.join("a")).unwrap(), "own");
    assert_eq!(fs::read_link(layer.join("c")).unwrap(), Path::new(&canary));
    let mut chmod = header(EntryType::Symlink, "d", &canary, 0);
    chmod.set_mode(0o7777);
    layers.add(Archive::new().raw(chmod, b""));
}

#[test]
fn hard_links_lead_to_files_of_the_layers_only() {
    let outside = Layers::new();
    let canary = format!("{}/canary", outside.outside());
    Layers::refuses(Archive::new().hard("x", &canary), "which is not there");
    Layers::refuses(Archive::new().hard("x", "nothing"), "which is not there");
    Layers::refuses(Archive::new().directory("d").hard("x", "d"), "a directory");
    Layers::refuses(Archive::new().hard("x", "/"), "a hard link to the root");
    Layers::refuses(Archive::new().hard("x", ".wh.a"), "a hard link to a whiteout");
    let mark = format!("d/.wh.{}", "n".repeat(255));
    Layers::refuses(Archive::new().directory("d").hard("x", &mark), "a hard link to a whiteout");
    Layers::refuses(Archive::new().hard("x", ""), "a link to nothing");
    let mut layers = Layers::new();
    layers.add(Archive::new().file("a", ""));
    let gone = Archive::new().file(".wh.a", "").hard("x", "a").end();
    layers.refuses_on_top(&gone, "which is not there");
    fs::remove_dir_all(layers.path(1)).unwrap();
    layers.refuses_on_top(&Archive::new().directory("b").hard("x", "b").end(), "a directory");
    fs::remove_dir_all(layers.path(1)).unwrap();
    let same = layers.add(Archive::new().file("s", "kept").hard("s", "s").hard("s", "./s"));
    assert_eq!(fs::read_to_string(same.join("s")).unwrap(), "kept");
}

#[test]
fn a_hard_link_to_a_lower_file_copies_it_up_with_all_that_it_has() {
    let mut layers = Layers::new();
    let mut file = header(EntryType::Regular, "d/a", "", 4);
    file.set_mode(0o4711);
    let records: &[(&str, &[u8])] = &[("mtime", b"9.25"), ("SCHILY.xattr.user.x", b"v")];
    let below = Archive::new().directory("d").link("to-d", "d").extended(records);
    layers.add(below.raw(file, b"text").link("l", "there").entry(EntryType::Fifo, "p", "", b""));
    let upper = Archive::new().hard("b", "to-d/a").hard("c", "b").hard("m", "l").hard("q", "p");
    let layer = layers.add(upper);
    let meta = fs::metadata(layer.join("b")).unwrap();
    assert_eq!((meta.mode() & 0o7777, meta.nlink()), (0o4711, 3));
    assert_eq!((meta.mtime(), meta.mtime_nsec()), (9, 250_000_000));
    assert_eq!(fs::read_to_string(layer.join("d/a")).unwrap(), "text");
    let file = fs::File::open(layer.join("c")).unwrap();
    assert_eq!(kernel::xattr::get(file, c"user.x").unwrap().unwrap(), b"v");
    assert_eq!(fs::read_link(layer.join("m")).unwrap(), Path::new("there"));
    // The directory that had to be made is as it is below.
    assert_eq!(fs::metadata(layer.join("d")).unwrap().mtime(), 7);
    assert_eq!(layers.seen(), ["b", "c", "d/", "d/a", "l", "m", "p", "q", "to-d"]);
}

#[test]
fn names_that_only_look_like_marks_are_refused() {
    for name in [".wh.", ".wh..", ".wh...", ".wh..wh.plnk", ".wh..wh.", ".wh..wh..opqx"] {
        for name in [name.to_owned(), format!("d/{name}")] {
            Layers::refuses(Archive::new().file(&name, ""), "is no whiteout");
        }
    }
}

#[test]
fn an_opaque_directory_keeps_its_own_wherever_the_mark_stands() {
    let siblings = |archive: Archive| archive.file("d/a", "new").directory("d/s").file("d/s/n", "");
    let mark = |archive: Archive| archive.file("d/.wh..wh..opq", "");
    let marked = [
        mark(siblings(Archive::new().directory("d"))),
        siblings(mark(Archive::new().directory("d"))),
        siblings(mark(Archive::new())),
        mark(siblings(Archive::new())),
    ];
    for archive in marked {
        let mut layers = Layers::new();
        layers.add(Archive::new().file("d/a", "old").file("d/b", "").file("d/s/o", ""));
        layers.add(archive);
        assert_eq!(layers.seen(), ["d/", "d/a", "d/s/", "d/s/n"]);
    }
}

#[test]
fn the_root_is_opaque_wherever_the_mark_stands() {
    let own = |archive: Archive| archive.file("a", "").directory("d").file("d/n", "");
    let mark = |archive: Archive| archive.file(".wh..wh..opq", "");
    for archive in [mark(own(Archive::new())), own(mark(Archive::new()))] {
        let mut layers = Layers::new();
        layers.add(Archive::new().file("a", "").file("b", "").file("d/o", "").file("e/f", ""));
        layers.add(archive);
        assert_eq!(layers.seen(), ["a", "d/", "d/n"]);
    }
}

#[test]
fn a_whiteout_is_about_the_layers_below_wherever_it_stands() {
    type Make = fn(Archive) -> Archive;
    let kinds: [(Make, &[&str]); 3] = [
        (|archive| archive.file("a", ""), &["a"]),
        (|archive| archive.directory("a").file("a/n", ""), &["a/", "a/n"]),
        (|archive| archive.link("a", "x"), &["a"]),
    ];
    let mark: Make = |archive| archive.file(".wh.a", "");
    let below: [Make; 3] = [
        |archive| archive.file("a", ""),
        |archive| archive.file("a/o", ""),
        |archive| archive.link("a", "o"),
    ];
    for below in below {
        for (make, seen) in kinds {
            for archive in [mark(make(Archive::new())), make(mark(Archive::new()))] {
                let mut layers = Layers::new();
                layers.add(below(Archive::new().file("k", "")));
                layers.add(archive);
                assert_eq!(layers.seen(), [seen, &["k"]].concat());
            }
        }
        let mut layers = Layers::new();
        layers.add(below(Archive::new()));
        layers.add(mark(Archive::new()));
        assert_eq!(layers.seen(), [] as [&str; 0]);
        // And a layer above that has it again, as a directory, shows nothing of the lowest.
        layers.add(Archive::new().file("a/new", ""));
        assert_eq!(layers.seen(), ["a/", "a/new"]);
    }
    // Nothing of that name is below: nothing is hidden, and nothing is made.
    let mut layers = Layers::new();
    let layer = layers.add(Archive::new().file(".wh.nothing", "").file("d/.wh.nothing", ""));
    assert_eq!((layers.seen(), fs::read_dir(layer).unwrap().count()), (vec![], 0));
}

#[test]
fn of_two_entries_with_one_name_the_later_counts() {
    type Make = fn(Archive) -> Archive;
    let kinds: [(Make, u32); 5] = [
        (|archive| archive.file("a", "text"), 0o100000),
        (|archive| archive.directory("a").file("a/in", ""), 0o040000),
        (|archive| archive.link("a", "d"), 0o120000),
        (|archive| archive.entry(EntryType::Fifo, "a", "", b""), 0o010000),
        (|archive| archive.hard("a", "b"), 0o100000),
    ];
    for (first, _) in kinds {
        for (second, kind) in kinds {
            let mut layers = Layers::new();
            let base = Archive::new().directory("d").file("b", "");
            let layer = layers.add(second(first(base)));
            assert_eq!(lstat(&layer.join("a")).unwrap().st_mode & 0o170000, kind);
            assert!(fs::metadata(layer.join("d")).unwrap().is_dir());
            if kind == 0o040000 {
                assert_eq!(fs::read_dir(layer.join("a")).unwrap().count(), 1);
            }
        }
    }
    // A directory that comes twice keeps what is in it.
    let mut layers = Layers::new();
    let layer = layers.add(Archive::new().directory("a").file("a/in", "").directory("a"));
    assert!(layer.join("a/in").exists());
}

#[test]
fn what_is_cut_off_or_lies_about_its_size_is_refused() {
    let whole = Archive::new().file("a", &"x".repeat(5000)).end();
    for (length, words) in [(300, ""), (700, "ends in the middle"), (4000, "ends in the middle")] {
        Layers::new().refuses_on_top(&whole[..length], words);
    }
    for size in [1 << 20, u64::MAX / 2] {
        let mut lying = header(EntryType::Regular, "a", "", 0);
        lying.set_size(size);
        Layers::refuses(Archive::new().raw(lying, b"little"), "");
    }
    // An extended size counts, whatever has newlines before it.
    let hidden: &[(&str, &[u8])] = &[("SCHILY.xattr.user.x", b"\n"), ("size", b"600")];
    let content = "x".repeat(600);
    let archive = Archive::new().extended(hidden);
    let archive = archive.raw(header(EntryType::Regular, "a", "", 5), content.as_bytes());
    let mut layers = Layers::new();
    let layer = layers.add(archive.file("b", ""));
    assert_eq!(fs::read(layer.join("a")).unwrap().len(), 600);
    Layers::refuses(Archive::new().raw(header(EntryType::new(b'?'), "a", "", 0), b""), "kind '?'");
    let mut damaged = Archive::new().file("a", "x").end();
    damaged[3] ^= 1;
    Layers::new().refuses_on_top(&damaged, "no archive, or a damaged one");
    let mut negative = header(EntryType::Regular, "a", "", 0);
    negative.as_old_mut().size = [0xff; 12];
    let negative = Archive::new().raw(negative, b"");
    Layers::refuses(negative, "its size: -1 in a header, where nothing is below zero");
    let mut large = header(EntryType::Regular, "a", "", 0);
    large.as_old_mut().size = [0xbf; 12];
    Layers::refuses(Archive::new().raw(large, b""), "a number in a header is too large\n");
    for text in ["8 path=a\n", "x path=a\n", "999 path=a\n", "6 path\n", "0 \n", "7 path=a"] {
        let extended = header(EntryType::XHeader, "x", "", text.len() as u64);
        let archive = Archive::new().raw(extended, text.as_bytes()).file("a", "");
        Layers::refuses(archive, "");
    }
}

fn sparse(name: &str, size: u64, pieces: &[(u64, &[u8])]) -> Archive {
    let content: Vec<u8> = pieces.concat_content();
    let mut header = Header::new_gnu();
    let ours = self::header(EntryType::GNUSparse, name, "", content.len() as u64);
    header.as_old_mut().name = ours.as_old().name;
    header.set_entry_type(EntryType::GNUSparse);
    header.set_size(content.len() as u64);
    header.set_mode(0o640);
    header.set_mtime(7);
    header.set_uid(ours.uid().unwrap());
    header.set_gid(ours.gid().unwrap());
    let gnu = header.as_gnu_mut().unwrap();
    let octal = |field: &mut [u8; 12], number: u64| {
        // Larger than eleven digits: in base 256.
        if number < 1 << 33 {
            field.copy_from_slice(format!("{number:011o}\0").as_bytes());
        } else {
            field[4..].copy_from_slice(&number.to_be_bytes());
            field[0] = 0x80;
        }
    };
    for (field, (offset, piece)) in gnu.sparse.iter_mut().zip(pieces) {
        octal(&mut field.offset, *offset);
        octal(&mut field.numbytes, piece.len() as u64);
    }
    octal(&mut gnu.realsize, size);
    Archive::new().raw(header, &content)
}

trait Concat {
    fn concat_content(&self) -> Vec<u8>;
}

impl Concat for [(u64, &[u8])] {
    fn concat_content(&self) -> Vec<u8> {
        self.iter().flat_map(|(_, piece)| piece.iter().copied()).collect()
    }
}

#[test]
fn a_sparse_file_keeps_its_holes_and_a_huge_one_is_refused() {
    let block = [b'x'; 512];
    let mut layers = Layers::new();
    let size = 64 << 20;
    let layer = layers.add(sparse("a", size, &[(32 << 20, &block), (size, b"")]));
    let meta = fs::metadata(layer.join("a")).unwrap();
    assert_eq!(meta.len(), size);
    assert!(meta.blocks() < 1000, "{} blocks", meta.blocks());
    let content = fs::read(layer.join("a")).unwrap();
    assert_eq!(content.iter().filter(|byte| **byte == b'x').count(), 512);
    assert_eq!(&content[32 << 20..(32 << 20) + 512], block);
    let most = 1 << 62;
    Layers::refuses(sparse("a", most, &[(0, &block), (most, b"")]), "a file of");
    Layers::refuses(sparse("a", 1 << 20, &[(1 << 20, &block)]), "");
    Layers::refuses(sparse("a", 1 << 20, &[(4096, &block), (0, &block)]), "");
}

#[test]
fn names_may_be_as_long_as_the_kernel_takes_and_no_longer() {
    let mut layers = Layers::new();
    layers.add(Archive::new().file(&"n".repeat(255), "").file(&vec!["d"; 300].join("/"), ""));
    assert_eq!(layers.seen().len(), 301);
    Layers::refuses(Archive::new().file(&"n".repeat(256), ""), "longer than a name can be");
    Layers::refuses(Archive::new().file(&"d/".repeat(2049), ""), "longer than a path can be");
    // A whiteout's name is that of what it hides, and four bytes more.
    let longest = "n".repeat(255);
    let upper = layers.add(Archive::new().file(&format!(".wh.{longest}"), ""));
    assert!(!layers.seen().contains(&longest));
    let bytes = packed(&upper);
    layers.count -= 1;
    fs::remove_dir_all(&upper).unwrap();
    layers.try_add(&bytes).unwrap();
    assert!(!layers.seen().contains(&longest) && packed(&upper) == bytes);
    let longer = format!(".wh.{}", "n".repeat(256));
    Layers::refuses(Archive::new().file(&longer, ""), "longer than a name can be");
    let target = "t/".repeat(2047);
    let mut layers = Layers::new();
    let layer = layers.add(Archive::new().link("l", &target));
    assert_eq!(fs::read_link(layer.join("l")).unwrap(), Path::new(&target));
    Layers::refuses(Archive::new().link("l", &"t/".repeat(2049)), "longer than a path can be");
}

#[test]
fn headers_are_read_up_to_a_bound_whatever_they_say() {
    for kind in [EntryType::GNULongName, EntryType::GNULongLink, EntryType::XHeader] {
        let announced = header(kind, "x", "", 1 << 30);
        // As much as is announced does come: whoever reads all of it has it in memory.
        let mut archive = Archive::new();
        archive = archive.raw(announced, b"");
        let endless = archive.0.chain(io::repeat(b'n').take(1 << 30));
        let layers = Layers::new();
        let into = layers.path(0);
        fs::create_dir(&into).unwrap();
        let mut counted = Counted { inner: endless, count: 0 };
        let error = unpack(&mut counted, &into, &layers.union(), Spelling::User).unwrap_err();
        assert!(format!("{error:#}").contains("more than 1 MiB"), "{error:#}");
        assert!(counted.count <= 1 << 20, "{}", counted.count);
    }
    // The bound is one of each entry, not of all.
    let mut many = Archive::new();
    for number in 0..1500 {
        many = many.extended(&[("comment", &[b'c'; 700])]).file(&format!("f{number}"), "x");
    }
    assert_eq!(Layers::new().try_add(&many.end()).unwrap().entries, 1500);
}

trait Chain {
    fn chain(self, rest: impl Read) -> impl Read;
}

impl Chain for Vec<u8> {
    fn chain(self, rest: impl Read) -> impl Read {
        io::Cursor::new(self).chain(rest)
    }
}

struct Counted<R> {
    inner: R,
    count: usize,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.count += length;
        Ok(length)
    }
}

#[test]
fn a_device_that_means_a_whiteout_is_refused() {
    let mut device = header(EntryType::Char, "a", "", 0);
    device.set_device_major(0).unwrap();
    device.set_device_minor(0).unwrap();
    Layers::refuses(Archive::new().raw(device, b""), "a character device 0:0");
}

#[test]
fn what_is_made_on_the_way_is_as_it_is_below() {
    let mut layers = Layers::new();
    let mut parent = header(EntryType::Directory, "p/", "", 0);
    parent.set_mode(0o2711);
    parent.set_mtime(1234);
    let records: &[(&str, &[u8])] = &[("SCHILY.xattr.user.x", b"of p")];
    layers.add(Archive::new().extended(records).raw(parent, b"").file("p/q/old", ""));
    let layer = layers.add(Archive::new().file("p/new", "").file("own/new", ""));
    let meta = fs::metadata(layer.join("p")).unwrap();
    assert_eq!((meta.mode() & 0o7777, meta.mtime()), (0o2711, 1234));
    let attribute = kernel::xattr::get(fs::File::open(layer.join("p")).unwrap(), c"user.x");
    assert_eq!(attribute.unwrap().unwrap(), b"of p");
    assert_eq!(fs::metadata(layer.join("own")).unwrap().mode() & 0o7777, 0o755);
}

#[test]
fn an_entry_below_a_lower_link_lands_where_that_leads() {
    let mut layers = Layers::new();
    let outside = layers.outside();
    let below = Archive::new().directory("usr/lib").link("lib", "usr/lib").link("out", &outside);
    layers.add(below);
    let layer = layers.add(Archive::new().file("lib/a", "a").file("out/canary", "evil"));
    assert_eq!(fs::read_to_string(layer.join("usr/lib/a")).unwrap(), "a");
    assert!(fs::symlink_metadata(layer.join("lib")).is_err());
    let inside = layer.join(outside.trim_start_matches('/')).join("canary");
    assert_eq!(fs::read_to_string(inside).unwrap(), "evil");
    let gone = layers.add(Archive::new().file("lib/.wh.a", ""));
    assert!(!layers.seen().contains(&"usr/lib/a".to_owned()), "{}", gone.display());
}

#[test]
fn overlays_own_attributes_are_not_taken() {
    for attribute in ["redirect", "metacopy", "opaque", "whiteout", "origin"] {
        for namespace in ["trusted", "user"] {
            let key = format!("SCHILY.xattr.{namespace}.overlay.{attribute}");
            let mut layers = Layers::new();
            let records: &[(&str, &[u8])] = &[(&key, b"y"), ("SCHILY.xattr.user.mine", b"kept")];
            let archive = Archive::new().extended(records).directory("d").extended(records);
            let layer = layers.add(archive.file("f", ""));
            for name in ["d", "f"] {
                let file = fs::File::open(layer.join(name)).unwrap();
                assert_eq!(kernel::xattr::list(file).unwrap(), [c"user.mine".to_owned()]);
            }
        }
    }
}

#[test]
fn what_is_about_all_entries_is_passed_over() {
    let text = b"52 comment=0123456789012345678901234567890123456789\n";
    let global = header(EntryType::XGlobalHeader, "pax_global_header", "", text.len() as u64);
    let mut layers = Layers::new();
    layers.add(Archive::new().raw(global, text).file("a", ""));
    assert_eq!(layers.seen(), ["a"]);
}

#[test]
fn a_layer_that_is_made_by_hand_leads_nowhere_either() {
    // A link of the layer itself, put there by nobody's archive.
    let mut layers = Layers::new();
    fs::create_dir(layers.path(0)).unwrap();
    symlink(layers.outside(), layers.path(0).join("l")).unwrap();
    layers.count = 1;
    layers.add(Archive::new().file("l/canary", "evil"));
}

mod forms;
