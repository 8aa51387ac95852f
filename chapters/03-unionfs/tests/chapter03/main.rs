//! Chapter 03 from outside: each test is a shell session with the built binary, and what it claims is checked against the
//! kernel's own files, and against skopeo and umoci where they are installed. `MINIDOCK_BIN_03=/path/to/yours` puts another
//! binary to the same test.

mod background;
mod bad_input;
mod changes;
mod commit;
mod copying;
mod detached;
mod docker;
mod driver;
mod ending;
mod explain;
mod foreground;
mod images;
mod inspecting;
mod lab_box;
mod life;
mod many;
mod overlay;
mod place;
mod together;
mod umoci;
mod updating;
mod views;

use std::fs;
use std::path::Path;

use testkit::{Program, host, oci, random_token, wait_for};

/// `minidock-03 WORDS…` with its files in this place.
fn minidock(root: &Path, words: &str) -> Program {
    testkit::chapter(3).state(root).words(words)
}

/// The host's mount table.
fn mountinfo() -> String {
    std::fs::read_to_string("/proc/self/mountinfo").expect("/proc is mounted")
}

/// A number from `least` to `least + span`, that no answer can have been written for.
fn random(least: u64, span: u64) -> u64 {
    least + u64::from_str_radix(&random_token(), 16).expect("it is hexadecimal") % (span + 1)
}

/// The containers that have their files here. `ps` lists those that run beside them, too.
fn ids(state: &Path) -> Vec<String> {
    let entries = fs::read_dir(state.join("containers")).into_iter().flatten();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// The container's first process.
fn first_process(id: &str) -> i32 {
    wait_for("its first process", || first_process_now(id))
}

/// The same, if there is one at this moment. Its number is the host's: who keeps it may have others.
fn first_process_now(id: &str) -> Option<i32> {
    host::in_container(id).into_iter().find(|pid| is_first(*pid))
}

fn is_first(pid: i32) -> bool {
    host::ns_pids(pid).last() == Some(&1)
}

fn shim_of(pid: i32) -> i32 {
    host::status(pid, "PPid").unwrap().parse().unwrap()
}
