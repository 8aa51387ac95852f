//! The store of images: made, listed, removed, and read by others as it lies.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use flate2::write::GzEncoder;
use serde_json::Value;
use tempfile::TempDir;
use testkit::{RootDir, fresh_root, outer, peer, program, random_token, root_or_skip, scratch};

use crate::minidock;
use crate::oci::{Layer, put};

/// An archive of one file with random content.
struct Archive {
    dir: TempDir,
    content: Vec<u8>,
}

impl Archive {
    fn new() -> Archive {
        Archive::with(random_token().into_bytes())
    }

    fn with(content: Vec<u8>) -> Archive {
        let dir = scratch();
        let mut archive = tar::Builder::new(fs::File::create(dir.path().join("tar")).unwrap());
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o640);
        header.set_mtime(1_500_000_000);
        header.set_uid(0);
        header.set_gid(0);
        archive.append_data(&mut header, "file", &*content).unwrap();
        archive.finish().unwrap();
        Archive { dir, content }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("tar")
    }

    fn gzip(&self) -> PathBuf {
        let path = self.dir.path().join("tar.gz");
        let mut out = GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(&fs::read(self.path()).unwrap()).unwrap();
        fs::write(&path, out.finish().unwrap()).unwrap();
        path
    }

    /// Imports it, and returns the id.
    fn import(&self, root: &Path, name: &str) -> String {
        let imported = minidock(root, "import").arg(self.path()).arg(name).run();
        let id = imported.success().stderr("").trimmed();
        assert!(id.starts_with("sha256:") && id.len() == 71, "{id}");
        id
    }
}

fn inspect(root: &Path, image: &str) -> Value {
    let text = minidock(root, "inspect").arg(image).run().success().text();
    let view: Value = serde_json::from_str(&text).unwrap();
    match view {
        Value::Array(views) => views[0].clone(),
        view => view,
    }
}

/// All files of a store but those that say that nothing is in it.
fn files(root: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut ahead = vec![root.to_owned()];
    while let Some(directory) = ahead.pop() {
        for entry in fs::read_dir(directory).unwrap().flatten() {
            match entry.file_type().unwrap().is_dir() {
                true => ahead.push(entry.path()),
                false => files.push(entry.path()),
            }
        }
    }
    files.retain(|file| !file.ends_with("index.json") && !file.ends_with("oci-layout"));
    files
}

fn is_empty(root: &Path) {
    assert_eq!(files(root), [] as [PathBuf; 0]);
    minidock(root, "images -q").run().success().stdout("").stderr("");
}

#[test]
fn an_image_is_listed_by_each_of_its_names_until_it_is_removed() {
    let (root, archive, name) = (fresh_root(), Archive::new(), random_token());
    let root = root.path();
    is_empty(root);
    let id = archive.import(root, &name);
    assert_eq!(archive.import(root, &format!("lib/{name}:v1")), id);
    let short = &id[7..19];
    let listed = minidock(root, "images").arg(&name).run().success().text();
    let lines: Vec<Vec<&str>> = listed.lines().map(|line| line.split("   ").collect()).collect();
    let cells = |line: usize| -> Vec<&str> {
        lines[line].iter().map(|cell| cell.trim()).filter(|cell| !cell.is_empty()).collect()
    };
    assert_eq!(cells(0), ["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"]);
    assert_eq!(cells(1)[..3], [&*name, "latest", short]);
    assert!(cells(1)[3].ends_with(" years ago"), "{listed}");
    assert_eq!(lines.len(), 2);
    let all = minidock(root, "images --no-trunc --format {{.Repository}}:{{.Tag}}={{.ID}}").run();
    all.success().stdout(&format!("{name}:latest={id}\nlib/{name}:v1={id}\n"));
    minidock(root, "images -q").run().success().stdout(&format!("{short}\n{short}\n"));

    let view = inspect(root, short);
    assert_eq!(view["Id"], id);
    assert_eq!(cells(1)[4], format!("{}B", view["Size"]));
    assert_eq!(
        view["RepoTags"],
        serde_json::json!([format!("{name}:latest"), format!("lib/{name}:v1")])
    );
    assert_eq!(view["Created"], "2017-07-14T02:40:00Z");
    let file = Path::new(view["GraphDriver"]["Data"]["UpperDir"].as_str().unwrap()).join("file");
    assert_eq!(fs::read(file).unwrap(), archive.content);

    let removed = minidock(root, "rmi").arg(&name).run();
    removed.success().stdout(&format!("Untagged: {name}:latest\n"));
    let removed = minidock(root, "rmi").arg(&id[7..40]).run();
    let layer = view["RootFS"]["Layers"][0].as_str().unwrap();
    let said = format!("Untagged: lib/{name}:v1\nDeleted: {id}\nDeleted: {layer}\n");
    removed.success().stdout(&said);
    is_empty(root);
    let missing = minidock(root, "rmi").arg(&name).run();
    missing.code(1).stdout("").stderr_contains(&format!("No such image: {name}:latest"));
    minidock(root, "rmi -f").arg(&name).run().success().stderr_contains("No such image");
}

