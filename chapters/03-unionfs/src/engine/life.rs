//! The commands of a container's life. main.rs has them in one line.

use crate::engine::known::ByRecord;
use crate::engine::run::{self, Mechanisms};
use crate::engine::{attach, cp, logs, start, stop, update};
use anyhow::Result;
use cgroups::engine::{pause, stats, top};
use clap::Subcommand;
use console::options::{Deferred, Global};

/// Them.
#[derive(Subcommand)]
pub enum Life {
    /// Make a container, and do not start it yet
    Create(Deferred<run::Options>),
    /// Start containers that there are
    Start(Deferred<start::Options>),
    /// End containers: ask PID 1 first, and after a while kill all
    Stop(Deferred<stop::StopOptions>),
    /// Stop containers, and start them
    Restart(Deferred<stop::StopOptions>),
    /// Kill containers, or send them a signal
    Kill(Deferred<stop::KillOptions>),
    /// Wait for the end of containers, and print their exit codes
    Wait(Deferred<stop::WaitOptions>),
    /// Give a container another name
    Rename(Deferred<stop::RenameOptions>),
    /// Show what a container has written
    Logs(Deferred<logs::Options>),
    /// Be a running container's terminal or streams
    Attach(Deferred<attach::Options>),
    /// Copy files out of a container, or into it
    Cp(Deferred<cp::Options>),
    /// Show what containers use, second by second
    Stats(Deferred<stats::Options>),
    /// List a container's processes
    Top(Deferred<top::Options>),
    /// Stop all processes of containers where they are
    Pause(Deferred<pause::Options>),
    /// Let paused containers go on
    Unpause(Deferred<pause::Options>),
    /// Change the limits of containers, and when they are started again
    Update(Deferred<update::Options>),
}

/// Does what was asked for; returns the exit code.
pub fn execute(command: Life, global: &Global, mechanisms: Mechanisms) -> Result<u8> {
    let known = || Ok::<_, anyhow::Error>(ByRecord { root: global.data_directory()? });
    match command {
        Life::Create(Deferred(options)) => run::create(*options, global),
        Life::Start(Deferred(options)) => start::start(&options, global, mechanisms),
        Life::Stop(Deferred(options)) => stop::stop(&options, global),
        Life::Restart(Deferred(options)) => start::restart(&options, global, mechanisms),
        Life::Kill(Deferred(options)) => stop::kill(&options, global),
        Life::Wait(Deferred(options)) => stop::wait(&options, global),
        Life::Rename(Deferred(options)) => stop::rename(&options, global),
        Life::Logs(Deferred(options)) => logs::logs(&options, global),
        Life::Attach(Deferred(options)) => attach::attach(&options, global),
        Life::Cp(Deferred(options)) => cp::copy(&options, global),
        Life::Stats(Deferred(options)) => stats::stats(&options, &known()?).map(|()| 0),
        Life::Top(Deferred(options)) => console::print(top::top(&options, &known()?)?).map(|()| 0),
        Life::Pause(Deferred(options)) => pause::pause(&options, &known()?),
        Life::Unpause(Deferred(options)) => pause::unpause(&options, &known()?),
        Life::Update(Deferred(options)) => update::update(&options, &known()?),
    }
}
