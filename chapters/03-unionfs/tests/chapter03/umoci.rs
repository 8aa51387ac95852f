//! Ten awkward layers: what a container sees of them is what `umoci unpack` makes of them, file by file.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use tar::EntryType;
use testkit::{fresh_root, peer, program, root_or_skip, scratch};

use crate::minidock;
use crate::oci::{About, Layer, put};

/// A file, as far as stat(2), readlink(2), xattr(7) and its content tell.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    mode: String,
    owner: (u32, u32),
    mtime: (i64, i64),
    device: u64,
    content: Vec<u8>,
    xattrs: Vec<(String, Vec<u8>)>,
    /// The first of the names of the same file.
    same_as: Option<PathBuf>,
}

/// All that is in a tree, but for what a container has mounted in it.
fn tree(top: &Path) -> BTreeMap<PathBuf, Seen> {
    let (mut seen, mut ahead) = (BTreeMap::new(), vec![PathBuf::new()]);
    while let Some(path) = ahead.pop() {
        let at = top.join(&path);
        let meta = fs::symlink_metadata(&at).unwrap();
        let kind = meta.file_type();
        let content = match () {
            () if kind.is_dir() => {
                let names = fs::read_dir(&at).unwrap().map(|entry| entry.unwrap().file_name());
                let names = names.map(|name| path.join(name));
                let mounted =
                    |path: &PathBuf| ["proc", "sys", "dev"].iter().any(|m| path == Path::new(m));
                ahead.extend(names.filter(|path| !mounted(path)));
                Vec::new()
            }
            () if kind.is_symlink() => fs::read_link(&at).unwrap().as_os_str().as_bytes().to_vec(),
            () if kind.is_file() => fs::read(&at).unwrap(),
            () => Vec::new(),
        };
        let how = libc::O_PATH | libc::O_NOFOLLOW;
        let file = OpenOptions::new().read(true).custom_flags(how).open(&at).unwrap();
        let value = |name: &std::ffi::CString| kernel::xattr::get(&file, name).unwrap().unwrap();
        let names = kernel::xattr::list(&file).unwrap();
        let xattrs = names.iter().map(|name| (name.to_str().unwrap().to_owned(), value(name)));
        let described = Seen {
            mode: format!("{:o}", meta.mode()),
            owner: (meta.uid(), meta.gid()),
            mtime: match meta.mtime() {
                // No archive here is so young: of a directory that none describes, umoci leaves the
                // moment of unpacking, and ours has that of no time, for the same layer each time.
                1_600_000_000.. => (0, 0),
                // Of the root itself, it leaves that of the last thing that was made in it.
                _ if path.as_os_str().is_empty() => (0, 0),
                seconds => (seconds, meta.mtime_nsec()),
            },
            device: meta.rdev(),
            content,
            xattrs: xattrs.collect(),
            same_as: None,
        };
        seen.insert(path, described);
    }
    let mut first: BTreeMap<u64, PathBuf> = BTreeMap::new();
    for (path, described) in &mut seen {
        let meta = fs::symlink_metadata(top.join(path)).unwrap();
        if !meta.is_dir() {
            let known = first.entry(meta.ino()).or_insert_with(|| path.clone());
            described.same_as = (known != path).then(|| known.clone());
        }
    }
    seen
}