#[test]
fn the_same_content_is_the_same_image_however_it_came() {
    let (root, archive) = (fresh_root(), Archive::new());
    let root = root.path();
    let id = archive.import(root, "a");
    let gzip = minidock(root, "import").arg(archive.gzip()).arg("b").run();
    assert_eq!(gzip.success().trimmed(), id);
    let input = minidock(root, "import -").stdin(fs::read(archive.gzip()).unwrap()).run();
    assert_eq!(input.success().trimmed(), id);
    // What was given in gzip is kept as it came.
    let blobs = root.join("images/blobs/sha256");
    let kept = fs::read(archive.gzip()).unwrap();
    assert!(
        fs::read_dir(blobs).unwrap().any(|blob| fs::read(blob.unwrap().path()).unwrap() == kept)
    );
    let changed = minidock(root, "import -m why -c").arg("CMD [\"x\"]").arg(archive.path()).run();
    assert_ne!(changed.success().trimmed(), id);
    let view = inspect(root, &changed.trimmed());
    assert_eq!((&view["Comment"], &view["Config"]["Cmd"][0]), (&"why".into(), &"x".into()));

    let directory = RootDir::new().file("data/new", random_token()).symlink("link", "data");
    let import = |epoch: &str| {
        let import = minidock(root, "import").env("SOURCE_DATE_EPOCH", epoch);
        import.arg(directory.path()).run().success().trimmed()
    };
    let then = import("1000000000");
    assert_eq!(import("1000000000"), then);
    assert_ne!(import(""), then);
    assert_eq!(inspect(root, &then)["Created"], "2001-09-09T01:46:40Z");
    let wrong = minidock(root, "import").env("SOURCE_DATE_EPOCH", "now").arg(archive.path()).run();
    wrong.code(1).stderr_contains("SOURCE_DATE_EPOCH");
}

#[test]
fn skopeo_and_umoci_read_the_store_as_it_lies() {
    let Some(skopeo) = peer("skopeo", "apt install skopeo") else { return };
    let Some(umoci) = peer("umoci", "apt install umoci") else { return };
    let (root, archive) = (fresh_root(), Archive::new());
    let root = root.path();
    let (one, other) = (format!("{}:v1", random_token()), "127.0.0.1:5000/lib/b:latest".to_owned());
    archive.import(root, &one);
    archive.import(root, &other);
    let images = root.join("images");
    let digest = minidock(root, "images --format {{.Digest}}").arg(&one).run().success().trimmed();
    for name in [&one, &other] {
        let layout = format!("oci:{}:{name}", images.display());
        let seen = program(&skopeo).arg("inspect").arg(layout).run().success().text();
        let seen: Value = serde_json::from_str(&seen).unwrap();
        assert_eq!((&seen["Digest"], &seen["Os"]), (&digest.clone().into(), &"linux".into()));
    }
    let listed = program(&umoci).words("ls --layout").arg(&images).run().success().text();
    let mut listed: Vec<&str> = listed.lines().collect();
    listed.sort_unstable();
    let mut names = [&*one, &*other];
    names.sort_unstable();
    assert_eq!(listed, names);
    let bundle = scratch();
    let into = bundle.path().join("bundle");
    let image = format!("{}:{one}", images.display());
    let unpack = program(&umoci).words("unpack --rootless --image").arg(image).arg(&into).run();
    unpack.success();
    assert_eq!(fs::read(into.join("rootfs/file")).unwrap(), archive.content);
}

