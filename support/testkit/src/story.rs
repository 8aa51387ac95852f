//! `--explain` beside strace(1): the kernel calls that the story tells, those that the tracer saw, and whether the one is
//! made of the other.

use std::collections::{BTreeMap, HashSet};

/// A kernel call as both tell it: its name, the arguments that both write alike, and its result.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Call {
    /// `openat2`.
    pub name: String,
    /// A descriptor, if one comes first, and the first text in quotes.
    pub arguments: Vec<String>,
    /// `0`, or `-1 ENOENT`.
    pub result: String,
}

impl Call {
    /// `NAME(ARGUMENTS`, if it is one of these calls.
    fn parse(text: &str, named: &[&str]) -> Option<Call> {
        let (name, arguments) = text.split_once('(')?;
        let name = name.trim();
        if !named.contains(&name) {
            return None;
        }
        let mut known = Vec::new();
        // A descriptor comes first or not at all; then the first text in quotes.
        let first = arguments.split(',').next().unwrap_or_default().trim();
        if first == "AT_FDCWD" || first.parse::<i64>().is_ok() {
            known.push(first.to_owned());
        }
        if let Some(quoted) = arguments.split('"').nth(1) {
            known.push(quoted.to_owned());
        }
        Some(Call { name: name.to_owned(), arguments: known, result: result(arguments) })
    }
}

/// What stands after the last ` = `: a number, or -1 and the errno's name.
fn result(text: &str) -> String {
    let result = text.rsplit_once(" = ").map_or("", |(_, result)| result);
    let words = if result.starts_with("-1 ") { 2 } else { 1 };
    result.split_whitespace().take(words).collect::<Vec<_>>().join(" ")
}

/// The calls of a story that are in `named`, in the order in which it was told. An execve that does not fail has no result: it is the last call.
pub fn told(story: &str, named: &[&str]) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    for line in story.lines() {
        if line.starts_with("      …") {
            let pending = calls.iter_mut().rev().find(|call| call.name == "execve").unwrap();
            pending.result = result(line);
        } else if let Some(call) =
            line.strip_prefix("    ").and_then(|text| Call::parse(text, named))
        {
            calls.push(call);
        }
    }
    calls
}

/// What strace(1) saw of them, for each process in the order in which its calls returned.
pub fn seen(trace: &str, named: &[&str]) -> Vec<Vec<Call>> {
    let mut processes: BTreeMap<&str, (String, Vec<Call>)> = BTreeMap::new();
    let mut ended = HashSet::new();
    // The first line is strace's own execve of the binary.
    for line in trace.lines().skip(1) {
        let (pid, text) = line.split_once(' ').unwrap();
        let text = text.trim_start();
        let (unfinished, calls) = processes.entry(pid).or_default();
        if let Some(begun) = text.strip_suffix(" <unfinished ...>") {
            *unfinished = begun.to_owned();
            continue;
        }
        let whole = match text.strip_prefix("<... ") {
            Some(resumed) => {
                format!("{}{}", std::mem::take(unfinished), resumed.split_once('>').unwrap().1)
            }
            None => text.to_owned(),
        };
        let Some(mut call) = Call::parse(&whole, named).filter(|_| !ended.contains(pid)) else {
            continue;
        };
        if call.name == "execve" && call.result == "0" {
            call.result.clear();
            ended.insert(pid);
        }
        // A child's half of its own birth is nobody's to tell.
        calls.push(call);
    }
    processes.into_values().map(|(_, calls)| calls).collect()
}

/// Whether `told` is made of all of `seen`, each process's calls in their order and nothing besides. Two processes tell
/// at the same time, so each way of dealing out the calls has to be followed. Otherwise: where it goes wrong.
pub fn interleaves(told: &[Call], seen: &[Vec<Call>]) -> Result<(), String> {
    let mut places = HashSet::from([vec![0; seen.len()]]);
    for (number, call) in told.iter().enumerate() {
        let mut next = HashSet::new();
        for place in &places {
            for process in 0..seen.len() {
                if seen[process].get(place[process]) == Some(call) {
                    let mut place = place.clone();
                    place[process] += 1;
                    next.insert(place);
                }
            }
        }
        if next.is_empty() {
            let waiting = |place: &Vec<usize>| {
                (0..seen.len())
                    .map(|process| seen[process].get(place[process]).cloned())
                    .collect::<Vec<_>>()
            };
            let waiting: Vec<_> = places.iter().map(waiting).collect();
            return Err(format!(
                "call {number} is told as {call:?}; strace goes on with {waiting:?}"
            ));
        }
        places = next;
    }
    let missing = |place: &Vec<usize>| {
        (0..seen.len())
            .flat_map(|process| seen[process][place[process]..].to_vec())
            .collect::<Vec<_>>()
    };
    match places.iter().map(missing).min_by_key(Vec::len) {
        Some(left) if left.is_empty() => Ok(()),
        left => Err(format!("strace saw what was not told: {left:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comparison_finds_what_is_missing_on_either_side() {
        let call =
            |name: &str| Call { name: name.into(), arguments: Vec::new(), result: "0".into() };
        let seen = [vec![call("a"), call("b")], vec![call("b"), call("c")]];
        for told in [["a", "b", "b", "c"], ["b", "a", "b", "c"], ["b", "c", "a", "b"]] {
            assert_eq!(interleaves(&told.map(call), &seen), Ok(()));
        }
        for told in [&["a", "b", "b"][..], &["a", "b", "b", "c", "c"], &["c", "b", "a", "b"]] {
            let told: Vec<Call> = told.iter().map(|name| call(name)).collect();
            assert!(interleaves(&told, &seen).is_err(), "{told:?}");
        }
    }
}