fn ten_layers() -> Vec<Layer> {
    let plain = About::default();
    let directory = About { mode: 0o755, ..About::default() };
    let long = "n".repeat(255);
    let deep = format!("deep/{}", ["directory"; 120].join("/"));
    // CAP_NET_RAW, for whoever runs it; with a byte in it that ends a line.
    let capability =
        b"\x01\x00\x00\x02\x00\x20\x00\x00\x0a\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00";
    let attributes: &[(&str, &[u8])] = &[("user.a", b"b\nc\0d"), ("user.b", b"=")];
    let special = |mode, device| About { mode, device, owner: (12, 345), ..About::default() };
    let odd = |mtime| About { mtime, ..About::default() };
    let whole = Layer::new().entry(EntryType::Directory, "./", "", b"", &directory);
    let base = whole.with_probe().directory("gone").directory("gone/dir").directory("kept");
    vec![
        base.file("gone/file", "x")
            .file("gone/dir/x", "x")
            .link("gone/link", "dir")
            .file("kept/empty", "")
            .file("kept/zeros", vec![0; 300_000])
            .directory("opaque")
            .file("opaque/a", "old")
            .file("opaque/b", "")
            .file("opaque/s/c", "")
            .file("swap", "was a file")
            .directory("back")
            .file("back/in", "was in a directory")
            .file("hl/a", "linked")
            .hard("hl/b", "hl/a")
            .file("hl/one", "alone")
            .directory("usr/lib")
            .link("lib", "usr/lib")
            .file("chmod", "text"),
        Layer::new()
            .directory("gone")
            .file("gone/.wh.file", "")
            .file("gone/.wh.dir", "")
            .file("gone/.wh.link", ""),
        // Once before its siblings and once after them.
        Layer::new()
            .directory("opaque")
            .file("opaque/.wh..wh..opq", "")
            .file("opaque/a", "new")
            .directory("opaque/s")
            .file("opaque/s/new", "")
            .directory("kept/none")
            .file("kept/none/.wh..wh..opq", ""),
        Layer::new()
            .directory("swap")
            .file("swap/in", "now in a directory")
            .file("back", "now a file"),
        Layer::new()
            .file("swap", "a file again")
            .directory("back")
            .file("back/new", "a directory again"),
        // Through a link of a layer below; a hard link within this layer, and one to a file below.
        Layer::new()
            .file("lib/library", "")
            .hard("usr/lib/same", "lib/library")
            .hard("hl/two", "hl/one"),
        Layer::new()
            .entry(
                EntryType::Regular,
                "x/file",
                "",
                b"f",
                &About { xattrs: attributes, ..plain.clone() },
            )
            .entry(
                EntryType::Directory,
                "x/dir/",
                "",
                b"",
                &About { xattrs: attributes, ..directory.clone() },
            )
            .entry(
                EntryType::Regular,
                "x/ping",
                "",
                b"p",
                &About {
                    xattrs: &[("security.capability", capability)],
                    mode: 0o755,
                    ..plain.clone()
                },
            ),
        Layer::new()
            .entry(EntryType::Regular, "special/suid", "", b"", &special(0o4755, (0, 0)))
            .entry(EntryType::Regular, "special/sgid", "", b"", &special(0o2711, (0, 0)))
            .entry(EntryType::Directory, "special/sticky/", "", b"", &special(0o3777, (0, 0)))
            .entry(EntryType::Char, "special/null", "", b"", &special(0o666, (1, 3)))
            .entry(EntryType::Char, "special/large", "", b"", &special(0o600, (300, 70_000)))
            .entry(EntryType::Block, "special/disk", "", b"", &special(0o660, (7, 0)))
            .entry(EntryType::Fifo, "special/fifo", "", b"", &special(0o622, (0, 0)))
            .entry(EntryType::Symlink, "special/link", "nowhere", b"", &special(0o777, (0, 0))),
        Layer::new()
            .file("new\nline", "1")
            .file(format!("{}\n{}", "a".repeat(120), "b".repeat(120)), "2")
            .file(&long, "3")
            .file(format!("d/{long}"), "4")
            .file(format!("{deep}/file"), "5")
            .file(b"not\xff\xfeutf-8", "6")
            .link("long", &"../target".repeat(300))
            .directory(&format!("{deep}/and/more"))
            .file("-rf *", "7")
            .file(" ", "8"),
        Layer::new()
            .entry(EntryType::Regular, "times/a", "", b"", &odd("1500000000.123456789"))
            .entry(
                EntryType::Directory,
                "times/",
                "",
                b"",
                &About { mtime: "1400000000.5", ..directory.clone() },
            )
            .entry(EntryType::Regular, "times/b", "", b"", &odd("1.000000001"))
            .entry(EntryType::Symlink, "times/l", "a", b"", &odd("1300000000.75"))
            .entry(
                EntryType::Regular,
                "chmod",
                "",
                b"text",
                &About { mode: 0o4600, ..plain.clone() },
            )
            .entry(
                EntryType::Directory,
                "kept/",
                "",
                b"",
                &About { mode: 0o700, owner: (9, 9), ..plain },
            ),
    ]
}

