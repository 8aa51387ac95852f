use super::*;
use crate::engine::pack::pack_layer;
use nix::sys::stat::lstat;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, symlink};
use tar::EntryType;

use self::made::{Archive, Layers, header, sparse};

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

mod forms;
mod links;
mod made;