#[test]
fn what_skopeo_puts_into_the_store_is_an_image() {
    let Some(skopeo) = peer("skopeo", "apt install skopeo") else { return };
    let (root, elsewhere, archive) = (fresh_root(), fresh_root(), Archive::new());
    let root = root.path();
    let id = archive.import(elsewhere.path(), "a:v1");
    let first = Archive::new().import(root, "first");
    let at = |root: &Path, name: &str| format!("oci:{}:{name}", root.join("images").display());
    for name in ["b:v2", "c"] {
        let copy = program(&skopeo).words("copy -q").arg(at(elsewhere.path(), "a:v1"));
        copy.arg(at(root, name)).run().success();
    }
    let shown = minidock(root, "images --no-trunc --format {{.Repository}}:{{.Tag}}={{.ID}}").run();
    let text = shown.success().text();
    let mut shown: Vec<&str> = text.lines().collect();
    shown.sort_unstable();
    let wanted = [format!("b:v2={id}"), format!("c:latest={id}"), format!("first:latest={first}")];
    assert_eq!(shown, wanted);
    minidock(root, "rmi b:v2").run().success().stdout("Untagged: b:v2\n");
    minidock(root, "rmi c").run().success().stdout_contains(&format!("Deleted: {id}\n"));
    minidock(root, "rmi first").run().success();
    is_empty(root);
}

#[test]
fn what_is_no_archive_is_refused_and_leaves_nothing() {
    let (root, archive) = (fresh_root(), Archive::new());
    let root = root.path();
    let whole = fs::read(archive.gzip()).unwrap();
    let mut wrong = whole.clone();
    let middle = wrong.len() / 2;
    wrong[middle] ^= 0x55;
    // Behind an empty block that is no end, something would be lost unseen.
    let (first, second) = (Layer::new().file("first", "1"), Layer::new().file("second", "2"));
    let single = [&first.archive()[..1024], &[0; 512], &second.archive()[..]].concat();
    for (content, words) in [
        (&b""[..], "nothing in it"),
        (&single, "an empty block in the middle of the archive"),
        (b"\xfd7zXZ\0 and more", "try: xz -dc FILE | import -"),
        (b"BZh91AY and more", "try: bzip2 -dc FILE"),
        (b"\x28\xb5\x2f\xfd and more", "try: zstd -dc FILE"),
        (b"PK\x03\x04 and more", "a zip archive"),
        (&random_token().repeat(100).into_bytes(), "minidock-03: -: "),
        (&whole[..whole.len() / 2], "minidock-03: -: "),
        (&[&whole[..], b"more"].concat(), "minidock-03: -: "),
        (&wrong, "minidock-03: -: "),
    ] {
        let refused = minidock(root, "import - x").stdin(content).run();
        refused.code(1).stdout("").stderr_contains(words);
        is_empty(root);
    }
    for (source, words) in [("nosuch", "No such file"), ("https://example.com/x.tar", "curl -fsSL")]
    {
        let refused = minidock(root, "import").arg(source).run();
        refused.code(1).stdout("").stderr_contains(words);
    }
    let own = minidock(root, "import").arg(root).run();
    own.code(1).stderr_contains("minidock's own files are in it");
    is_empty(root);
}

#[test]
fn what_is_no_name_or_change_is_refused_before_anything_is_read() {
    let (root, archive) = (fresh_root(), Archive::new());
    let root = root.path();
    for name in ["Foo", "a:", "-a:b", "a b", "../x", "a@sha256:12", &"a".repeat(300), ""] {
        // The archive is not there, and nobody notices.
        let refused = minidock(root, "import nosuch --").arg(name).run();
        refused.code(1).stdout("").stderr_contains("invalid reference format");
    }
    for name in ["lab", "lab:latest"] {
        let reserved = minidock(root, "import nosuch").arg(name).run();
        reserved.code(1).stdout("").stderr_contains("'lab' is a reserved name");
    }
    let upper = minidock(root, "import nosuch Foo").run();
    upper.code(1).stderr_contains("repository name must be lowercase");
    let nul = r#"CMD ["a\u0000b"]"#;
    for change in ["FROM x", "CMD", "ENV A", "EXPOSE all", "STOPSIGNAL SIGNO", nul] {
        let refused = minidock(root, "import -c").arg(change).arg(archive.path()).run();
        refused.code(1).stdout("").stderr_contains("try: ");
    }
    is_empty(root);
}

#[test]
fn a_name_that_is_given_again_leaves_the_other_image_without_one() {
    let (root, old, new) = (fresh_root(), Archive::new(), Archive::new());
    let root = root.path();
    let old = old.import(root, "a");
    let new = new.import(root, "a");
    let format = "images --no-trunc --format {{.Repository}}:{{.Tag}}={{.ID}}";
    let listed = minidock(root, format).run().success().text();
    let mut listed: Vec<&str> = listed.lines().collect();
    listed.sort_unstable();
    assert_eq!(listed, [format!("<none>:<none>={old}"), format!("a:latest={new}")]);
    minidock(root, "rmi").arg(&old).run().success().stdout_contains(&format!("Deleted: {old}\n"));
    assert_eq!(inspect(root, "a")["Id"], new);
}

