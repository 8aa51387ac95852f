//! The same said in many forms and orders.

use super::*;
use std::ffi::CStr;
use std::os::unix::fs::FileExt;

fn attribute(path: &Path, name: &CStr) -> Option<Vec<u8>> {
    kernel::xattr::get(fs::File::open(path).unwrap(), name).unwrap()
}

#[test]
fn marks_and_entries_mean_the_same_in_every_order() {
    let below = || {
        let below = Archive::new().directory("d").file("d/low", "").file("d/sub/low", "");
        below.file("f", "").file("gone", "")
    };
    let entries: [&dyn Fn(Archive) -> Archive; 7] = [
        &|archive| archive.directory("d").file("d/own", ""),
        &|archive| archive.file(".wh.d", ""),
        &|archive| archive.file("f", "own"),
        &|archive| archive.file(".wh.f", ""),
        &|archive| archive.file(".wh.gone", ""),
        &|archive| archive.file(".wh.no", "").file("no/.wh.x", "").file("no/.wh..wh..opq", ""),
        &|archive| archive.file("d/.wh.sub", "what is in a mark counts for nothing"),
    ];
    for rotation in 0..entries.len() {
        for reverse in [false, true] {
            let mut order: Vec<_> = (0..entries.len()).collect();
            order.rotate_left(rotation);
            if reverse {
                order.reverse();
            }
            let mut layers = Layers::new();
            layers.add(below());
            let archive = order.iter().fold(Archive::new(), |all, entry| entries[*entry](all));
            let layer = layers.add(archive);
            assert_eq!(layers.seen(), ["d/", "d/own", "f"], "{order:?}");
            assert_eq!(fs::read_to_string(layer.join("f")).unwrap(), "own");
            // The kernel shows a mark that hides nothing as a name with nothing behind it.
            for name in ["d/sub", "no"] {
                assert!(fs::symlink_metadata(layer.join(name)).is_err(), "{name}, {order:?}");
            }
        }
    }
}

/// What is here for a mark or a hard link alone is no entry of the archive.
#[test]
fn a_mark_hides_what_no_entry_says_is_there() {
    let below = || {
        let below = Archive::new().file("d/sub/low", "").file("d/sub/other", "");
        below.file("d/file", "linked").file("top/sub/low", "").file("f", "")
    };
    let mark = |name: &str| Archive::new().file(name, "");
    for (upper, seen) in [
        (mark("d/sub/.wh.low").file("d/.wh.sub", ""), &["d/"][..]),
        (mark("d/.wh.sub").file("d/sub/.wh.low", ""), &["d/"]),
        (mark("d/sub/.wh.low").file("d/.wh..wh..opq", ""), &["d/"]),
        (mark("d/sub/.wh..wh..opq").file("d/.wh..wh..opq", ""), &["d/"]),
        // The second name is the archive's own, wherever it is.
        (
            Archive::new().hard("d/sub/link", "d/file").file(".wh.d", ""),
            &["d/", "d/sub/", "d/sub/link"],
        ),
        (Archive::new().hard("d/link", "d/file").file("d/.wh..wh..opq", ""), &["d/", "d/link"]),
        // So is what is in a directory, and a directory that has an entry.
        (mark("d/sub/own").file("d/.wh..wh..opq", ""), &["d/", "d/sub/", "d/sub/own"]),
        (mark("d/sub/.wh.low").directory("d/sub").file("d/.wh.sub", ""), &["d/", "d/sub/"]),
    ] {
        let mut layers = Layers::new();
        layers.add(below());
        layers.add(upper.file("d/.wh.file", "").file(".wh.top", "").file(".wh.f", ""));
        assert_eq!(layers.seen(), seen);
    }
    let mut layers = Layers::new();
    layers.add(below());
    layers.add(mark("top/sub/.wh.low").hard("own", "f").file(".wh..wh..opq", ""));
    assert_eq!(layers.seen(), ["own"]);
}

