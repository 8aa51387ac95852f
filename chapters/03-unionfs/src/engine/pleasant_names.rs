//! Names for containers that were given none: two words that are easy to say and to remember.

use crate::engine::records;
use anyhow::{Context, Result};
use std::fs::File;
use std::io::Read;
use std::path::Path;

const FIRST: [&str; 32] = [
    "amber", "bold", "brave", "bright", "calm", "clever", "cosy", "eager", "early", "fair",
    "gentle", "golden", "happy", "honest", "jolly", "keen", "kind", "lively", "lucky", "merry",
    "modest", "neat", "noble", "patient", "polite", "quick", "quiet", "silver", "steady", "sunny",
    "warm", "wise",
];
const SECOND: [&str; 32] = [
    "badger", "beaver", "crane", "dolphin", "eagle", "falcon", "finch", "fox", "gannet", "hare",
    "heron", "ibis", "jay", "kestrel", "lark", "lynx", "marten", "newt", "orca", "otter", "owl",
    "puffin", "quail", "raven", "robin", "seal", "stork", "swan", "tern", "vole", "whale", "wren",
];

/// One that nobody has at this moment; taking it may still fail.
pub fn new(root: &Path) -> Result<String> {
    let mut random = [0; 4];
    let mut next = || -> Result<[u8; 4]> {
        File::open("/dev/urandom")
            .and_then(|mut f| f.read_exact(&mut random))
            .context("/dev/urandom")?;
        Ok(random)
    };
    loop {
        let [first, second, number, more] = next()?;
        let pick = |words: &[&'static str; 32], at: u8| words[usize::from(at) % 32];
        let name = format!("{}_{}", pick(&FIRST, first), pick(&SECOND, second));
        if !root.join("names").join(&name).exists() {
            return Ok(name);
        }
        let name = format!("{name}{}", u16::from_be_bytes([number, more]));
        if records::find(root, &name).is_err() {
            return Ok(name);
        }
    }
}
