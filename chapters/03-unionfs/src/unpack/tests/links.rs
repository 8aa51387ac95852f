//! Names, links and hard links that lead elsewhere.

use super::*;

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
fn a_layer_that_is_made_by_hand_leads_nowhere_either() {
    // A link of the layer itself, put there by nobody's archive.
    let mut layers = Layers::new();
    fs::create_dir(layers.path(0)).unwrap();
    symlink(layers.outside(), layers.path(0).join("l")).unwrap();
    layers.count = 1;
    layers.add(Archive::new().file("l/canary", "evil"));
}
