//! The rungs of the ladder, as data: what is started, what that means, and what it is compared with.
//! A later chapter adds a line. Each one is a whole process; virtual machines are in `guests`.

use crate::ground::{COMMAND, Ground, PROBE};
use crate::layers;
use crate::participant::{Participant, Until};
use crate::peers::{self, Made};
use crate::results::{Kind, Outcome, Row};
use crate::rounds;
use anyhow::Result;
use std::time::Duration;

/// What processes in a namespace are set in relation to.
pub const NO_NAMESPACE: &str = "clone, no namespace";
/// What all other processes on the ladder are set in relation to.
pub const OURS: &str = "minidock-01";
/// Chapter 02's: with control groups.
pub const GROUPED: &str = "minidock-02";
/// Chapter 03's: on a root of layers.
pub const LAYERED: &str = "minidock-03";
/// An image of one layer.
pub const ONE_LAYER: &str = "minidock-03, 1 layer";
/// An image of a hundred.
pub const HUNDRED_LAYERS: &str = "minidock-03, 100 layers";
/// What others are set in relation to that start after a rest.
pub const OURS_RESTED: &str = "minidock-01, after 100 ms of idle";
/// Chapter 02's, after a rest.
pub const GROUPED_RESTED: &str = "minidock-02, after 100 ms of idle";
/// Chapter 03's, after a rest.
pub const LAYERED_RESTED: &str = "minidock-03, after 100 ms of idle";
/// What a virtual machine's first byte is set in relation to.
pub const FIRST_BYTE: &str = "minidock-01 /probe: first byte";
/// What a virtual machine's end is set in relation to.
pub const EXIT: &str = "minidock-01 /probe: exit";
/// The plain C program.
pub const FLOOR: &str = "floor";
/// bubblewrap as one types it.
pub const BWRAP: &str = "bwrap";
/// runc.
pub const RUNC: &str = "runc";

/// The end of a container whose /probe has asked for a restart: the kernel ends its PID namespace
/// with SIGHUP (reboot(2)).
const RESTARTED: i32 = 128 + 1;

/// The rest before a start.
const IDLE: Duration = Duration::from_millis(100);

/// Limits that a start does not come near.
const LIMITS: [&str; 6] = ["-m", "64m", "--cpus", "1", "--pids-limit", "64"];

/// One rung.
pub struct Rung {
    name: &'static str,
    kind: Kind,
    measures: &'static str,
    command: fn(&Ground) -> Result<Made>,
    until: Until,
    code: i32,
    idle: Duration,
}

const fn rung(
    kind: Kind,
    name: &'static str,
    measures: &'static str,
    command: fn(&Ground) -> Result<Made>,
) -> Rung {
    let (until, code, idle) = (Until::Exit, 0, Duration::ZERO);
    Rung { name, kind, measures, command, until, code, idle }
}

impl Rung {
    /// What the tables call it.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// How many times it is started in so many rounds.
    pub fn runs(&self, rounds: usize) -> usize {
        rounds::runs(rounds, !self.idle.is_zero())
    }

    const fn after_idle(mut self) -> Rung {
        self.idle = IDLE;
        self
    }

    const fn restarts(mut self, until: Until) -> Rung {
        self.until = until;
        self.code = RESTARTED;
        self
    }
}

const CLONED: &str = "the same with this flag: the namespace is made, entered and left";

/// From the cheapest to the dearest of each kind.
pub const RUNGS: &[Rung] = &[
    rung(Kind::Host, "true", "spawn, exec and exit, without a container", peers::host),
    rung(
        Kind::Namespace,
        NO_NAMESPACE,
        "a C program clones a child, which executes; and waits",
        |g| peers::clone(g, "none"),
    ),
    rung(Kind::Namespace, "clone, uts", CLONED, |g| peers::clone(g, "uts")),
    rung(Kind::Namespace, "clone, pid", CLONED, |g| peers::clone(g, "pid")),
    rung(Kind::Namespace, "clone, mount", CLONED, |g| peers::clone(g, "mount")),
    rung(Kind::Namespace, "clone, ipc", CLONED, |g| peers::clone(g, "ipc")),
    rung(Kind::Namespace, "clone, net", CLONED, |g| peers::clone(g, "net")),
    rung(Kind::Namespace, "clone, all five", "the same with all five flags", |g| {
        peers::clone(g, "uts,pid,mount,ipc,net")
    }),
    rung(Kind::Container, "unshare", "the same namespaces; the host's root", peers::unshare),
    rung(Kind::Container, FLOOR, "minidock-01's kernel calls, by a plain C program", peers::floor),
    rung(Kind::Container, OURS, "the whole process, from exec to exit", |g| {
        peers::minidock(1, g, &[COMMAND])
    }),
    rung(Kind::Container, GROUPED, "the same in a control group of its own", |g| {
        peers::grouped(g, &[])
    }),
    rung(Kind::Container, "minidock-02, limits", "with limits that it does not reach", |g| {
        peers::grouped(g, &LIMITS)
    }),
    rung(Kind::Container, LAYERED, "with an overlay, a record and a layer of its own", |g| {
        layers::start(g, None)
    }),
    rung(Kind::Container, ONE_LAYER, "an image instead of a directory", |g| {
        layers::start(g, Some(1))
    }),
    rung(Kind::Container, "minidock-03, 5 layers", "an image of so many", |g| {
        layers::start(g, Some(5))
    }),
    rung(Kind::Container, "minidock-03, 20 layers", "an image of so many", |g| {
        layers::start(g, Some(20))
    }),
    rung(Kind::Container, HUNDRED_LAYERS, "an image of so many", |g| layers::start(g, Some(100))),
    rung(
        Kind::Container,
        "minidock-03, 1,000 files",
        "a root of so many files by overlay, from exec to exit",
        |g| layers::thousand_files(g, "overlay"),
    ),
    rung(
        Kind::Container,
        "minidock-03, 1,000 files copied",
        "the same by --storage-driver copy",
        |g| layers::thousand_files(g, "copy"),
    ),
    rung(Kind::Container, OURS_RESTED, "nothing has run before; the rest is not in it", |g| {
        peers::minidock(1, g, &[COMMAND])
    })
    .after_idle(),
    rung(Kind::Container, GROUPED_RESTED, "the kernel's waits for RCU, if there are any", |g| {
        peers::grouped(g, &[])
    })
    .after_idle(),
    rung(Kind::Container, LAYERED_RESTED, "the same after a rest", |g| layers::start(g, None))
        .after_idle(),
    rung(Kind::Container, FIRST_BYTE, "until the container's output arrives on a pipe", probe)
        .restarts(Until::FirstByte),
    rung(Kind::Container, EXIT, "the same program, from exec to exit", probe).restarts(Until::Exit),
    rung(Kind::Container, BWRAP, "bubblewrap as one types it", peers::bwrap),
    rung(
        Kind::Container,
        "bwrap, same work",
        "as much as minidock-01 does",
        peers::bwrap_same_work,
    ),
    rung(Kind::Container, RUNC, "an equivalent bundle", peers::runc),
];

