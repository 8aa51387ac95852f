//! 03.2: what a container has changed, as the kernel has it in the container's own layer, and as `commit` makes a layer of an
//! image of it. That is read where it lies, as an OCI image layout; what becomes of its marks is task 03.3.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use testkit::oci;

use super::Found;
use super::layered::{Layered, read, short};
use super::subject::{Subject, said};
use super::tree::tree;
use crate::grade::Verdict;

/// A container that has ended, and the image that was made of it.
struct Committed {
    /// What it has written.
    upper: PathBuf,
    image: String,
    /// The names in the image's two layers.
    below: Vec<String>,
    new: Vec<String>,
}

pub(crate) fn layer(subject: &Subject) -> Found {
    let made = committed(subject)?;
    let evidence = format!("its last layer's archive has {:?}", made.new);
    let names = ["", "changed", "made", "secret", "d", "d/new"];
    let is_mark = |name: &str| name.rsplit('/').next().unwrap_or(name).starts_with(".wh.");
    let untouched = made.new.iter().find(|name| !names.contains(&&name[..]) && !is_mark(name));
    if let Some(untouched) = untouched {
        let help =
            "pack the container's own layer, upper: what that lies on is in the image already";
        let observed = format!("it has {untouched:?}, which the container has not touched");
        return Ok(Verdict::fail(&observed, &evidence, help));
    }
    let container = subject.layered(subject.run_image("", &made.image))?;
    let seen = ["changed", "made", "kept"].map(|name| read(&container.seen(""), name));
    let evidence = format!("{evidence}; a container of it has `changed`, `made`, `kept` {seen:?}");
    let token = Some(subject.token.clone());
    if seen != [token.clone(), token, Some("below".into())] {
        let help = "the new layer is the uppermost one of the image, and its last";
        return Ok(Verdict::fail("a container of it sees something else", &evidence, help));
    }
    Ok(Verdict::pass("one layer more, with what was changed and nothing else", &evidence))
}

pub(crate) fn gone(subject: &Subject) -> Found {
    let made = committed(subject)?;
    let whiteout = made.upper.join("secret");
    let evidence = format!("{}; its last layer's archive has {:?}", told(&whiteout), made.new);
    let is_device = |about: fs::Metadata| about.file_type().is_char_device() && about.rdev() == 0;
    if !fs::symlink_metadata(&whiteout).is_ok_and(is_device) {
        let help = "the kernel makes it, in the directory that was given as upperdir";
        return Ok(Verdict::fail("no device 0:0 is where a file was removed", &evidence, help));
    }
    if !made.new.contains(&".wh.secret".to_owned()) {
        let help = "what is a device 0:0 in upper is an empty file called .wh.NAME in an archive; without that, the layer \
                    below shows the file again";
        return Ok(Verdict::fail("the new layer does not say that it is gone", &evidence, help));
    }
    if !made.below.contains(&"secret".to_owned()) {
        let help = "a layer is never written again: other images have it, too";
        return Ok(Verdict::fail("the layer below has changed", &evidence, help));
    }
    Ok(Verdict::pass("a mark in the new layer, and the file in the one below", &evidence))
}

pub(crate) fn anew(subject: &Subject) -> Found {
    let made = committed(subject)?;
    let directory = told(&made.upper.join("d"));
    let evidence = format!("{directory}; its last layer's archive has {:?}", made.new);
    if !directory.contains("overlay.opaque") {
        let help = "the kernel sets it, in the directory that was given as upperdir";
        return Ok(Verdict::fail("the directory made anew is not opaque", &evidence, help));
    }
    let marks = [".wh.d", "d/.wh..wh..opq", "d/.wh.old"];
    if !made.new.iter().any(|name| marks.contains(&&name[..])) {
        let help = "a directory with the attribute overlay.opaque = y has an empty file .wh..wh..opq in the archive; without \
                    that, what the layer below has in it shows again";
        return Ok(Verdict::fail("the new layer does not say that it is new", &evidence, help));
    }
    Ok(Verdict::pass("the new layer's directory hides the one below", &evidence))
}

/// Lets a container of one layer change this and that, and commits it.
fn committed(subject: &Subject) -> Result<Committed, Verdict> {
    subject.needs_opaque()?;
    let below = subject.base().directory("d").file("d/old", "below");
    let below = below.file("kept", "below").file("changed", "below").file("secret", "below");
    let image = subject.image(vec![below]);
    let (name, new) = (subject.new_name(), format!("{image}:new"));
    let container = subject.layered(subject.run_image(&format!("--name {name}"), &image))?;
    let upper = write(&container, &subject.token).map_err(|error| {
        let evidence = format!("{}; {error}", container.shown());
        let help = "first of all it needs a layer of its own: task 03.1";
        Verdict::fail("nothing can be written in it", &evidence, help)
    })?;
    container.end();
    let session = subject.says(&format!("commit {name} {new}"));
    let evidence = format!("`commit {name} {new}`: {}", said(&session));
    let layers = oci::names(subject.state(), &new);
    let layers: Result<[Vec<String>; 2], _> = layers.unwrap_or_default().try_into();
    let Ok([below, last]) = layers else {
        let help = "its images are an OCI image layout in `images` below MINIDOCK_ROOT; the new one has the layers of the old \
                    one, and one more";
        return Err(Verdict::fail("there is no image of two layers of that name", &evidence, help));
    };
    Ok(Committed { upper, image: new, below, new: last })
}

/// Changes a file, makes one, removes one, and makes a directory anew; returns where that went.
fn write(container: &Layered, text: &str) -> io::Result<PathBuf> {
    fs::write(container.seen("changed"), text)?;
    fs::write(container.seen("made"), text)?;
    fs::remove_file(container.seen("secret"))?;
    fs::remove_dir_all(container.seen("d"))?;
    fs::create_dir(container.seen("d"))?;
    fs::write(container.seen("d/new"), text)?;
    container.upper.clone().ok_or_else(|| io::Error::other("and yet there is no upperdir"))
}

/// What a file in the container's own layer is, as evidence.
fn told(place: &Path) -> String {
    let its_own = tree(place, &[]).ok().and_then(|mut tree| tree.remove(Path::new("")));
    format!("{} is {}", short(place), its_own.as_deref().unwrap_or("nothing"))
}
