//! A container's life among others: it is started in the background, a command runs in it, all are listed,
//! a log is read, and it is removed with what runs in it. Each crowd of containers has a store of its own,
//! and does all of this once a round, each round in another order; where many run, by itself.

use crate::ground::{COMMAND, Ground, PROBE};
use crate::ladder::portable;
use crate::layers::minidock_in;
use crate::participant::{Participant, Until};
use crate::peers;
use crate::resident::{self, Memory};
use crate::results::{Kind, Outcome, Row};
use crate::rounds::{self, Times};
use anyhow::Result;
use std::fs;
use std::path::PathBuf;

/// What a promise is about: where nothing has to be looked for.
pub const EXEC: &str = "exec, 1 container";
/// And where there is much to look through.
pub const PS: &str = "ps -a, 1,000 containers";

/// A step of a container's life: what it is called, what it is, and the words for it.
struct Step {
    name: &'static str,
    measures: &'static str,
    words: fn(&Crowd, &Ground) -> Vec<String>,
}

/// All of them, in their order.
const STEPS: [Step; 5] = [
    Step {
        name: "run -d",
        measures: "a container in the background, until it runs and its id is printed",
        words: |crowd, ground| crowd.start(ground, &crowd.name("it")),
    },
    Step {
        name: "exec",
        measures: "a command in it, until that has ended",
        words: |crowd, _| ["exec".into(), crowd.name("it"), COMMAND.into()].into(),
    },
    Step {
        name: "ps -a",
        measures: "all containers that there are, listed",
        words: |_, _| ["ps", "-a"].map(String::from).into(),
    },
    Step {
        name: "logs",
        measures: "1,000 lines that one has written",
        words: |crowd, _| ["logs".into(), crowd.name("said")].into(),
    },
    Step {
        name: "rm -f",
        measures: "all that runs in it is killed, and nothing of it stays",
        words: |crowd, _| ["rm".into(), "-f".into(), crowd.name("it")].into(),
    },
];

/// So many containers, the one that is measured among them.
struct Crowd {
    shown: &'static str,
    /// In the names of what it has.
    key: &'static str,
    others: usize,
    /// The others run; if not, they have ended.
    run: bool,
}

/// All of them. The first is what the others are compared with.
const CROWDS: [Crowd; 4] = [
    Crowd { shown: "1 container", key: "1", others: 0, run: false },
    Crowd { shown: "100 containers", key: "100", others: 99, run: false },
    Crowd { shown: "1,000 containers", key: "1000", others: 999, run: false },
    Crowd { shown: "100 that run", key: "running", others: 99, run: true },
];

/// The file whose lines one of them says.
const LINES: &str = "lines";

impl Crowd {
    /// A container's name. Groups are the machine's: nobody else has one of this name.
    fn name(&self, whose: &str) -> String {
        format!("{}-{}-{whose}", peers::group_name(), self.key)
    }

    fn others(&self) -> impl Iterator<Item = String> {
        // One of those that have ended is the one that has said something.
        let said = usize::from(self.others > 0 && !self.run);
        (said..self.others).map(|number| self.name(&number.to_string()))
    }

    /// The words that start one.
    fn start(&self, ground: &Ground, name: &str) -> Vec<String> {
        let root = ground.root().to_string_lossy().into_owned();
        // Should we be killed, it ends all the same.
        ["run", "-d", "--name", name, &root, PROBE, "sleep", "600"].map(String::from).into()
    }

    fn participant(&self, ground: &Ground, words: &[String]) -> Result<Participant> {
        // The one that has said something is by itself where there is to be one container only.
        let apart = self.others == 0 && words.contains(&self.name("said"));
        let state = state(ground, if apart { "said" } else { self.key });
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let participant = Participant::new("", minidock_in(&state, &words))?;
        Ok(participant.env("MINIDOCK_RUN", ground.path("run")))
    }

    /// Makes the others, and the one that says something.
    fn gather(&self, ground: &Ground) -> Result<()> {
        let root = ground.root().to_string_lossy().into_owned();
        let (said, lines) = (self.name("said"), format!("/{LINES}"));
        let says = ["run", "-d", "--name", &said, &root, PROBE, "cat", &lines].map(String::from);
        self.participant(ground, &says)?.check()?;
        self.participant(ground, &["wait".into(), said])?.check()?;
        self.others().try_for_each(|name| {
            let words = match self.run {
                true => self.start(ground, &name),
                false => ["run", "--name", &name, &root, COMMAND].map(String::from).into(),
            };
            self.participant(ground, &words)?.check()
        })
    }
}

fn state(ground: &Ground, key: &str) -> PathBuf {
    ground.path(&format!("life-{key}"))
}

/// A crowd that is there, and the steps in it. What may still run goes with this.
struct Gathered<'a> {
    crowd: &'a Crowd,
    ground: &'a Ground,
    steps: Vec<Participant>,
}

impl Gathered<'_> {
    /// Every step is done once, to see that it can be.
    fn of<'a>(crowd: &'a Crowd, ground: &'a Ground) -> Result<Gathered<'a>> {
        let steps =
            STEPS.iter().map(|step| crowd.participant(ground, &(step.words)(crowd, ground)));
        let gathered = Gathered { crowd, ground, steps: steps.collect::<Result<_>>()? };
        crowd.gather(ground)?;
        gathered.steps.iter().try_for_each(Participant::check)?;
        Ok(gathered)
    }

    fn command(&self, step: usize) -> String {
        portable(&self.steps[step].shown(), self.ground)
    }

    /// One container more in it, and what the shims of all that run keep in memory.
    fn memory(&self) -> Result<Memory> {
        self.steps[0].check()?;
        let running = 1 + if self.crowd.run { self.crowd.others } else { 0 };
        let outcome = resident::look(&state(self.ground, self.crowd.key), running)?;
        Ok(Memory::new(self.crowd.shown, self.command(0), outcome))
    }
}

