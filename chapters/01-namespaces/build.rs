//! One shared library less to find, map and relocate at every start. Rust programs for GNU systems
//! load libgcc_s.so, which holds the code that unwinds the stack. Where the compiler brings that
//! code as an archive, too, the linker is given it in the library's place.
//!
//! The search path goes on to every crate that depends on this one, and so to every chapter.

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let environment = |name: &str| std::env::var(name).unwrap_or_default();
    if environment("CARGO_CFG_TARGET_ENV") != "gnu" || !has_archive(&environment("RUSTC_LINKER")) {
        return;
    }
    let directory = PathBuf::from(environment("OUT_DIR")).join("link");
    std::fs::create_dir_all(&directory).expect("OUT_DIR can be written");
    // A linker script by the name that Rust asks for.
    std::fs::write(directory.join("libgcc_s.so"), "GROUP ( -lgcc_eh -lgcc )\n")
        .expect("OUT_DIR can be written");
    println!("cargo:rustc-link-search=native={}", directory.display());
}

/// Whether the compiler that will link has the archive: it prints the path of a file that it
/// finds, and the bare name of one that it does not.
fn has_archive(linker: &str) -> bool {
    let linker = if linker.is_empty() { "cc" } else { linker };
    let output = Command::new(linker).arg("-print-file-name=libgcc_eh.a").output();
    output
        .is_ok_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_absolute())
}
