//! Containers become images, and images containers: `commit`, `export` and `run`, and what a kill -9 or a hole in the store
//! makes of them.

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use testkit::{RootDir, fresh_root, is_root, peer, program, random_token, scratch, shared_root};

use crate::oci::{Layer, put};
use crate::{minidock, random};

/// A container that has ended; it is removed with the value.
struct Ended<'a> {
    root: &'a Path,
    name: String,
}

impl Ended<'_> {
    fn run<'a>(root: &'a Path, image: &str, script: &str) -> Ended<'a> {
        let name = random_token();
        minidock(root, "run --name").arg(&name).arg(image).sh(script).run().success();
        Ended { root, name }
    }

    /// Its image, as this name.
    fn commit(&self, options: &str, name: &str) -> String {
        let commit = minidock(self.root, "commit").words(options).arg(&self.name).arg(name);
        commit.run().success().stderr("").trimmed()
    }
}

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        // A test that has failed already has more to say.
        let _removed = minidock(self.root, "rm -f").arg(&self.name).run();
    }
}

#[test]
fn a_container_becomes_an_image_the_same_one_each_time() {
    let root = shared_root();
    let (token, image) = (random_token(), random_token());
    let script = format!("mkdir /data; echo {token} > /data/f; : > /data/empty; ln -s f /data/l");
    let container = Ended::run(root, "lab", &script);
    let id = container.commit("-a me -m why", &image);
    assert_eq!(container.commit("-a me -m why", &image), id);
    let seen = minidock(root, "run --rm").arg(&image).words("cat /data/l /data/empty").run();
    seen.success().stdout(&format!("{token}\n"));
    assert_ne!(container.commit("-a me -m other", &random_token()), id);
    // The image starts what the container started.
    let again = minidock(root, "run --rm").arg(&image).run();
    again.code(1).stderr_contains("/data");
}