/// Behind a file nothing is, so nothing is to be hidden.
#[test]
fn a_mark_behind_a_file_hides_nothing() {
    let mut layers = Layers::new();
    layers.add(Archive::new().file("f", ""));
    layers
        .add(Archive::new().file("f/.wh.x", "").file("f/g/.wh.x", "").file("f/g/.wh..wh..opq", ""));
    assert_eq!(layers.seen(), ["f"]);
}

#[test]
fn no_mark_is_left_in_what_hides_all_below() {
    let mut layers = Layers::new();
    layers.add(Archive::new().file("d/sub/low", "").file("d/low", ""));
    let archive = Archive::new().file("d/.wh.low", "").file("d/sub/.wh.low", "");
    let archive = archive.file("d/.wh..wh..opq", "").file("d/sub/own", "");
    let layer = layers.add(archive.file("d/sub/.wh.low", "").file("d/.wh.low", ""));
    assert_eq!(layers.seen(), ["d/", "d/sub/", "d/sub/own"]);
    for (directory, names) in [("d", 1), ("d/sub", 1)] {
        assert_eq!(fs::read_dir(layer.join(directory)).unwrap().count(), names, "{directory}");
    }
    // What was a file meanwhile shows nothing of below.
    let mut layers = Layers::new();
    layers.add(Archive::new().file("d/low", ""));
    layers.add(Archive::new().file("d", "").directory("d"));
    assert_eq!(layers.seen(), ["d/"]);
}

#[test]
fn what_is_in_a_mark_or_a_file_or_too_deep_is_refused() {
    for name in [".wh.x/y", ".wh..wh.plnk/1.2", "a/.wh..wh..opq/x"] {
        Layers::refuses(Archive::new().file(name, ""), "in a whiteout");
    }
    Layers::refuses(Archive::new().file("f", "").file("f/x", ""), "\"f/x\": \"f\" is no directory");
    Layers::refuses(Archive::new().file("f", "").file("f/g/x", ""), "ENOTDIR");
    Layers::refuses(Archive::new().link("a", "b").link("b", "a").file("a/x", ""), "ELOOP");
    Layers::refuses(
        Archive::new().file(&("d/".repeat(entries::DEEPEST) + "f"), ""),
        "in one another",
    );
    let mut layers = Layers::new();
    layers.add(Archive::new().file("low", ""));
    layers.refuses_on_top(&Archive::new().file("low/x", "").end(), "is no directory");
}

#[test]
fn an_archive_without_its_end_says_where_it_ends() {
    let whole = Archive::new().file("first", "1").extended(&[("comment", b"x")]);
    let whole = whole.file("second", &"2".repeat(2000)).0;
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
        Layers::new().refuses_on_top(&whole[..end], words);
        Layers::new().refuses_on_top(&whole[..end], "ends");
    }
    // Some leave out the empty blocks after the last entry; others have something after those.
    assert_eq!(Layers::new().try_add(&whole).unwrap().entries, 2);
    assert_eq!(Layers::new().try_add(b"").unwrap().entries, 0);
    // A single one, and something after it that would be lost unseen.
    for rest in [Archive::new().file("second", "").end(), b"x".to_vec()] {
        let archive = [&Archive::new().file("first", "").0[..], &[0; 512], &rest].concat();
        Layers::new().refuses_on_top(&archive, "an empty block in the middle");
    }
    let one = [&Archive::new().file("first", "").0[..], &[0; 512]].concat();
    assert_eq!(Layers::new().try_add(&one).unwrap().entries, 1);
    let layers = Layers::new();
    fs::create_dir(layers.path(0)).unwrap();
    let more = [&whole[..], &[0; 1024], b"what a digest is taken of, too"].concat();
    let mut reader = &more[..];
    unpack(&mut reader, &layers.path(0), &layers.union(), Spelling::User).unwrap();
    assert!(reader.is_empty());
}

