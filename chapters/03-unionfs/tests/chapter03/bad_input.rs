//! What is damaged, missing, hostile or too large is named; nothing is half there, and others work on.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use testkit::{fresh_root, outer};

use crate::minidock;
use crate::oci::{About, Layer, put, put_with};

/// The names of what is unpacked, or being unpacked.
fn layers(state: &Path) -> Vec<String> {
    let entries = ["layers", "layers.user"].map(|name| fs::read_dir(state.join(name)));
    let entries = entries.into_iter().flatten().flatten();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn works(state: &Path, image: &str) {
    minidock(state, "run --rm").arg(image).words("/probe true").run().success();
}

#[test]
fn a_corrupted_blob_is_named_and_other_images_work() {
    let state = fresh_root();
    let state = state.path();
    let random = || testkit::random_token().repeat(200);
    // In no other image: what they share would be one blob, and damaged in both.
    let base = || Layer::new().with_probe().file("own", random());
    let blobs = put(state, "bad", vec![base(), Layer::new().file("a", random())]);
    put(state, "good", vec![base(), Layer::new().file("b", random())]);
    for (number, damage) in [
        |content: &mut Vec<u8>| content[40] ^= 1,
        |content: &mut Vec<u8>| content.truncate(content.len() / 2),
        |content: &mut Vec<u8>| content.extend_from_slice(b"more"),
        |content: &mut Vec<u8>| content.clear(),
    ]
    .into_iter()
    .enumerate()
    {
        // The lowest is plain, the other one compressed.
        let blob = &blobs[number % 2];
        let path = state.join("images/blobs/sha256").join(blob);
        let whole = fs::read(&path).unwrap();
        let mut content = whole.clone();
        damage(&mut content);
        fs::write(&path, content).unwrap();
        let run = minidock(state, "run --rm bad /probe true").run();
        run.code(125).stderr_contains(blob).stdout("");
        assert!(layers(state).iter().all(|name| !name.starts_with('.')), "{:?}", layers(state));
        works(state, "good");
        fs::write(&path, whole).unwrap();
    }
    fs::remove_file(state.join("images/blobs/sha256").join(&blobs[1])).unwrap();
    minidock(state, "run --rm bad /probe true").run().code(125).stderr_contains(&blobs[1]);
    works(state, "good");
    minidock(state, "rmi bad").run().success();
}

#[test]
fn a_blob_that_is_not_what_the_index_calls_it_is_named() {
    let state = fresh_root();
    let state = state.path();
    put(state, "good", vec![Layer::new().with_probe()]);
    let layer = put(state, "bad", vec![Layer::new().with_probe().file("a", "")]).remove(0);
    let size = fs::metadata(state.join("images/blobs/sha256").join(&layer)).unwrap().len();
    let index = state.join("images/index.json");
    let mut json: Value = serde_json::from_slice(&fs::read(&index).unwrap()).unwrap();
    for (kind, words) in [("manifest", "no manifest"), ("index", "no index of manifests")] {
        let entry = &mut json["manifests"][1];
        entry["mediaType"] = format!("application/vnd.oci.image.{kind}.v1+json").into();
        entry["digest"] = format!("sha256:{layer}").into();
        entry["size"] = size.into();
        fs::write(&index, json.to_string()).unwrap();
        let run = minidock(state, "run --rm bad /probe true").run();
        run.code(125).stderr_contains(&layer).stderr_contains(words).stderr_contains("try: ");
        works(state, "good");
    }
    minidock(state, "rmi -f bad").run().success();
    works(state, "good");
}

#[test]
fn a_configuration_that_no_program_can_be_started_with_is_refused() {
    let state = fresh_root();
    let state = state.path();
    put(state, "good", vec![Layer::new().with_probe()]);
    for (number, (key, value)) in [
        ("Env", json!(["A=b\0c"])),
        ("Cmd", json!(["/probe", "true\0"])),
        ("Entrypoint", json!(["/probe\0"])),
        ("WorkingDir", json!("/\0")),
        ("User", json!("0\0")),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("bad{number}");
        put_with(state, &name, vec![Layer::new().with_probe()], json!({key: value}));
        let run = minidock(state, "run --rm").arg(&name).run();
        run.code(125).stderr_contains("has a NUL byte in it").stderr_contains("try: ");
        works(state, "good");
        minidock(state, "rmi -f").arg(&name).run().success();
    }
}

#[test]
fn a_layer_that_is_gone_is_unpacked_again_or_named() {
    let state = fresh_root();
    let state = state.path();
    put(state, "x", vec![Layer::new().with_probe(), Layer::new().file("a", "")]);
    put(state, "other", vec![Layer::new().with_probe().file("b", "")]);
    minidock(state, "run --name kept x /probe true").run().success();
    works(state, "other");
    let store = ["layers", "layers.user"].map(|name| state.join(name));
    let store = store.into_iter().find(|store| store.exists()).unwrap();
    let has_a = |name: &String| store.join(name).join("fs/a").exists();
    let gone = layers(state).into_iter().find(has_a).unwrap();
    fs::remove_dir_all(store.join(&gone)).unwrap();
    for command in ["diff kept", "export -o /dev/null kept"] {
        let failed = minidock(state, command).run();
        failed.code(1).stderr_contains(&gone).stderr_contains("run the image once more");
    }
    works(state, "other");
    // As the remedy has it.
    works(state, "x");
    minidock(state, "diff kept").run().success().stdout("");
}

#[test]
fn a_hostile_layer_makes_nothing_and_touches_nothing() {
    let (state, canary) = (fresh_root(), tempfile::tempdir().unwrap());
    let state = state.path();
    let file = canary.path().join("canary");
    fs::write(&file, "alive").unwrap();
    let outside = canary.path().display().to_string();
    let hostile = [
        ("out", Layer::new().file("../../../../tmp/evil", "evil"), "leads out of the layer"),
        ("hard", Layer::new().hard("x", file.to_str().unwrap()), "which is not there"),
        ("mark", Layer::new().file(".wh..", ""), "no whiteout that image-spec knows"),
        (
            "device",
            Layer::new().entry(tar::EntryType::Char, "x", "", b"", &About::default()),
            "a character device 0:0",
        ),
        ("long", Layer::new().file("n".repeat(256), ""), "longer than a name can be"),
    ];
    for (name, layer, words) in hostile {
        let blobs = put(state, name, vec![Layer::new().with_probe(), layer]);
        let run = minidock(state, "run --rm").arg(name).words("/probe true").run();
        run.code(125).stderr_contains(words).stderr_contains(&blobs[1]);
    }
    assert!(layers(state).iter().all(|name| !name.starts_with('.')), "{:?}", layers(state));
    let through = Layer::new().link("l", &outside).file("l/canary", "evil").file("l/new", "evil");
    put(state, "through", vec![Layer::new().with_probe(), through]);
    works(state, "through");
    assert_eq!(fs::read_to_string(&file).unwrap(), "alive");
    assert_eq!(fs::read_dir(canary.path()).unwrap().count(), 1);
}

#[test]
fn a_full_disk_leaves_no_part_of_a_layer_and_freeing_is_enough() {
    let state = fresh_root();
    let zeros = |name: &str| Layer::new().file(name, vec![b'x'; 1_500_000]);
    // The first layer fits, with the second one there is no room.
    let layers = vec![
        Layer::new().with_probe().file("first", vec![b'x'; 100_000]),
        zeros("a"),
        Layer::new(),
        zeros("b"),
    ];
    put(state.path(), "big", layers);
    put(state.path(), "small", vec![Layer::new().with_probe().file("s", "")]);
    let script = "test -d /mnt || mkdir /mnt; mount -t tmpfs -o size=3m none /mnt
        cp -r $2/. /mnt; export MINIDOCK_ROOT=/mnt
        used() { df --output=used /mnt | tail -n 1; }
        $1 run --rm small /probe true
        before=$(used)
        code=0; $1 run --rm big /probe true || code=$?; echo $code
        test $(used) = $before; ls -A /mnt/layers* | grep -c partial || true
        dd if=/dev/zero of=/mnt/fill bs=4k 2> /dev/null || true
        code=0; $1 run small /probe true || code=$?; echo $code
        ls /mnt/containers
        rm /mnt/fill; $1 run --rm small /probe true; echo $?
        mount -t tmpfs -o size=9m none /mnt; cp -r $2/. /mnt; $1 run --rm big /probe true; echo $?";
    let session = outer(script).arg(testkit::binary(3)).arg(state.path()).run();
    session.success().stdout("125\n0\n125\n0\n0\n");
    session.stderr_contains("No space left on device");
    session.stderr_contains("try: free some space there, or name another place with --root");
}