#[test]
fn a_change_of_the_image_is_one_of_its_containers() {
    let (root, image) = (shared_root(), random_token());
    let token = random_token();
    let container = Ended::run(root, "lab", "mkdir -p /srv/here");
    let commit = minidock(root, "commit -c").arg(r#"ENTRYPOINT ["sh", "-c"]"#).arg("-c");
    let commit = commit.arg(r#"CMD ["echo $TOKEN $PWD $(id -u)"]"#).arg("-c");
    let commit = commit.arg(format!("ENV TOKEN={token}")).words("-c").arg("WORKDIR /srv/here");
    // Others than root need a range of ids to be mapped.
    let user = if is_root() { 5 } else { 0 };
    commit.words("-c").arg(format!("USER {user}")).arg(&container.name).arg(&image).run().success();
    let run = minidock(root, "run --rm").arg(&image).run();
    run.success().stdout(&format!("{token} /srv/here {user}\n"));
    let wrong = minidock(root, "commit -c FROM").arg(&container.name).run();
    wrong.code(1).stdout("").stderr_contains("FROM is not a valid change command");
    let missing = minidock(root, "commit").arg(random_token()).run();
    missing.code(1).stdout("").stderr_contains("No such container");
}

#[test]
fn what_an_upper_layer_has_deleted_still_lies_in_the_image() {
    let root = shared_root();
    let (secret, one, two) = (random_token(), random_token(), random_token());
    let script = format!("echo {secret} > /secret; mkdir /d; echo old > /d/old");
    let first = Ended::run(root, "lab", &script);
    first.commit("", &one);
    let second = Ended::run(root, &one, "rm -r /secret /d; mkdir /d; echo new > /d/new");
    second.commit("", &two);
    let seen = minidock(root, "run --rm").arg(&two).sh("ls /d; cat /secret").run();
    seen.code(1).stdout("new\n").stderr_contains("/secret");
    // No container sees it, and everybody who has the image has it.
    let lower = minidock(root, "inspect -f {{.GraphDriver.Data.LowerDir}}").arg(&two).run();
    let lower = lower.success().trimmed();
    let at = lower.split(':').next().map(|layer| Path::new(layer).join("secret")).unwrap();
    assert_eq!(fs::read_to_string(at).unwrap().trim(), secret);
    let Some(umoci) = peer("umoci", "apt install umoci") else { return };
    let bundle = scratch();
    let into = bundle.path().join("bundle");
    let image = format!("{}:{two}:latest", root.join("images").display());
    program(umoci).words("unpack --rootless --image").arg(image).arg(&into).run().success();
    assert!(!into.join("rootfs/secret").exists() && !into.join("rootfs/d/old").exists());
    assert!(into.join("rootfs/d/new").exists());
}

#[test]
fn no_image_is_made_of_more_layers_than_one_can_have() {
    let state = fresh_root();
    let state = state.path();
    let mut layers = vec![Layer::new().with_probe()];
    layers.resize_with(500, Layer::new);
    put(state, "high", layers);
    // An overlay of so many takes Linux 6.7.
    let run = minidock(state, "run --name top --storage-driver copy high /probe true");
    run.run().success();
    let commit = minidock(state, "commit top higher").run();
    commit.code(1).stdout("").stderr_contains("an image of 501 layers, where 500 are the most");
    commit.stderr_contains("try: make one layer of all that the container sees: export");
    let images = minidock(state, "images --format {{.Repository}}").run();
    images.success().stdout("high\n").stderr("");
    let flat = scratch();
    let flat = flat.path().join("tar");
    minidock(state, "export top -o").arg(&flat).run().success();
    minidock(state, "import").arg(&flat).arg("flat").run().success();
    minidock(state, "run --rm flat /probe true").run().success();
}

#[test]
fn a_name_of_255_bytes_is_deleted_in_an_image_too() {
    let root = shared_root();
    let (one, two, name) = (random_token(), random_token(), "y".repeat(255));
    Ended::run(root, "lab", &format!("echo x > /{name}")).commit("", &one);
    let deleted = Ended::run(root, &one, &format!("rm /{name}"));
    deleted.commit("", &two);
    let test = format!("test ! -e /{name}");
    minidock(root, "run --rm").arg(&two).sh(&test).run().success();
    let copied = minidock(root, "run --rm --storage-driver copy").arg(&two);
    copied.sh(&test).run().success();
    let Some(umoci) = peer("umoci", "apt install umoci") else { return };
    let bundle = scratch();
    let into = bundle.path().join("bundle");
    let image = format!("{}:{two}:latest", root.join("images").display());
    program(umoci).words("unpack --rootless --image").arg(image).arg(&into).run().success();
    assert!(into.join("rootfs/bin").exists() && !into.join("rootfs").join(&name).exists());
}

#[test]
fn an_export_is_what_the_container_sees() {
    let root = shared_root();
    let token = random_token();
    let (image, dir) = (random_token(), scratch());
    let first = Ended::run(root, "lab", &format!("echo {token} > /kept; echo x > /gone"));
    first.commit("", &image);
    let second = Ended::run(root, &image, "rm /gone; echo y > '/n e w'");
    let output = minidock(root, "export").arg(&second.name).run();
    let list = |bytes: &[u8]| -> Vec<PathBuf> {
        let mut archive = tar::Archive::new(bytes);
        let entries = archive.entries().unwrap();
        entries.map(|entry| entry.unwrap().path().unwrap().into_owned()).collect()
    };
    let names = list(output.success().bytes());
    let has = |name: &str| names.iter().any(|path| path == Path::new(name));
    assert!(has("kept") && has("n e w") && has("bin/sh") && !has("gone") && !has(".wh.gone"));
    let file = dir.path().join("file");
    minidock(root, "export -o").arg(&file).arg(&second.name).run().success().stdout("");
    assert_eq!(fs::read(&file).unwrap(), output.bytes());
    // Back again, it is one layer.
    let again = random_token();
    minidock(root, "import").arg(&file).arg(&again).run().success();
    let seen = minidock(root, "run --rm").arg(&again).words("cat /kept").run();
    seen.success().stdout(&format!("{token}\n"));
    let nowhere = minidock(root, "export -o").arg(dir.path().join("no/file")).arg(&second.name);
    let nowhere = nowhere.run();
    nowhere.code(1).stderr_contains("no/file: No such file or directory").stderr_contains("try: ");
    let full = minidock(root, "export -o /dev/full").arg(&second.name).run();
    full.code(1)
        .stderr_contains("/dev/full: ")
        .stderr_contains("try: free some space where it goes");
    // Who has had enough of it is no failure; a full disk is.
    let to = |place: &str| minidock(root, "export").arg(&second.name).within(place).run();
    to("{ \"$@\"; echo $? >&2; } | head -c 1000 > /dev/null").success().stderr("0\n");
    let full = to("\"$@\" > /dev/full");
    full.code(1).stderr_contains("try: free some space where it goes, or send it elsewhere");
    let mut terminal = minidock(root, "export").arg(&second.name).on_terminal(24, 80);
    terminal.read_until("cowardly refusing to save to a terminal");
    assert_eq!(terminal.wait().code(), Some(1));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_directory_becomes_an_image_with_all_that_is_in_it() {
    let root = shared_root();
    let token = random_token();
    let directory = RootDir::new().file("etc/token", &token).symlink("link", "etc/token");
    let container = Ended::run(root, "lab", &format!("echo {token} > /token"));
    let image = random_token();
    container.commit("", &image);
    let id = minidock(root, "import").arg(directory.path()).run().success().trimmed();
    let seen = minidock(root, "inspect -f {{.RootFS.Layers}}").arg(&id).run();
    assert_eq!(seen.success().text().matches("sha256:").count(), 1);
    let seen = minidock(root, "inspect -f {{.RootFS.Layers}}").arg(&image).run();
    assert_eq!(seen.success().text().matches("sha256:").count(), 2);
}

#[test]
fn a_hole_of_a_file_is_one_in_the_layer_however_it_came() {
    let (state, out) = (fresh_root(), scratch());
    let (state, tar) = (state.path(), out.path().join("tar"));
    let directory = RootDir::new().file("hole", "");
    let (size, middle) = (16 << 20, 9 << 20);
    let file = fs::File::options().write(true).open(directory.at("hole")).unwrap();
    file.set_len(size).unwrap();
    file.write_all_at(b"middle", middle).unwrap();
    let (of, import) = (directory.path(), |image| minidock(state, "import").arg(image).run());
    import(of).success();
    program("tar").words("-S -H posix -C").arg(of).arg("-cf").arg(&tar).arg(".").run().success();
    assert!(fs::metadata(&tar).unwrap().len() < size, "tar(1) knows holes");
    import(&tar).success();
    // Its first layer is made of the directory.
    minidock(state, "run --name x").arg(of).words("/probe true").run().success();
    minidock(state, "commit x").run().success();
    minidock(state, "export x -o").arg(&tar).run().success();
    import(&tar).success();
    let store = ["layers", "layers.user"].map(|name| fs::read_dir(state.join(name)));
    let layers = store.into_iter().flatten().flatten().map(|layer| layer.unwrap().path());
    let layers: Vec<PathBuf> = layers.map(|layer| layer.join("fs/hole")).collect();
    let layers: Vec<&PathBuf> = layers.iter().filter(|file| file.exists()).collect();
    assert!(layers.len() > 1, "{layers:?}");
    for file in layers {
        let seen = fs::metadata(file).unwrap();
        assert!(seen.len() == size && seen.blocks() < 400, "{file:?}: {} blocks", seen.blocks());
        let mut piece = [0; 8];
        fs::File::open(file).unwrap().read_exact_at(&mut piece, middle - 1).unwrap();
        assert_eq!(&piece, b"\0middle\0");
    }
}

#[test]
fn what_a_container_lies_on_is_not_removed() {
    let root = shared_root();
    let (token, image, other) = (random_token(), random_token(), random_token());
    let first = Ended::run(root, "lab", &format!("echo {token} > /token"));
    let id = first.commit("", &image);
    let short = &id[7..19];
    let name = random_token();
    let run = minidock(root, "run -i --name").arg(&name).arg(&image).sh("echo ready; read line");
    let mut running = run.open_stdin().spawn();
    running.wait_for_line("ready");
    let by_name = minidock(root, "rmi").arg(&image).run();
    by_name.code(1).stdout("").stderr_contains(&format!(
        "conflict: unable to remove repository reference \"{image}\" (must force) - container"
    ));
    let by_id = minidock(root, "rmi -f").arg(short).run();
    by_id.code(1).stdout("").stderr_contains(&format!(
        "conflict: unable to delete {short} (cannot be forced) - image is being used by running \
         container"
    ));
    running.write("\n");
    running.wait().success();
    let by_id = minidock(root, "rmi").arg(short).run();
    by_id.code(1).stderr_contains("(must be forced) - image is being used by stopped container");
    let forced = minidock(root, "rmi -f").arg(short).run();
    forced.success().stdout(&format!("Untagged: {image}:latest\nDeleted: {id}\n"));
    // The container has what it lies on until it goes.
    let export = minidock(root, "export").arg(&name).run();
    assert!(export.success().bytes().windows(token.len()).any(|part| part == token.as_bytes()));
    let commit = minidock(root, "commit").arg(&name).arg(&other).run();
    commit.code(1).stderr_contains("is gone").stderr_contains(&format!("export {name} | import -"));
    minidock(root, "rm").arg(&name).run().success();
}

#[test]
fn a_hole_in_the_store_is_named_or_mended() {
    let root = fresh_root();
    let root = root.path();
    let (token, good) = (random_token(), random_token());
    let first = Ended::run(root, "lab", &format!("echo {token} > /token"));
    let image = random_token();
    first.commit("", &image);
    minidock(root, "import -").stdin(export(root, &first.name)).arg(&good).run().success();
    let upper = minidock(root, "inspect -f {{.GraphDriver.Data.UpperDir}}").arg(&image).run();
    let layer = PathBuf::from(upper.success().trimmed());
    // Its blob has it, too.
    fs::remove_dir_all(&layer).unwrap();
    let see = |image: &str| minidock(root, "run --rm").arg(image).words("cat /token").run();
    see(&image).success().stdout(&format!("{token}\n"));
    fs::remove_dir_all(layer.parent().unwrap()).unwrap();
    // One bit of what the layer was in.
    let blobs = fs::read_dir(root.join("images/blobs/sha256")).unwrap();
    for blob in blobs.map(|blob| blob.unwrap().path()) {
        let mut content = fs::read(&blob).unwrap();
        if content.starts_with(&[0x1f, 0x8b]) {
            let at = random(10, content.len() as u64 - 11) as usize;
            content[at] ^= 1;
            fs::write(blob, content).unwrap();
        }
    }
    let corrupted = see(&image);
    corrupted.code(125).stdout("").stderr_contains("is corrupted").stderr_contains(&image);
    // One whose layers are unpacked is not looked at again.
    see(&good).success().stdout(&format!("{token}\n"));
}

fn export(root: &Path, container: &str) -> Vec<u8> {
    minidock(root, "export").arg(container).run().success().bytes().to_vec()
}

#[test]
fn a_kill_at_any_moment_leaves_what_clean_removes() {
    let root = fresh_root();
    let root = root.path();
    let container = Ended::run(root, "lab", "echo x > /x");
    let archive = scratch();
    let file = archive.path().join("tar");
    fs::write(&file, export(root, &container.name)).unwrap();
    for round in 0..20 {
        let command = match round % 2 {
            0 => minidock(root, "import").arg(&file).arg("killed"),
            _ => minidock(root, "commit").arg(&container.name).arg("killed"),
        };
        let running = command.spawn();
        std::thread::sleep(Duration::from_millis(random(1, 300)));
        running.signal(Signal::SIGKILL);
        running.wait();
    }
    // Whatever came of it, an image that is listed runs.
    let listed = minidock(root, "images -q").run().success().text();
    for id in listed.lines() {
        minidock(root, "run --rm").arg(id).words("cat /x").run().success().stdout("x\n");
    }
    minidock(root, "clean").run().success();
    let left: Vec<_> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left, [] as [PathBuf; 0]);
}