#[test]
fn headers_that_contradict_one_another_are_refused() {
    for kind in [EntryType::GNULongName, EntryType::GNULongLink, EntryType::XHeader] {
        let one = |archive: Archive| archive.raw(header(kind, "x", "", 6), b"6 a=b\n");
        let twice = one(one(Archive::new())).file("f", "");
        Layers::refuses(twice, "two extended headers");
    }
    let owner = |id: &[u8]| Archive::new().extended(&[("uid", id)]).file("f", "");
    Layers::refuses(owner(b"4294967296"), "more than a number of an account");
    Layers::refuses(owner(b"4294967295"), "more than a number of an account");
    Layers::refuses(owner(b"-1"), "is no number");
    // GNU's name counts, as for Go.
    let mut layers = Layers::new();
    let archive = Archive::new().extended(&[("path", b"pax")]);
    let archive = archive.raw(header(EntryType::GNULongName, "x", "", 4), b"gnu\0");
    layers.add(archive.file("short", ""));
    assert_eq!(layers.seen(), ["gnu"]);
    // What is no file has no content, whatever it says.
    let mut layers = Layers::new();
    let archive = Archive::new().raw(header(EntryType::Directory, "d", "", 512), b"");
    layers.add(archive.file("f", ""));
    assert_eq!(layers.seen(), ["d/", "f"]);
    // Before there were kinds, a name said what is a directory.
    let mut layers = Layers::new();
    let mut old = header(EntryType::Regular, "d/", "", 0);
    old.as_old_mut().linkflag = [0];
    old.set_mode(0o755);
    layers.add(Archive::new().raw(old, b"").file("d/f", ""));
    assert_eq!(layers.seen(), ["d/", "d/f"]);
}

#[test]
fn attributes_and_times_are_those_said_last() {
    let mut layers = Layers::new();
    let value = b"a\nb\0c=d\n20 path=evil\n";
    let records: &[(&str, &[u8])] = &[
        ("path", b"long\nname"),
        ("mtime", b"-1.5"),
        ("SCHILY.xattr.user.b", b"first"),
        ("SCHILY.xattr.user.b", value),
        ("SCHILY.xattr.user.empty", b""),
    ];
    let layer = layers.add(Archive::new().extended(records).file("short", ""));
    let file = layer.join("long\nname");
    let meta = fs::metadata(&file).unwrap();
    assert_eq!((meta.mtime(), meta.mtime_nsec()), (-2, 500_000_000));
    assert_eq!(attribute(&file, c"user.b").as_deref(), Some(&value[..]));
    assert_eq!(attribute(&file, c"user.empty").as_deref(), Some(&b""[..]));
    let mut layers = Layers::new();
    let archive = Archive::new().extended(&[("SCHILY.xattr.user.a", b"1")]).directory("d");
    let layer = layers.add(archive.directory("d"));
    assert_eq!(attribute(&layer.join("d"), c"user.a"), None);
}

#[test]
fn what_a_directory_hands_down_is_not_what_an_archive_says() {
    let mut layers = Layers::new();
    // Version 2; the owner, a user, the group, the mask and others (acl(5)).
    let mut acl = vec![2, 0, 0, 0];
    for (tag, id) in [(1, u32::MAX), (2, 1), (4, u32::MAX), (16, u32::MAX), (32, u32::MAX)] {
        acl.extend([tag, 0, 7, 0]);
        acl.extend(u32::to_le_bytes(id));
    }
    let records: &[(&str, &[u8])] = &[("SCHILY.xattr.system.posix_acl_default", &acl)];
    let archive = Archive::new().extended(records).directory("d").file("d/f", "");
    let layer = layers.add(archive.directory("d/e"));
    let name = c"system.posix_acl_default";
    assert_eq!(attribute(&layer.join("d"), name), Some(acl));
    assert_eq!(attribute(&layer.join("d/e"), name), None);
    assert_eq!(attribute(&layer.join("d/f"), c"system.posix_acl_access"), None);
    assert_eq!(fs::metadata(layer.join("d/f")).unwrap().mode() & 0o7777, 0o640);
}

