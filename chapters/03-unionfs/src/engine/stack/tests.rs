use super::*;
use std::fs;

/// Two layers, uppermost first, and what is done to each.
fn union(lower: impl FnOnce(&Path), upper: impl FnOnce(&Path)) -> (tempfile::TempDir, Directory) {
    let dir = tempfile::tempdir().unwrap();
    let layers = ["upper", "lower"].map(|name| dir.path().join(name));
    layers.iter().for_each(|layer| fs::create_dir(layer).unwrap());
    upper(&layers[0]);
    lower(&layers[1]);
    let spelling = spelling();
    (dir, Directory::root(&layers, spelling).unwrap())
}

fn text(found: Option<Found>) -> String {
    let Some(Found::File(file)) = found else { panic!("no file is there") };
    std::io::read_to_string(file.read().unwrap()).unwrap()
}

#[test]
fn the_uppermost_file_counts_and_directories_are_merged() {
    let (_dir, root) = union(
        |lower| {
            fs::create_dir(lower.join("d")).unwrap();
            fs::write(lower.join("d/a"), "lower").unwrap();
            fs::write(lower.join("d/b"), "lower").unwrap();
        },
        |upper| {
            fs::create_dir(upper.join("d")).unwrap();
            fs::write(upper.join("d/a"), "upper").unwrap();
        },
    );
    assert_eq!(text(root.look_up(Path::new("/d/a")).unwrap()), "upper");
    assert_eq!(text(root.look_up(Path::new("d/b")).unwrap()), "lower");
    let Some(Found::Directory(d)) = root.find(OsStr::new("d")).unwrap() else { panic!() };
    let names = d.names().unwrap();
    assert_eq!(names.into_iter().collect::<Vec<_>>(), [("a".into(), 0), ("b".into(), 1)]);
    assert!(d.is_merged());
}

#[test]
fn a_link_stays_in_the_union_and_a_file_ends_a_path() {
    let (_dir, root) = union(
        |lower| {
            fs::create_dir_all(lower.join("usr/lib")).unwrap();
            fs::write(lower.join("usr/lib/x"), "found").unwrap();
        },
        |upper| {
            std::os::unix::fs::symlink("/../usr/lib", upper.join("lib")).unwrap();
            std::os::unix::fs::symlink("loop", upper.join("loop")).unwrap();
            std::os::unix::fs::symlink("../../..", upper.join("up")).unwrap();
        },
    );
    assert_eq!(text(root.look_up(Path::new("lib/x")).unwrap()), "found");
    assert_eq!(text(root.look_up(Path::new("up/up/lib/x")).unwrap()), "found");
    assert_eq!(root.follow(Path::new("lib/new/y")).unwrap().0, Path::new("usr/lib/new/y"));
    assert!(root.look_up(Path::new("loop")).is_err());
    assert!(root.look_up(Path::new("usr/lib/x/y")).is_err());
}

#[test]
fn what_is_hidden_is_not_found() {
    let (_dir, root) = union(
        |lower| {
            fs::create_dir_all(lower.join("d/e")).unwrap();
            fs::write(lower.join("gone"), "").unwrap();
        },
        |upper| {
            fs::create_dir(upper.join("d")).unwrap();
            let d = fs::File::open(upper.join("d")).unwrap();
            whiteout::make_opaque(&d, spelling()).unwrap();
            let upper = fs::File::open(upper).unwrap();
            whiteout::make_whiteout(&upper, OsStr::new("gone"), spelling()).unwrap();
        },
    );
    assert!(root.look_up(Path::new("gone")).unwrap().is_none());
    assert!(root.look_up(Path::new("d/e")).unwrap().is_none());
    assert_eq!(root.names().unwrap().into_keys().collect::<Vec<_>>(), ["d"]);
}

/// What this account may set; a tmpfs has no attributes of users before Linux 6.6.
fn spelling() -> Spelling {
    if nix::unistd::geteuid().is_root() { Spelling::Trusted } else { Spelling::User }
}
