//! 03.5: what a container has changed, name by name, as `diff` lists it; where it has a layer of its own, and where it has a
//! copy of all.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Found;
use super::subject::{Subject, said};
use crate::grade::Verdict;

/// What is listed, and what helps where it is not.
const EXPECTED: [(&str, &str); 14] = [
    ("A /made", "what lies nowhere below is new: A"),
    ("A /new", "what lies nowhere below is new: A"),
    ("A /new/x", "all that is in a new directory is new: A"),
    ("C /changed", "what lies below, and was written all the same, is changed: C"),
    ("C /mode", "another mode, owner or time is a change like another content: C"),
    ("C /e/inner", "what changes in a directory is looked for in that directory"),
    ("C /e", "a directory in which something has changed is listed, too: C, before what is in it"),
    ("D /gone", "what lies below and is seen no more is deleted: D"),
    (
        "D /away",
        "what lies below and is seen no more is deleted: D, and what was in it needs no line",
    ),
    ("C /anew", "a directory that was made anew is another one: C"),
    ("A /anew/new", "a directory that was made anew is compared with the one below"),
    ("D /anew/old", "a directory that was made anew is compared with the one below"),
    ("C /kind", "what has become a directory is another one: C"),
    ("A /kind/x", "below a directory that was a file there is nothing to compare with: A"),
];

pub(crate) fn diff(subject: &Subject) -> Found {
    listed(subject, "")
}

pub(crate) fn copied(subject: &Subject) -> Found {
    listed(subject, "--storage-driver copy").map(|verdict| {
        if verdict.help.is_empty() {
            return verdict;
        }
        let help = "what was written has another mode, owner, size or time than its original in the layers";
        Verdict { help: format!("{}; in a copy, {help}", verdict.help), ..verdict }
    })
}

/// Lets a container change this and that, and asks for the list.
fn listed(subject: &Subject, options: &str) -> Found {
    subject.needs_opaque()?;
    let names =
        ["kept", "changed", "mode", "gone", "kind", "e/inner", "e/kept", "anew/old", "away/x"];
    let layer =
        ["e", "anew", "away"].iter().fold(subject.base(), |layer, name| layer.directory(name));
    let layer = names.iter().fold(layer, |layer, name| layer.file(name, "below"));
    let (name, image) = (subject.new_name(), subject.image(vec![layer]));
    let (running, pid) =
        subject.sleeper(subject.run_image(&format!("--name {name} {options}"), &image))?;
    write(format!("/proc/{pid}/root").as_ref(), &subject.token).map_err(|error| {
        let help = "first of all it needs a layer of its own (task 03.1), or a copy (task 03.6)";
        Verdict::fail("nothing can be written in it", &error.to_string(), help)
    })?;
    // It may have ended by itself.
    let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    running.wait();
    let session = subject.says(&format!("diff {name}"));
    let text = session.text();
    let lines: Vec<&str> = text.lines().collect();
    let evidence = format!("`diff`: {lines:?}, {}", said(&session));
    if let Some((line, help)) = EXPECTED.iter().find(|(line, _)| !lines.contains(line)) {
        return Ok(Verdict::fail(&format!("`{line}` is not listed"), &evidence, help));
    }
    let is_expected = |line: &&&str| EXPECTED.iter().any(|(expected, _)| expected == *line);
    if let Some(line) = lines.iter().find(|line| !is_expected(line)) {
        let help = "what nobody has touched is not listed";
        return Ok(Verdict::fail(&format!("`{line}` is listed"), &evidence, help));
    }
    Ok(Verdict::pass("all that it has changed, and nothing else", &evidence))
}

fn write(root: &Path, text: &str) -> io::Result<()> {
    fs::write(root.join("changed"), text)?;
    fs::write(root.join("e/inner"), text)?;
    fs::write(root.join("made"), text)?;
    fs::set_permissions(root.join("mode"), Permissions::from_mode(0o600))?;
    fs::remove_file(root.join("gone"))?;
    fs::remove_file(root.join("kind"))?;
    fs::remove_dir_all(root.join("away"))?;
    fs::remove_dir_all(root.join("anew"))?;
    for (directory, file) in [("new", "x"), ("anew", "new"), ("kind", "x")] {
        fs::create_dir(root.join(directory))?;
        fs::write(root.join(directory).join(file), text)?;
    }
    Ok(())
}
