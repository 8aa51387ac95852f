//! 03.1: layers on top of one another, and what a container writes (overlayfs in the kernel's documentation).

use std::fs;
use std::io;

use testkit::oci::Layer;

use super::Found;
use super::layered::{Layered, read};
use super::subject::Subject;
use crate::grade::Verdict;

/// The file that every layer has, with the layer's number in it.
const NUMBER: &str = "number";

pub(crate) fn layers(subject: &Subject) -> Found {
    let image = subject.image(numbered(subject));
    let container = subject.layered(subject.run_image("", &image))?;
    let order: Vec<String> =
        container.directories().filter_map(|directory| read(directory, NUMBER)).collect();
    let seen = read(&container.seen(""), NUMBER);
    let evidence = format!(
        "{}; `{NUMBER}` in them, from the top: {order:?}; inside: {seen:?}",
        container.shown()
    );
    if order != ["4", "3", "2", "1"] {
        let help = "the kernel looks first into the directory that it was told of first: that is the uppermost layer, and \
                    the last one of the image";
        return Ok(Verdict::fail("not the four layers in the image's order", &evidence, help));
    }
    if seen.as_deref() != Some("4") {
        let help = "what its own layer has hides all others: it begins empty";
        return Ok(Verdict::fail("another layer's file is seen", &evidence, help));
    }
    Ok(Verdict::pass("four layers, the image's last one first", &evidence))
}

pub(crate) fn own(subject: &Subject) -> Found {
    let image = subject.image(numbered(subject));
    let start = || subject.layered(subject.run_image("", &image));
    let (first, second) = (start()?, start()?);
    let before = first.contents()?;
    let evidence = second.shown();
    if let Err(error) = write(&second, &subject.token) {
        let evidence = format!("{evidence}; writing through /proc/PID/root: {error}");
        let help = "without `upperdir` an overlay is read-only; with it, `workdir` has to be an empty directory on the same \
                    file system";
        return Ok(Verdict::fail("nothing can be written in it", &evidence, help));
    }
    let help = "what is shared is never written to: every container has an `upperdir` that no other one has";
    if let Some(changed) = first.changed(&before)? {
        let evidence = format!("{evidence}; {changed}");
        let observed = "it has changed what another container lies on";
        return Ok(Verdict::fail(observed, &evidence, help));
    }
    let [seen, new] = [NUMBER, "new"].map(|name| read(&first.seen(""), name));
    if seen.as_ref() == Some(&subject.token) || new.is_some() {
        let evidence = format!("{evidence}; the other has `{NUMBER}` {seen:?} and `new` {new:?}");
        return Ok(Verdict::fail("another container sees what it has written", &evidence, help));
    }
    let upper = second.upper.as_deref();
    let kept = |name| upper.and_then(|upper| read(upper, name)) == Some(subject.token.clone());
    if !kept(NUMBER) || !kept("new") {
        let help = "upperdir is where an overlay writes to";
        return Ok(Verdict::fail("what it has written is not in its upperdir", &evidence, help));
    }
    Ok(Verdict::pass("what it writes is in its own layer, and nowhere else", &evidence))
}

/// Four layers, each with its number.
fn numbered(subject: &Subject) -> Vec<Layer> {
    let layers = (1..=4).map(|number| {
        let layer = if number == 1 { subject.base() } else { Layer::new() };
        layer.file(NUMBER, number.to_string())
    });
    layers.collect()
}

/// A new file, and one that a layer has.
fn write(container: &Layered, text: &str) -> io::Result<()> {
    [NUMBER, "new"].into_iter().try_for_each(|name| fs::write(container.seen(name), text))
}
