//! 02.4: the number of processes, and the speed of disks (admin-guide/cgroup-v2, "PID" and "IO").

use std::fs;
use std::path::Path;

use super::Found;
use super::group::{by_version, read};
use super::subject::{Subject, said};
use crate::grade::Verdict;

pub(crate) fn pids(subject: &Subject) -> Found {
    let mut contained = subject.contained("--pids-limit 8", "gate forkbomb")?;
    let group = contained.with("pids")?;
    let evidence = format!("pids.max is {:?}", read(group, "pids.max").unwrap_or_default());
    contained.running.write("go\n");
    let session = contained.running.wait();
    let text = session.text();
    let lines: Vec<&str> = text.lines().collect();
    let evidence =
        format!("{evidence}; `/probe forkbomb` inside said {lines:?}, {}", said(&session));
    if lines != ["processes=7", "EAGAIN"] {
        let help = "write the number into pids.max: the command is one of them, and the fork of the ninth fails (EAGAIN)";
        return Ok(Verdict::fail("it could not make 7 processes and no more", &evidence, help));
    }
    Ok(Verdict::pass("7 processes beside the first, and then EAGAIN", &evidence))
}

pub(crate) fn io(subject: &Subject) -> Found {
    let Some((device, number)) = disk() else {
        let remedy = "use a machine, or a VM, with a disk of its own";
        return Ok(Verdict::skip(
            "there is no whole disk in /sys/block with a file in /dev",
            remedy,
        ));
    };
    let contained = subject.contained(&format!("--device-write-bps {device}:1mb"), "sleep 600")?;
    let group = contained.with("io")?;
    let file = by_version(group, "blkio.throttle.write_bps_device", "io.max");
    let found = read(group, file).unwrap_or_default();
    let evidence = format!("{} reads {found:?}", group.directory.join(file).display());
    let rates: Vec<Vec<&str>> =
        found.lines().map(|line| line.split([' ', '=']).collect()).collect();
    let is_this = |words: &&Vec<&str>| words.first() == Some(&&number[..]);
    let rate = rates.iter().find(is_this).and_then(|words| match group.version {
        1 => words.get(1),
        _ => words.iter().position(|word| *word == "wbps").and_then(|at| words.get(at + 1)),
    });
    if rate != Some(&"1048576") {
        let help = "the kernel wants the device's major and minor number and bytes a second: \"8:0 1048576\" into \
                    blkio.throttle.write_bps_device, \"8:0 wbps=1048576\" into io.max";
        return Ok(Verdict::fail(&format!("no 1048576 for {number}"), &evidence, help));
    }
    Ok(Verdict::pass(&format!("{number} may be written at 1048576 bytes a second"), &evidence))
}

/// A disk's file, and its number.
fn disk() -> Option<(String, String)> {
    let virtual_ones = ["loop", "ram", "zram", "sr", "fd", "nbd"];
    let mut names: Vec<String> = fs::read_dir("/sys/block")
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| !virtual_ones.iter().any(|kind| name.starts_with(kind)))
        .collect();
    names.sort();
    names.into_iter().find_map(|name| {
        let path = format!("/dev/{name}");
        let number = fs::read_to_string(format!("/sys/block/{name}/dev")).ok()?;
        Path::new(&path).exists().then(|| (path, number.trim().to_owned()))
    })
}
