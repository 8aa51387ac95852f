//! Chapter 03's containers: on a directory, on images of many layers, and on a root of many files by each
//! driver. Their state is beside the root, on the ground's tmpfs, and new with each measurement.

use crate::ground::{COMMAND, Ground};
use crate::peers::Made;
use anyhow::{Context, Result, ensure};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// `minidock-03 run --rm` on the ground's root or, given a number, on an image of so many layers.
///
/// # Errors
/// If the image cannot be made.
pub fn start(ground: &Ground, layers: Option<usize>) -> Result<Made> {
    let root = match layers {
        None => ground.root().into(),
        Some(layers) => image(ground, layers)?.into(),
    };
    Ok(Made::Words(run(ground, &[], root)))
}

/// The same on a root of a thousand small files more, by this driver.
///
/// # Errors
/// If the root cannot be made.
pub fn thousand_files(ground: &Ground, driver: &str) -> Result<Made> {
    let root = ground.path("files");
    if !root.exists() {
        copy_tree(&ground.root(), &root)?;
        let many = root.join("many");
        fs::create_dir(&many)?;
        (0..1000).try_for_each(|n| fs::write(many.join(n.to_string()), [b'x'; 4096]))?;
    }
    Ok(Made::Words(run(ground, &["--storage-driver", driver], root.into())))
}

fn run(ground: &Ground, options: &[&str], root: OsString) -> Vec<OsString> {
    run_inside(ground, options, root, &[COMMAND])
}

/// `minidock-03 run --rm OPTION… ROOT COMMAND…`; a directory as a root becomes a layer.
pub fn run_inside(
    ground: &Ground,
    options: &[&str],
    root: OsString,
    command: &[&str],
) -> Vec<OsString> {
    let mut words = minidock(ground, &["run", "--rm"]);
    words.extend(options.iter().map(OsString::from));
    words.push(root);
    words.extend(command.iter().map(OsString::from));
    words
}

fn minidock(ground: &Ground, words: &[&str]) -> Vec<OsString> {
    minidock_in(&ground.path("state"), words)
}

/// `minidock-03 --root STATE WORD…`
pub fn minidock_in(state: &Path, words: &[&str]) -> Vec<OsString> {
    let program = [testkit::binary(3).into(), "--root".into(), state.into()];
    program.into_iter().chain(words.iter().map(OsString::from)).collect()
}

/// An image of so many layers: the root, and containers that were committed one after the other.
fn image(ground: &Ground, layers: usize) -> Result<String> {
    let name = |layers: usize| format!("layers:{layers}");
    let is_there = |layers: usize| ask(ground, &["images", "-q", &name(layers)]);
    if !is_there(1)? {
        let root = ground.root();
        let root = root.to_str().context("the ground has a plain name")?;
        told(ground, &["import", root, &name(1)])?;
    }
    for count in 2..=layers {
        if !is_there(count)? {
            // What it does not change is a layer all the same.
            told(ground, &["run", "--name", "next", &name(count - 1), COMMAND])?;
            told(ground, &["commit", "next", &name(count)])?;
            told(ground, &["rm", "next"])?;
        }
    }
    told(ground, &["run", "--rm", &name(layers), COMMAND])?;
    Ok(name(layers))
}

/// Whether it says anything.
fn ask(ground: &Ground, words: &[&str]) -> Result<bool> {
    Ok(!told(ground, words)?.is_empty())
}

fn told(ground: &Ground, words: &[&str]) -> Result<Vec<u8>> {
    let line = minidock(ground, words);
    let output = Command::new(&line[0]).args(&line[1..]).stdin(Stdio::null()).output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "minidock-03 {}: {errors}", words.join(" "));
    Ok(output.stdout)
}

fn copy_tree(from: &PathBuf, to: &PathBuf) -> Result<()> {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status().context("cp")?;
    ensure!(status.success(), "cp -a {}: {status}", from.display());
    Ok(())
}
