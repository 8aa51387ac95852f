//! Processor time against time under a quota, drawn from samples of the kernel's counters.

use super::{Anchor, Picture};
use anyhow::{Context, Result, ensure};

const LEFT: u32 = 60;
const TOP: u32 = 40;
const WIDTH: u32 = 700;
const HEIGHT: u32 = 260;
/// The length of a period in microseconds, as chapter 02 sets it.
const PERIOD: u64 = 100_000;
/// A sample in which the counter grew by less than this share of the time that passed was a wait.
const STILL: u64 = 10;

/// A line of the capture, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sample {
    at: u64,
    used: u64,
    /// Periods that ended in waiting.
    waits: u64,
}

/// Draws the samples of a capture.
pub(super) fn draw(capture: &str) -> Result<Picture> {
    let samples = capture.lines().map(read).collect::<Result<Vec<Sample>>>()?;
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else {
        anyhow::bail!("no samples");
    };
    ensure!(last.at > first.at && last.used > first.used, "nothing was used");
    ensure!(last.waits > first.waits, "nothing was throttled");
    let x = |at: u64| LEFT + (at * u64::from(WIDTH) / last.at) as u32;
    let y = |used: u64| {
        let height = used * u64::from(HEIGHT) / (last.at / 2).max(last.used);
        TOP + HEIGHT - height as u32
    };
    let title = "One busy process under --cpus 0.5: it runs, waits, runs";
    let mut picture = Picture::new(title, LEFT + WIDTH + 20, TOP + HEIGHT + 62);
    picture.text(LEFT, 20, Anchor::Start, "title", "processor time used, in ms");
    for (pair, index) in samples.windows(2).zip(1..) {
        let (from, to): (Sample, Sample) = (pair[0], pair[1]);
        if waits(from, to) {
            picture.rectangle(x(from.at), TOP, x(to.at) - x(from.at), HEIGHT, "wait");
        }
        // A period that ended in waiting is told by a mark at the time when it was counted.
        if to.waits > from.waits {
            let label = to.waits.to_string();
            picture.text(x(samples[index].at), TOP + HEIGHT + 38, Anchor::Middle, "text", &label);
        }
    }
    picture.line((LEFT, y(0)), (x(last.at), y(last.at / 2)), "guide");
    for pair in samples.windows(2) {
        let end = |sample: Sample| (x(sample.at), y(sample.used));
        picture.line(end(pair[0]), end(pair[1]), "curve");
    }
    picture.line((LEFT, TOP), (LEFT, TOP + HEIGHT), "stroke");
    picture.line((LEFT, TOP + HEIGHT), (LEFT + WIDTH, TOP + HEIGHT), "stroke");
    for at in (0..=last.at).step_by(PERIOD as usize) {
        let place = x(at);
        picture.line((place, TOP + HEIGHT), (place, TOP + HEIGHT + 5), "stroke");
        let label = (at / 1000).to_string();
        picture.text(place, TOP + HEIGHT + 20, Anchor::Middle, "text", &label);
    }
    for used in (0..=last.at / 2).step_by(PERIOD as usize / 2) {
        let label = (used / 1000).to_string();
        picture.text(LEFT - 8, y(used) + 5, Anchor::End, "text", &label);
    }
    let below = TOP + HEIGHT + 56;
    picture.text(LEFT, below, Anchor::Start, "text", "below: ms that passed, and nr_throttled as it grows; dashed: half of a processor; shaded: the kernel lets it wait");
    let (passed, used) = (last.at / 1000, last.used / 1000);
    picture.say(format!(
        "In {passed} ms the process used {used} ms of processor time: the curve keeps near the line of half a processor."
    ));
    picture.say("The curve is a staircase: it rises while the process runs, and is level while the kernel lets it wait for its next quota.");
    for (from, to) in pauses(&samples) {
        picture.say(format!("Level from {} to {} ms.", from / 1000, to / 1000));
    }
    picture.say(format!(
        "nr_throttled grew by {} in that time: one for each period that ended in waiting.",
        last.waits - first.waits
    ));
    Ok(picture)
}

fn waits(from: Sample, to: Sample) -> bool {
    (to.used - from.used) * STILL < to.at - from.at
}

/// Where the curve is level, from when to when.
fn pauses(samples: &[Sample]) -> Vec<(u64, u64)> {
    let mut pauses: Vec<(u64, u64)> = Vec::new();
    for pair in samples.windows(2).filter(|pair| waits(pair[0], pair[1])) {
        match pauses.last_mut() {
            Some((_, end)) if *end == pair[0].at => *end = pair[1].at,
            _ => pauses.push((pair[0].at, pair[1].at)),
        }
    }
    pauses
}

fn read(line: &str) -> Result<Sample> {
    let numbers = line.split(' ').map(str::parse).collect::<Result<Vec<u64>, _>>();
    let numbers = numbers.with_context(|| format!("not a sample: {line}"))?;
    let &[at, used, waits] = numbers.as_slice() else { anyhow::bail!("not a sample: {line}") };
    Ok(Sample { at, used, waits })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_the_curve_is_level_it_waited() {
        let capture =
            "0 0 0\n50000 50000 0\n80000 50000 0\n100000 50000 1\n150000 99000 1\n200000 99000 2\n";
        let samples = capture.lines().map(|line| read(line).unwrap()).collect::<Vec<_>>();
        assert_eq!(pauses(&samples), [(50_000, 100_000), (150_000, 200_000)]);
        let html = draw(capture).unwrap().html("throttling").unwrap();
        assert!(html.contains("In 200 ms the process used 99 ms"), "{html}");
        assert!(html.contains("nr_throttled grew by 2"), "{html}");
    }

    #[test]
    fn samples_without_throttling_are_refused() {
        assert!(draw("").is_err());
        assert!(draw("0 0 0\n10 5 0\n").is_err());
        assert!(draw("0 0\n").is_err());
    }
}
