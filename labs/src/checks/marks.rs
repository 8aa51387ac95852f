//! 03.3: names in a layer's archive that say that something is gone (image-spec, "Layer Filesystem Changeset"): what a
//! container sees of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use testkit::oci::Layer;

use super::Found;
use super::layered::{Layered, read, short};
use super::subject::{Mounts, Subject, said};
use super::tree::tree;
use crate::grade::Verdict;

/// What a mark's name begins with.
const PREFIX: &str = ".wh.";

pub(crate) fn gone(subject: &Subject) -> Found {
    let below = subject.base().directory("d").file("d/gone", "below").file("d/kept", "below");
    let below = below.file("gone", "below").file("again", "below").file("both", "below");
    let below = below.directory("all").file("all/x", "below");
    let marks = ["d/.wh.gone", ".wh.gone", ".wh.again", ".wh.both", ".wh.all", ".wh.nothing"];
    // What the same archive has of the name is above the mark, wherever it stands.
    let middle = Layer::new().file("both", "its own");
    let middle = marks.iter().fold(middle, |layer, mark| layer.file(mark, ""));
    let image = subject.image(vec![below, middle, Layer::new().file("again", "above")]);
    let container = subject.layered(subject.run_image("", &image))?;
    let seen = seen(&container, &["", "d"]);
    let evidence = format!("inside: {seen:?}; {}", made_of("gone", &container));
    if let Some(mark) = seen.keys().find(|path| path.contains(PREFIX)) {
        let help =
            "a name that begins with .wh. is no file: it says that the rest of the name is gone";
        return Ok(Verdict::fail(&format!("{mark} is seen as a file"), &evidence, help));
    }
    let expected = [("again", "above"), ("both", "its own"), ("d/kept", "below")];
    if seen.iter().map(|(path, text)| (&path[..], &text[..])).ne(expected) {
        let help = "where a layer below has the name, make a whiteout: a character device 0:0 of that name, mknod(2); but what \
                    the same archive has of the name stays, and so does what comes in layers above";
        return Ok(Verdict::fail("not what the layers leave", &evidence, help));
    }
    Ok(Verdict::pass("what a layer takes away is gone, and nothing else", &evidence))
}

pub(crate) fn opaque(subject: &Subject) -> Found {
    subject.needs_opaque()?;
    let directories = ["first", "last", "entry", "both"];
    let below = directories.iter().fold(subject.base(), |layer, directory| {
        layer.directory(directory).file(format!("{directory}/old"), "below")
    });
    let all_gone = |directory: &str| format!("{directory}/.wh..wh..opq");
    let marked = Layer::new().file(all_gone("first"), "").file("first/new", "its own");
    let marked = marked.file("last/new", "its own").file(all_gone("last"), "");
    let marked = marked.file(all_gone("entry"), "").directory("entry").file("entry/new", "its own");
    let marked = marked.file("both/.wh.old", "").file(all_gone("both"), "");
    let marked = marked.file("both/new", "its own");
    let image = subject.image(vec![below, marked]);
    let container = subject.layered(subject.run_image("", &image))?;
    for directory in directories {
        its_own_alone(directory, &container)?;
    }
    let evidence = made_of("first", &container);
    Ok(Verdict::pass("only what its own layer has is seen", &evidence))
}

/// Whether of a directory of two layers only what the upper one has is seen.
fn its_own_alone(directory: &str, container: &Layered) -> Result<(), Verdict> {
    let place = container.seen(directory);
    let names = names(&place);
    let evidence = format!("{directory} has {names:?}; {}", made_of(directory, container));
    if read(&place, "old").is_some() {
        let help = "the attribute overlay.opaque = y of a directory (trusted.overlay.opaque, without root user.overlay.opaque) \
                    hides what lies below it, wherever in the archive its mark stands";
        return Err(Verdict::fail("what lies below shows through", &evidence, help));
    }
    if !names.contains(&"new".to_owned()) {
        let help =
            "the mark is about the layers below: what its own layer has in the directory stays";
        return Err(Verdict::fail("its own layer's file is gone, too", &evidence, help));
    }
    if names.len() > 1 {
        let help = "a whiteout in a directory that hides all has nothing to hide, and the kernel shows it as a name: \
                    remove it when you set the attribute";
        return Err(Verdict::fail("a name is listed that nothing is behind", &evidence, help));
    }
    Ok(())
}

pub(crate) fn hostile(subject: &Subject) -> Found {
    let import = |layer: Layer| {
        let import = subject.binary(Mounts::Private).words("import -").arg(subject.new_name());
        import.stdin(layer.archive()).run()
    };
    let good = import(Layer::new().directory("d").file("d/file", &subject.token));
    let evidence = format!("`import -` of a good archive: {}", said(&good));
    if !good.status().success() {
        let help = "an archive without a mark in it has to be taken, for a start";
        return Ok(Verdict::fail("it takes no archive", &evidence, help));
    }
    for name in [".wh.", "d/.wh..", "d/.wh..."] {
        let before = paths(subject.state());
        let session =
            import(Layer::new().directory("d").file("d/other", &subject.token).file(name, ""));
        let left: Vec<String> =
            paths(subject.state()).into_iter().filter(|path| !before.contains(path)).collect();
        let evidence =
            format!("an archive with {name:?} in it: {}; new files: {left:?}", said(&session));
        if session.status().success() {
            let help = "what follows .wh. has to be a name: nothing is none, and . and .. are other directories";
            return Ok(Verdict::fail(&format!("{name:?} is taken"), &evidence, help));
        }
        if !left.is_empty() {
            let help = "unpack beside the place where layers are, and remove that whole when an entry is refused";
            return Ok(Verdict::fail("a refused archive leaves files behind", &evidence, help));
        }
    }
    Ok(Verdict::pass("each of them is refused, and nothing stays of its archive", &evidence))
}

/// What the container has in these directories, but for what is in every image of ours; a directory is told by what is in it.
fn seen(container: &Layered, directories: &[&str]) -> BTreeMap<String, String> {
    let mut seen = BTreeMap::new();
    for directory in directories {
        let place = container.seen(directory);
        for name in names(&place) {
            let path = Path::new(directory).join(&name).display().to_string();
            let ours = name.starts_with("probe") || ["dev", "proc", "sys"].contains(&&name[..]);
            if !ours && !directories.contains(&&path[..]) {
                seen.insert(path, read(&place, &name).unwrap_or_else(|| "no file".into()));
            }
        }
    }
    seen
}

/// The names in a directory.
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// What the directories of a container's root have of a name, as evidence.
fn made_of(name: &str, container: &Layered) -> String {
    let told = |directory: &PathBuf| {
        let place = directory.join(name);
        let its_own = tree(&place, &[]).ok()?.remove(Path::new(""))?;
        Some(format!("{}: {its_own}", short(&place)))
    };
    container.directories().filter_map(told).collect::<Vec<_>>().join("; ")
}

/// The names of all that is below a directory.
fn paths(directory: &Path) -> Vec<String> {
    let tree = tree(directory, &[]).expect("the binary's files are ours to read");
    tree.into_keys().map(|path| path.display().to_string()).collect()
}
