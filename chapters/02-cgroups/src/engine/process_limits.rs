//! What the kernel keeps for each process and not for a group (getrlimit(2), oom_score_adj in
//! proc(5)). The command gets it before execve, and all that it starts inherits it.

use crate::engine::ulimits::{self, Ulimit};
use anyhow::{Context, Result};
use console::failure::Failure;
use kernel::Errno;
use kernel::resource::{self, Limit, Resource, UNLIMITED};
use namespaces::config::{Config, Process};
use namespaces::plan::{Mechanism, Phase, Plan, Target};
use std::fs;

/// Options of `run`.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Limits")]
pub struct ProcessOptions {
    /// Be killed sooner (up to 1000) or later (down to -1000) when memory is short
    #[arg(long, value_name = "SCORE", allow_negative_numbers = true)]
    oom_score_adj: Option<String>,
    /// Limit each process, as nofile=1024:4096; see getrlimit(2)
    #[arg(long, value_name = "NAME=SOFT[:HARD]")]
    ulimit: Vec<String>,
}

impl ProcessOptions {
    /// The mechanism with what was asked for.
    pub fn resolve(&self) -> Result<ProcessLimits> {
        let score = self.oom_score_adj.as_deref();
        let score = score.map(|text| super::units::integer("--oom-score-adj", text)).transpose()?;
        if let Some(wrong) = score.filter(|score| !(-1000..=1000).contains(score)) {
            let message =
                format!("Invalid value {wrong}, range for oom score adj is [-1000, 1000]");
            return Err(Failure::new(message).remedy("name a number in this range").into());
        }
        let ulimits = ulimits::parse_all(&self.ulimit)?;
        ulimits.iter().try_for_each(refuse_more_than_nr_open)?;
        Ok(ProcessLimits { oom_score_adj: score.map(|score| score as i32), ulimits })
    }
}

/// The mechanism. It has to plan before the one that changes the user.
#[derive(Debug, Default)]
pub struct ProcessLimits {
    /// How much sooner or later than others it is killed when memory is short.
    pub oom_score_adj: Option<i32>,
    /// Limits of each process.
    pub ulimits: Vec<Ulimit>,
}

const SCORE: &str = "say when to kill it";
const LIMITS: &str = "limit the process";
/// Where one has it.
const WITH_CAPABILITY: &str =
    "start it with that capability: as root, without --rootless, outside of containers";
/// Why limits come that late.
const LATE: &str = "before the user changes, as some would rise; after all that opens descriptors";

impl Mechanism for ProcessLimits {
    fn prepare(&self, _config: &Config, plan: &mut Plan) -> Result<()> {
        if let Some(score) = self.oom_score_adj {
            let own = resource::oom_score_adj_of(None)?;
            let why = "while /proc is the host's: later it is what the root makes of it";
            plan.step(Phase::Groups, SCORE, why, move || {
                resource::set_oom_score_adj(score).map_err(|error| refuse_score(score, own, error))
            });
        }
        if !self.ulimits.is_empty() {
            let (asked, own) = (self.ulimits.clone(), resource::limits_of(None)?);
            plan.step(Phase::Lockdown, LIMITS, LATE, move || {
                asked.iter().try_for_each(|ulimit| {
                    resource::set_limit(ulimit.resource, ulimit.limit)
                        .map_err(|error| refuse_limit(ulimit, &own, error))
                })
            });
        }
        Ok(())
    }

    fn enter(&self, target: &Target, _process: &Process, plan: &mut Plan) -> Result<()> {
        let words = || format!("the limits of process {}", target.pid);
        let other = Some(target.pid);
        let own = resource::oom_score_adj_of(None)?;
        let theirs = resource::oom_score_adj_of(other).with_context(words)?;
        if own != theirs {
            let why = "as it is for the others in there; but a lower one than ours, only if we may";
            plan.step(Phase::Groups, SCORE, why, move || {
                match resource::set_oom_score_adj(theirs) {
                    Err(error) if error.errno == Errno::EACCES => Ok(()),
                    set => Ok(set?),
                }
            });
        }
        let limits = resource::limits_of(other).with_context(words)?;
        let both = resource::limits_of(None)?.into_iter().zip(limits);
        let differing: Vec<_> = both.filter(|(own, theirs)| own != theirs).collect();
        if !differing.is_empty() {
            plan.step(Phase::Lockdown, LIMITS, LATE, move || {
                differing.into_iter().try_for_each(|((resource, own), (_, theirs))| {
                    match resource::set_limit(resource, theirs) {
                        // Ours is lower, and we may not raise it.
                        Err(error) if error.errno == Errno::EPERM => {
                            Ok(resource::set_limit(resource, lower(own, theirs))?)
                        }
                        set => Ok(set?),
                    }
                })
            });
        }
        Ok(())
    }
}

/// Theirs, as far as our own hard limit goes.
fn lower(own: Limit, theirs: Limit) -> Limit {
    Limit { soft: theirs.soft.min(own.hard), hard: theirs.hard.min(own.hard) }
}

/// Whoever asks: no process may have more descriptors than the kernel's own limit says, and the
/// refusal would read as if a right was missing.
fn refuse_more_than_nr_open(ulimit: &Ulimit) -> Result<()> {
    if ulimit.resource.name != "nofile" {
        return Ok(());
    }
    let most = fs::read_to_string("/proc/sys/fs/nr_open").ok();
    let Some(most) = most.and_then(|text| text.trim().parse::<u64>().ok()) else { return Ok(()) };
    if ulimit.limit.hard <= most {
        return Ok(());
    }
    let asked = shown(ulimit.limit.hard);
    let failure = Failure::new(format!("--ulimit nofile: {asked} is more than the kernel allows"));
    Err(failure.remedy(format!("name at most {most}, or raise fs.nr_open (sysctl)")).into())
}

fn refuse_limit(ulimit: &Ulimit, own: &[(Resource, Limit)], error: kernel::Error) -> anyhow::Error {
    let name = ulimit.resource.name;
    let own = own.iter().find(|(resource, _)| *resource == ulimit.resource);
    let Some((_, own)) = own.filter(|_| error.errno == Errno::EPERM) else {
        return anyhow::Error::from(error).context(format!("--ulimit {name}"));
    };
    let (asked, own) = (shown(ulimit.limit.hard), shown(own.hard));
    let message = format!(
        "--ulimit {name}: to raise the hard limit from {own} to {asked} takes CAP_SYS_RESOURCE"
    );
    let remedy = format!("name at most {own}; or {WITH_CAPABILITY}");
    Failure::new(message).remedy(remedy).into()
}

fn refuse_score(score: i32, own: i32, error: kernel::Error) -> anyhow::Error {
    if error.errno != Errno::EACCES {
        return anyhow::Error::from(error).context(format!("--oom-score-adj {score}"));
    }
    let message =
        format!("--oom-score-adj: to lower it from {own} to {score} takes CAP_SYS_RESOURCE");
    let remedy = format!("name {own} or more; or {WITH_CAPABILITY}");
    Failure::new(message).remedy(remedy).into()
}

fn shown(number: u64) -> String {
    if number == UNLIMITED { "unlimited".into() } else { number.to_string() }
}
