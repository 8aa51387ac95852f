//! How much a group has read from and written to block devices (io.stat, blkio.throttle.*).

use crate::counters::read;
use crate::group::Place;
use kernel::cgroup::Version;

/// Bytes read and written, of all block devices together.
pub(crate) fn transferred(place: &Place) -> Option<(u64, u64)> {
    match place.version {
        // `8:0 rbytes=1459200 wbytes=314773504 rios=192 wios=353 dbytes=0 dios=0`
        Version::V2 => {
            let text = read(place, "io.stat")?;
            let sum = |key: &str| {
                let words = text.split_whitespace().filter_map(|word| word.strip_prefix(key));
                words.filter_map(|bytes| bytes.parse::<u64>().ok()).sum()
            };
            Some((sum("rbytes="), sum("wbytes=")))
        }
        // `8:0 Read 1459200`
        Version::V1 => {
            let text = read(place, "blkio.throttle.io_service_bytes_recursive")?;
            let sum = |kind: &str| {
                let lines = text.lines().filter_map(|line| line.split_once(kind));
                lines.filter_map(|(_, bytes)| bytes.trim().parse::<u64>().ok()).sum()
            };
            Some((sum(" Read "), sum(" Write ")))
        }
    }
}
