//! Compiles `src/start.rs` to a static executable, without cargo and without any C library.
//!
//! The result must start in an empty root and as the init of a virtual machine, so nothing of the
//! build machine may be linked into it. Cargo has no stable way to build a program for a library
//! to embed; one call of rustc needs none.

use std::env::var;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=src/start.rs");
    println!("cargo:rerun-if-changed=src/builtins.rs");
    println!("cargo:rerun-if-changed=src/program");
    println!("cargo:rerun-if-env-changed=RUSTC_LINKER");

    let rustc = variable("RUSTC");
    let target = variable("TARGET");
    let output = Path::new(&variable("OUT_DIR")).join("probe");

    let mut command = Command::new(&rustc);
    command.args(["--edition=2024", "--crate-name=probe", "--crate-type=bin"]);
    command.args(["--target", &target, "-o"]).arg(&output);
    command.args(["-C", "panic=abort", "-C", "opt-level=s", "-C", "strip=symbols"]);
    command.args(["-C", "codegen-units=1"]);
    // Fixed addresses need no relocation at start: nobody is there to do it.
    command.args(["-C", "relocation-model=static", "-C", "target-feature=+crt-static"]);
    // Nothing is relocated, so nothing becomes read-only later: one mapping less at each start.
    command.args(["-C", "relro-level=off"]);
    // Panic messages name source files: without this, each build directory had another ID.
    command.arg(format!("--remap-path-prefix={}=probe", variable("CARGO_MANIFEST_DIR")));
    command.args(linker(&rustc));
    command.arg("src/start.rs");
    let status = command.status().unwrap_or_else(|error| panic!("{rustc} does not start: {error}"));
    assert!(status.success(), "the probe does not compile for {target}");

    let program = std::fs::read(&output).expect("rustc wrote the program");
    println!("cargo:rustc-env=PROBE_ID={:016x}", fnv1a(&program));
}

/// The linker that comes with rustup's toolchains needs no C compiler and links for both
/// architectures. Distributions leave it out; there the C compiler of the target links.
fn linker(rustc: &str) -> Vec<String> {
    let sysroot = Command::new(rustc).args(["--print", "sysroot"]).output().expect("rustc starts");
    let sysroot = String::from_utf8(sysroot.stdout).expect("the sysroot is UTF-8");
    let host = variable("HOST");
    let lld = Path::new(sysroot.trim()).join("lib/rustlib").join(&host).join("bin/rust-lld");
    let arguments: &[&str] = if lld.exists() {
        &["linker=rust-lld", "linker-flavor=ld.lld"]
    } else {
        let architecture = variable("CARGO_CFG_TARGET_ARCH");
        let default = if host.starts_with(&architecture) {
            "cc".to_string()
        } else {
            format!("{architecture}-linux-gnu-gcc")
        };
        let compiler = var("RUSTC_LINKER").unwrap_or(default);
        &[
            &format!("linker={compiler}"),
            "link-args=-nostartfiles -nostdlib -static -Wl,-z,noseparate-code",
        ]
    };
    arguments.iter().flat_map(|option| ["-C".to_string(), option.to_string()]).collect()
}

/// FNV-1a, 64 bits: the same on every machine and Rust version, unlike the hashers of `std`.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn variable(name: &str) -> String {
    var(name).unwrap_or_else(|_| panic!("cargo sets {name}"))
}