impl Drop for Gathered<'_> {
    fn drop(&mut self) {
        let others = self.crowd.others().filter(|_| self.crowd.run);
        let words = ["rm".into(), "-f".into(), self.crowd.name("it")].into_iter().chain(others);
        let removed = self.crowd.participant(self.ground, &words.collect::<Vec<_>>());
        // If this is because of an error, that one is told; and whatever runs ends by itself.
        let _removed = removed.and_then(|participant| participant.check());
    }
}

/// Measures all of it.
///
/// # Errors
/// If a command fails that did not fail before.
pub fn measure(
    ground: &Ground,
    count: usize,
    mut progress: impl FnMut(&str),
) -> Result<(Vec<Row>, Vec<Memory>)> {
    let lines: String = (0..1000).map(|number| format!("line {number}\n")).collect();
    fs::write(ground.root().join(LINES), lines)?;
    let (mut rows, mut memory) = (Vec::new(), Vec::new());
    // What runs is seen from all stores, so those come last.
    for run in [false, true] {
        let mut gathered = Vec::new();
        for crowd in CROWDS.iter().filter(|crowd| crowd.run == run) {
            progress(&format!("a container's life: making {}", crowd.shown));
            match Gathered::of(crowd, ground) {
                Ok(one) => gathered.push(one),
                Err(error) => return Ok(left_out(&portable(&format!("{error:#}"), ground))),
            }
        }
        rows.extend(together(&mut gathered, count, &mut progress)?);
        let shims = gathered.iter().filter(|its| has_shims(its.crowd)).map(Gathered::memory);
        memory.extend(shims.collect::<Result<Vec<_>>>()?);
    }
    rows.sort_by_key(|row| names().position(|name| name == row.name));
    Ok((rows, memory))
}

/// All steps in each of these once a round.
fn together(
    gathered: &mut [Gathered],
    count: usize,
    progress: impl FnMut(&str),
) -> Result<Vec<Row>> {
    let mut times = vec![vec![Vec::with_capacity(count); STEPS.len()]; gathered.len()];
    rounds::interleave(gathered.len(), count, progress, |_, crowd| {
        for (step, times) in gathered[crowd].steps.iter_mut().zip(&mut times[crowd]) {
            times.push(step.time()?);
        }
        Ok(())
    })?;
    let mut rows = Vec::new();
    for (its, times) in gathered.iter().zip(times) {
        for (index, times) in times.into_iter().enumerate() {
            let outcome = Outcome::Measured(Times::of(times));
            rows.push(row(&STEPS[index], its.crowd, its.command(index), outcome));
        }
    }
    Ok(rows)
}

/// The same, none of it measured.
pub fn left_out(reason: &str) -> (Vec<Row>, Vec<Memory>) {
    let not_measured = || reason.to_owned();
    let rows = STEPS.iter().flat_map(|step| {
        CROWDS.iter().map(move |crowd| {
            let outcome = Outcome::NotMeasured { not_measured: not_measured() };
            row(step, crowd, step.name.into(), outcome)
        })
    });
    let shims = CROWDS.iter().filter(|crowd| has_shims(crowd)).map(|crowd| {
        let outcome = Outcome::NotMeasured { not_measured: not_measured() };
        Memory::new(crowd.shown, STEPS[0].name.into(), outcome)
    });
    (rows.collect(), shims.collect())
}

/// Whether what runs in it is another number than in those before.
fn has_shims(crowd: &Crowd) -> bool {
    crowd.run || crowd.others == 0
}

/// What the tables call a step in a crowd: of each step, all crowds.
pub fn names() -> impl Iterator<Item = String> {
    STEPS.iter().flat_map(|step| CROWDS.iter().map(|crowd| name(step, crowd)))
}

fn name(step: &Step, crowd: &Crowd) -> String {
    format!("{}, {}", step.name, crowd.shown)
}

fn row(step: &Step, crowd: &Crowd, command: String, outcome: Outcome) -> Row {
    let row = Row::new(name(step, crowd), Kind::Life, step.measures, command, Until::Exit, outcome);
    Row { compared_with: Some(name(step, &CROWDS[0])), ..row }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_row_has_a_name_of_its_own_and_what_is_promised_is_there() {
        let all: BTreeSet<String> = names().collect();
        assert_eq!(all.len(), STEPS.len() * CROWDS.len());
        assert!(all.contains(EXEC) && all.contains(PS));
    }

    #[test]
    fn so_many_are_there_as_is_said() {
        for crowd in &CROWDS {
            let said = usize::from(crowd.others > 0 && !crowd.run);
            assert_eq!(crowd.others().collect::<BTreeSet<_>>().len() + said, crowd.others);
            let digits: String = crowd.shown.chars().filter(char::is_ascii_digit).collect();
            assert_eq!(digits, (crowd.others + 1).to_string());
        }
    }

    #[test]
    fn what_was_left_out_has_all_rows_and_the_reason() {
        let (rows, memory) = left_out("no overlay");
        assert!(rows.iter().map(|row| row.name.clone()).eq(names()));
        let reason = |outcome: &Outcome| outcome.measured().is_none();
        assert!(rows.iter().all(|row| reason(&row.outcome)));
        assert_eq!(memory.len(), 2);
    }
}
