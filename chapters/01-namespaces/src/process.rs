//! The command's standard streams, its user and where it starts (credentials(7), setsid(2)).

use crate::config::{Config, Process};
use crate::engine::{refuse, streams};
use crate::plan::{Mechanism, Phase, Plan, Target};
use anyhow::Result;
use kernel::{identity, path, process};

/// The mechanism. A command that joins a container needs the same.
pub struct Command;

impl Mechanism for Command {
    fn prepare(&self, config: &Config, plan: &mut Plan) -> Result<()> {
        steps(&config.process, plan);
        Ok(())
    }

    fn enter(&self, _target: &Target, process: &Process, plan: &mut Plan) -> Result<()> {
        steps(process, plan);
        Ok(())
    }
}

fn steps(process: &Process, plan: &mut Plan) {
    let (pty, streams) = (plan.pty.clone(), std::mem::take(&mut plan.streams));
    let interactive = process.interactive;
    // LAB 01.6 terminal: plan a step that takes a session, and then the streams
    plan.step(
        Phase::Rooted,
        "take a session and the standard streams",
        "no terminal of the host's comes in: a program could type into it (TIOCSTI)",
        move || {
            process::new_session()?;
            streams::take(pty.find(), streams, interactive)
        },
    );

    let user = process.user.clone();
    plan.step(
        Phase::Lockdown,
        "become the user",
        "groups first, the user last: then there is no right left to change anything",
        move || {
            identity::set_umask(0o022);
            if identity::may_set_groups() {
                identity::set_groups(&user.groups)?;
            }
            identity::set_group(user.gid)?;
            Ok(identity::set_user(user.uid)?)
        },
    );
    let directory = process.directory.clone();
    plan.step(
        Phase::Lockdown,
        "go to the working directory",
        "as the user, who may not be allowed there",
        move || {
            path::change_directory(&directory)
                .map_err(|error| refuse::working_directory(error, &directory))?;
            // A directory outside of the root has no name in it, and getcwd(2) says so.
            match std::env::current_dir() {
                Ok(name) if name.is_absolute() => Ok(()),
                _ => Err(refuse::outside(&directory)),
            }
        },
    );
}