/// The first process of a virtual machine, as a container's.
fn probe(ground: &Ground) -> Result<Made> {
    peers::minidock(1, ground, &[PROBE, "halt"])
}

/// Rungs that can be measured here, and the rows of those that cannot.
pub struct Field {
    /// Each has been run once, to see that it can be.
    pub participants: Vec<Participant>,
    rungs: Vec<&'static Rung>,
    absent: Vec<Row>,
}

/// Prepares all rungs.
///
/// # Errors
/// If one cannot be prepared, or minidock-01 fails when it is run once.
pub fn prepare(ground: &Ground) -> Result<Field> {
    let mut field = Field { participants: Vec::new(), rungs: Vec::new(), absent: Vec::new() };
    for rung in RUNGS {
        let not_measured = match (rung.command)(ground)? {
            Made::Words(words) => {
                let participant = Participant::new(rung.name, words)?;
                let participant =
                    participant.until(rung.until).code(rung.code).after_idle(rung.idle);
                match participant.check() {
                    Ok(()) => {
                        field.participants.push(participant);
                        field.rungs.push(rung);
                        continue;
                    }
                    // There is nothing to compare without it.
                    Err(error) if rung.name == OURS => return Err(error),
                    Err(error) => {
                        let reason = portable(&format!("{error:#}"), ground);
                        testkit::skip(&reason, "run it by hand");
                        reason
                    }
                }
            }
            Made::Absent(reason) => portable(&reason, ground),
        };
        let outcome = Outcome::NotMeasured { not_measured };
        field.absent.push(row(rung, rung.name.into(), outcome));
    }
    Ok(field)
}

impl Field {
    /// Measures all of them in interleaved rounds; the rows in the order of [`RUNGS`].
    ///
    /// # Errors
    /// If a run fails.
    pub fn measure(
        mut self,
        ground: &Ground,
        count: usize,
        progress: impl FnMut(&str),
    ) -> Result<Vec<Row>> {
        let usage = peers::compiled(ground, "usage.c")?;
        let times = rounds::run(&mut self.participants, count, progress)?;
        let mut rows = self.absent;
        for ((rung, participant), times) in self.rungs.iter().zip(&self.participants).zip(times) {
            let command = portable(&participant.shown(), ground);
            let mut row = row(rung, command, Outcome::Measured(times));
            row.usage = match &usage {
                Some(usage) => participant.usage(usage)?,
                None => None,
            };
            rows.push(row);
        }
        rows.sort_by_key(|row| RUNGS.iter().position(|rung| rung.name == row.name));
        Ok(rows)
    }
}

/// Without the directories that are this machine's alone: the ground's, and where cargo builds.
pub(crate) fn portable(command: &str, ground: &Ground) -> String {
    let programs = [1, 2, 3].map(|chapter| testkit::binary(chapter).with_file_name(""));
    let ours = programs.into_iter().chain([ground.path("")]);
    ours.fold(command.to_owned(), |text, path| text.replace(&*path.to_string_lossy(), ""))
}

fn row(rung: &Rung, command: String, outcome: Outcome) -> Row {
    let unit = match rung.kind {
        Kind::Namespace => NO_NAMESPACE,
        _ if !rung.idle.is_zero() => OURS_RESTED,
        _ => OURS,
    };
    Row {
        compared_with: Some(unit.into()),
        ..Row::new(rung.name, rung.kind, rung.measures, command, rung.until, outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_rung_has_a_name_of_its_own_and_what_others_refer_to_is_there() {
        let names: BTreeSet<&str> = RUNGS.iter().map(|rung| rung.name).collect();
        assert_eq!(names.len(), RUNGS.len());
        let rested =
            [GROUPED, LAYERED, HUNDRED_LAYERS, OURS_RESTED, GROUPED_RESTED, LAYERED_RESTED];
        for name in [NO_NAMESPACE, OURS, FIRST_BYTE, EXIT, FLOOR, BWRAP, RUNC].iter().chain(&rested)
        {
            assert!(names.contains(name), "{name}");
        }
    }
}
