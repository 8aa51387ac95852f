//! The words for a container whose processes the kernel has killed for want of memory.

use crate::counters::{self, Usage};
use crate::group::Group;
use console::format::bytes;

/// Says that processes were killed for want of memory, and what the limit was, if any were.
pub(crate) fn words(group: &Group) -> Option<String> {
    let kills = counters::out_of_memory_kills(group).filter(|kills| *kills > 0)?;
    let usage = Usage::of(group);
    let limit = match counters::memory_limit(group) {
        Some(limit) => format!("limit {}", bytes(limit)),
        None => "no limit of its own: the machine's, or a group's above it".into(),
    };
    let peak = usage.peak.map(bytes);
    let peak = peak.map_or(String::new(), |peak| format!(", peak {peak}"));
    let who = if kills == 1 { "1 process".into() } else { format!("{kills} processes") };
    Some(format!("OOM-killed: {limit}{peak} ({who})"))
}