#[test]
fn a_container_sees_what_umoci_makes_of_ten_awkward_layers() {
    let Some(umoci) = peer("umoci", "apt install umoci") else { return };
    let Some(skopeo) = peer("skopeo", "apt install skopeo") else { return };
    if !root_or_skip("an image with devices and foreign owners") {
        return;
    }
    let (root, bundle) = (fresh_root(), scratch());
    let root = root.path();
    put(root, "awkward:v1", ten_layers());
    let layout = format!("{}/images:awkward:v1", root.display());
    program(&skopeo).arg("inspect").arg(format!("oci:{layout}")).run().success();
    let bundle = bundle.path().join("bundle");
    program(&umoci).words("unpack --image").arg(&layout).arg(&bundle).run().success();
    let theirs = tree(&bundle.join("rootfs"));
    assert!(theirs.len() > 170, "{}", theirs.len());
    for driver in ["overlay", "copy"] {
        let run = minidock(root, "run --rm --storage-driver").arg(driver);
        let running = run.words("awkward:v1 /probe sleep 600").spawn();
        let pid = running.container_pid();
        let ours = tree(Path::new(&format!("/proc/{pid}/root")));
        let names = |tree: &BTreeMap<PathBuf, Seen>| tree.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&ours), names(&theirs), "{driver}");
        let differ = theirs.iter().filter(|(path, theirs)| ours[*path] != **theirs);
        let differ: Vec<_> = differ.map(|(path, theirs)| (path, &ours[path], theirs)).collect();
        assert!(differ.is_empty(), "{driver}: {differ:#?}");
    }
    // What was unpacked is still a layout that others read.
    program(&skopeo).arg("inspect").arg(format!("oci:{layout}")).run().success();
}

#[test]
fn a_hard_link_to_one_of_two_names_below_takes_that_one_alone_along() {
    let Some(umoci) = peer("umoci", "apt install umoci") else { return };
    if !root_or_skip("umoci as an ordinary user unpacks otherwise") {
        return;
    }
    let (root, bundle) = (fresh_root(), scratch());
    let root = root.path();
    let lower = Layer::new().with_probe().file("a", "linked").hard("b", "a");
    put(root, "links", vec![lower, Layer::new().hard("c", "a")]);
    let bundle = bundle.path().join("bundle");
    let image = format!("{}/images:links", root.display());
    program(&umoci).words("unpack --image").arg(image).arg(&bundle).run().success();
    let running = minidock(root, "run --rm links /probe sleep 600").spawn();
    let ours = tree(Path::new(&format!("/proc/{}/root", running.container_pid())));
    let theirs = tree(&bundle.join("rootfs"));
    let same = |tree: &BTreeMap<PathBuf, Seen>| {
        ["b", "c"].map(|name| tree[Path::new(name)].same_as.as_deref() == Some(Path::new("a")))
    };
    // umoci has one directory, and links in it. In layers, nothing that is written reaches a lower name:
    // the file is copied up under the name that the link is to, as the kernel does it in an overlay that
    // has no index.
    assert_eq!((same(&ours), same(&theirs)), ([false, true], [true, true]));
    assert_eq!(ours[Path::new("b")].content, theirs[Path::new("b")].content);
}

#[test]
fn a_mark_hides_what_is_there_for_other_marks_and_for_links_alone() {
    let Some(umoci) = peer("umoci", "apt install umoci") else { return };
    if !root_or_skip("umoci as an ordinary user unpacks otherwise") {
        return;
    }
    let (root, bundle) = (fresh_root(), scratch());
    let root = root.path();
    let lower =
        Layer::new().with_probe().file("a/sub/file", "").file("a/more", "").file("b/low", "");
    let lower =
        lower.file("b/linked", "").file("c/sub/file", "").file("c/sub/more", "").file("f", "");
    let upper = Layer::new()
        .file("a/sub/.wh.file", "")
        .file("a/.wh..wh..opq", "")
        .hard("b/link", "b/linked")
        .file("b/.wh..wh..opq", "")
        .file("c/sub/.wh.file", "")
        .file("c/.wh.sub", "")
        // Behind a file there is nothing to be hidden.
        .file("f/g/.wh.h", "");
    put(root, "marks", vec![lower, upper]);
    let bundle = bundle.path().join("bundle");
    let image = format!("{}/images:marks", root.display());
    program(&umoci).words("unpack --image").arg(image).arg(&bundle).run().success();
    let running = minidock(root, "run --rm marks /probe sleep 600").spawn();
    let names = |top: &Path| tree(top).into_keys().collect::<Vec<_>>();
    let ours = names(Path::new(&format!("/proc/{}/root", running.container_pid())));
    assert_eq!(ours, names(&bundle.join("rootfs")));
    assert!(ours.contains(&"b/link".into()) && !ours.contains(&"b/linked".into()), "{ours:?}");
}