#[test]
fn ten_imports_at_once_are_ten_images() {
    let root = fresh_root();
    let root = root.path();
    let archives: Vec<Archive> = (0..10).map(|_| Archive::new()).collect();
    let running = archives.iter().enumerate().map(|(number, archive)| {
        // Every other one has the same content as the first.
        let archive = if number % 2 == 0 { &archives[0] } else { archive };
        minidock(root, "import").arg(archive.path()).arg(format!("n:{number}")).spawn()
    });
    let running: Vec<_> = running.collect();
    let ids = running.into_iter().map(|import| import.wait().success().trimmed());
    let ids: Vec<String> = ids.collect();
    assert!(ids.iter().step_by(2).all(|id| *id == ids[0]));
    for (number, id) in ids.iter().enumerate() {
        assert_eq!(inspect(root, &format!("n:{number}"))["Id"], **id);
    }
    let removed: Vec<_> =
        (0..10).map(|number| minidock(root, "rmi").arg(format!("n:{number}")).spawn()).collect();
    for rmi in removed {
        rmi.wait().success();
    }
    is_empty(root);
}

#[test]
fn a_place_that_nobody_can_write_to_has_a_remedy() {
    if !root_or_skip("only root makes a mount read-only later") {
        return;
    }
    let archive = Archive::new();
    let script = "test -d /mnt || mkdir /mnt; mount -t tmpfs none /mnt
        export MINIDOCK_ROOT=/mnt/root
        $1 import $2 x > /dev/null
        mount -o remount,ro /mnt
        code=0; $1 import $2 y || code=$?; echo $code
        code=0; $1 run x /file || code=$?; echo $code
        $1 images --format {{.Repository}}";
    let session = outer(script).arg(testkit::binary(3)).arg(archive.path()).run();
    session.success().stdout("1\n125\nx\n").stderr_contains("Read-only file system");
    session.stderr_contains("try: name a directory that you can write to with --root");
}

#[test]
fn a_full_disk_leaves_the_store_whole_and_gives_the_space_back() {
    if peer("df", "apt install coreutils").is_none() {
        return;
    }
    // Random bytes, which gzip makes no smaller: as a blob and unpacked, one of these fits.
    let big = || {
        let mut random = fs::File::open("/dev/urandom").unwrap().take(1_400_000);
        let mut content = Vec::new();
        random.read_to_end(&mut content).unwrap();
        Archive::with(content)
    };
    let archives = [Archive::new(), big(), big()];
    let script = "test -d /mnt || mkdir /mnt; mount -t tmpfs -o size=3m none /mnt
        export MINIDOCK_ROOT=/mnt/root
        binary=$1
        used() { df --output=used /mnt | tail -n 1; }
        names() { $binary images --format {{.Repository}} | sort | tr '\\n' ' '; echo; }
        $1 import $2 small > /dev/null
        $1 import $3 one > /dev/null
        before=$(used)
        code=0; $1 import $4 two || code=$?
        test $code = 1; test $(used) = $before; names
        dd if=/dev/zero of=/mnt/fill bs=4k 2> /dev/null || true
        $1 rmi one > /dev/null; names
        rm /mnt/fill; $1 import $4 two > /dev/null; names";
    let paths = archives.iter().map(Archive::path);
    let session = outer(script).arg(testkit::binary(3)).args(paths).run();
    session.success().stdout("one small \nsmall \nsmall two \n");
    session.stderr_contains("No space left on device");
    session.stderr_contains("try: free some space there, or name another place with --root");
}

#[test]
fn an_image_has_the_same_size_unpacked_or_not() {
    let state = fresh_root();
    let state = state.path();
    put(state, "x", vec![Layer::new().with_probe(), Layer::new().file("zeros", vec![0; 3 << 20])]);
    let size = || minidock(state, "images --format {{.Size}}").run().success().trimmed();
    let travels = inspect(state, "x")["Size"].as_u64().unwrap();
    let blobs = fs::read_dir(state.join("images/blobs/sha256")).unwrap();
    let largest = blobs.map(|blob| blob.unwrap().metadata().unwrap().len()).max().unwrap();
    assert!((largest..3 << 20).contains(&travels), "{largest} {travels}");
    let before = size();
    minidock(state, "run --rm x /probe true").run().success();
    assert_eq!(size(), before);
}

#[test]
fn the_help_of_run_knows_images() {
    let help = testkit::chapter(3).words("run --help").run().success().text();
    assert!(help.starts_with("Run a command in a new container\n"), "{help}");
    assert!(help.contains("An image's name or id, `lab`, or a directory"), "{help}");
    assert!(!help.contains("this chapter"), "{help}");
}
