//! `--log-opt`: how much of a container's output is kept.

use cgroups::engine::units;
use console::failure::Failure;
use serde::{Deserialize, Serialize};

/// The bound; without one, all is kept, as in Docker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Rotation {
    /// Bytes of a file, before a new one is begun.
    pub max_size: Option<u64>,
    /// How many files there are, with the one that is written to; 0 is one.
    pub max_file: u32,
}

impl Rotation {
    /// What these options ask for.
    ///
    /// # Errors
    /// If one of them is not known.
    pub fn parse(options: &[String]) -> Result<Rotation, Failure> {
        let mut rotation = Rotation::default();
        for option in options {
            let refused = |why: &str, remedy: &str| {
                let failure = Failure::new(format!("--log-opt {option}: {why}"));
                Err(failure.remedy(remedy))
            };
            match option.split_once('=') {
                Some(("max-size", text)) => match units::size(text) {
                    Ok(size) if size > 0 => rotation.max_size = Some(size),
                    _ => return refused("no size", "write max-size=10m"),
                },
                Some(("max-file", text)) => match text.parse() {
                    Ok(count) if count > 0 => rotation.max_file = count,
                    _ => return refused("no number of files", "write max-file=3"),
                },
                _ => return refused("unknown log opt", "max-size=SIZE or max-file=COUNT"),
            }
        }
        if rotation.max_file > 1 && rotation.max_size.is_none() {
            let failure = Failure::new("--log-opt max-file without max-size: no file is ever full");
            return Err(failure.remedy("add --log-opt max-size=10m"));
        }
        Ok(rotation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(options: &[&str]) -> Result<Rotation, Failure> {
        Rotation::parse(&options.iter().map(|option| option.to_string()).collect::<Vec<_>>())
    }

    #[test]
    fn sizes_and_counts_are_read() {
        let rotation = parse(&["max-size=10m", "max-file=3"]).unwrap();
        assert_eq!(rotation, Rotation { max_size: Some(10 << 20), max_file: 3 });
        assert_eq!(parse(&["max-size=5kb"]).unwrap().max_size, Some(5 << 10));
        let wrong = ["max-size=", "max-size=0", "max-size=1x", "max-file=0", "max-file=2", "a=b"];
        for wrong in wrong {
            assert!(parse(&[wrong]).is_err(), "{wrong}");
        }
    }
}