#[test]
fn holes_stay_holes_in_each_form_they_are_written() {
    let mut layers = Layers::new();
    let block = [b'o'; 512];
    let old = sparse("old", 1 << 40, &[(1 << 39, &block), (1 << 40, b"")]);
    let one: &[(&str, &[u8])] = &[
        ("GNU.sparse.major", b"1"),
        ("GNU.sparse.minor", b"0"),
        ("GNU.sparse.name", b"one"),
        ("GNU.sparse.realsize", b"1048576"),
    ];
    let mut content = b"1\n524288\n3\n".to_vec();
    content.resize(512, 0);
    content.extend(b"abc");
    let content = String::from_utf8(content).unwrap();
    let archive = old.extended(one).file("GNUSparseFile.1/one", &content);
    let zero = |map| [("GNU.sparse.size", &b"1000000"[..]), ("GNU.sparse.map", map)];
    let archive = archive.extended(&zero(b"0,1,999000,2")).file("zero", "xyz");
    let archive = archive.file("zeros", &"\0".repeat(1 << 20)).file("after", "");
    let layer = layers.add(archive);
    assert!(layer.join("after").exists());
    for name in ["old", "one", "zero", "zeros"] {
        let blocks = fs::metadata(layer.join(name)).unwrap().blocks();
        assert!(blocks < 400, "{name} takes {blocks} blocks");
    }
    let read = |name: &str, offset| {
        let mut bytes = [0; 4];
        fs::File::open(layer.join(name)).unwrap().read_exact_at(&mut bytes, offset).unwrap();
        bytes
    };
    assert_eq!(&read("old", (1 << 39) - 2), b"\0\0oo");
    assert_eq!(&read("one", 524_287), b"\0abc");
    assert_eq!(&read("zero", 998_999), b"\0yz\0");

    let bad: [&[u8]; 6] =
        [b"5,1,0,2", b"0,1,999999,2", b"0,1,2", b"0,1", b"0,18446744073709551615,1,4", b"x,3"];
    for map in bad {
        Layers::refuses(Archive::new().extended(&zero(map)).file("f", "xyz"), "");
    }
    for map in ["9999999999\n", "1\n0\n", "x\n", "2\n0\n1\n"] {
        let mut content = map.to_owned();
        content.extend(std::iter::repeat_n('\0', 512 - map.len()));
        Layers::refuses(Archive::new().extended(one).file("f", &content), "");
    }
}

#[test]
fn what_is_a_hole_below_is_not_read_to_be_copied_up() {
    // How much this thread has read so far (proc_pid_io(5)).
    let read = || -> u64 {
        let told = fs::read_to_string("/proc/thread-self/io").unwrap();
        told.strip_prefix("rchar: ").unwrap().lines().next().unwrap().parse().unwrap()
    };
    let (size, block) = (64 << 20, [b'o'; 4096]);
    let mut layers = Layers::new();
    layers.add(sparse("a", size, &[(32 << 20, &block), (48 << 20, &block), (size, b"")]));
    let before = read();
    let layer = layers.add(Archive::new().hard("b", "a"));
    assert!(read() - before < 1 << 20, "{} bytes were read", read() - before);
    let copied = fs::read(layer.join("b")).unwrap();
    assert!(copied == fs::read(layers.path(0).join("a")).unwrap(), "the content is another");
    assert_eq!(copied.iter().filter(|byte| **byte == b'o').count(), 2 * block.len());
    assert!(fs::metadata(layer.join("b")).unwrap().blocks() < 400);
}

#[test]
fn modes_and_capabilities_survive_a_change_of_owner() {
    if !nix::unistd::getuid().is_root() {
        // Only root gives a file away.
        return;
    }
    let mut layers = Layers::new();
    let mut bin = header(EntryType::Regular, "bin", "", 1);
    bin.set_mode(0o6755);
    bin.set_uid(1_000_000);
    bin.set_gid(7);
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let records: &[(&str, &[u8])] = &[("SCHILY.xattr.security.capability", &capability)];
    let layer = layers.add(Archive::new().extended(records).raw(bin, b"x"));
    let file = fs::metadata(layer.join("bin")).unwrap();
    assert_eq!((file.mode() & 0o7777, file.uid(), file.gid()), (0o6755, 1_000_000, 7));
    let found = attribute(&layer.join("bin"), c"security.capability");
    assert_eq!(found.as_deref(), Some(&capability[..]));
}
