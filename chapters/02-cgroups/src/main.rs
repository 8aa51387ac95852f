//! minidock-02: a container that may use so much and no more. Beside chapter 01's, the lists below
//! have one mechanism more, and the commands that see a group of processes as one thing.

use cgroups::cgroup::ControlGroups;
use cgroups::engine::process_limits::ProcessLimits;
use cgroups::engine::{clean, find, inspect, pause, ps, run, stats, stop, top, update};
use clap::{Parser, Subcommand};
use console::failure::OURS;
use console::options::{Deferred, Global};
use namespaces::engine::{doctor, join, spaces};
use namespaces::kernel_files::KernelFiles;
use namespaces::namespaces::Namespaces;
use namespaces::plan::Mechanism;
use namespaces::process::Command as ContainerCommand;
use namespaces::rootfs::RootFileSystem;
use std::process::ExitCode;

const PROGRAM: &str = "minidock-02";

/// The mechanisms, in the order in which they plan.
fn mechanisms(groups: ControlGroups, process: ProcessLimits) -> Vec<Box<dyn Mechanism>> {
    vec![
        Box::new(Namespaces),
        Box::new(RootFileSystem),
        Box::new(KernelFiles),
        Box::new(groups),
        Box::new(process),
        Box::new(ContainerCommand),
    ]
}

/// Containers with limits: chapter 02 of minidock. Not safe for programs that you do not trust:
/// root in a container keeps every capability.
#[derive(Parser)]
#[command(name = PROGRAM, version)]
struct CommandLine {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a command in a new container
    Run(Deferred<run::Options>),
    /// Run a command in a running container
    Exec(Deferred<join::Options>),
    /// List containers
    Ps(Deferred<ps::Options>),
    /// Show what containers use, second by second
    Stats(Deferred<stats::Options>),
    /// List a container's processes
    Top(Deferred<top::Options>),
    /// Stop all processes of containers where they are
    Pause(Deferred<pause::Options>),
    /// Let paused containers go on
    Unpause(Deferred<pause::Options>),
    /// End containers: ask PID 1 first, and after a while kill all
    Stop(Deferred<stop::StopOptions>),
    /// Kill containers, or send them a signal
    Kill(Deferred<stop::KillOptions>),
    /// Change the limits of running containers
    Update(Deferred<update::Options>),
    /// Show a container as the kernel sees it: namespaces beside the host's, mounts, its group
    Inspect(Deferred<inspect::Options>),
    /// List namespaces and who is in them
    Ns(Deferred<spaces::NsOptions>),
    /// Say what this kernel and account allow, and which chapters will work
    Doctor(Deferred<doctor::Options>),
    /// Remove everything of minidock's that no running container uses
    Clean,
    /// Print a completion script for a shell
    Completion {
        /// The shell
        shell: console::Shell,
    },
}

/// Where a command runs, Docker's 125 keeps our failures apart from its own. (An option that does
/// not exist is 125 everywhere, as in Docker.)
fn usual_code(command_line: &CommandLine) -> u8 {
    if matches!(command_line.command, Command::Run(_) | Command::Exec(_)) { OURS } else { 1 }
}

fn main() -> ExitCode {
    console::run(PROGRAM, usual_code, |CommandLine { global, command }| {
        global.start_explaining()?;
        match command {
            Command::Run(Deferred(options)) => {
                let (container, groups, process) = options.resolve()?;
                let mechanisms = mechanisms(groups, process);
                return namespaces::engine::run::run(container, &global, &mechanisms);
            }
            Command::Exec(Deferred(options)) => {
                let mechanisms = mechanisms(ControlGroups::default(), ProcessLimits::default());
                return join::run(*options, &mechanisms, find::to_join);
            }
            Command::Update(Deferred(options)) => return update::update(&options),
            Command::Ps(Deferred(options)) => console::print(ps::list(&options)?)?,
            Command::Stats(Deferred(options)) => stats::stats(&options, &find::ByGroup)?,
            Command::Top(Deferred(options)) => console::print(top::top(&options, &find::ByGroup)?)?,
            Command::Pause(Deferred(options)) => return pause::pause(&options, &find::ByGroup),
            Command::Unpause(Deferred(options)) => return pause::unpause(&options, &find::ByGroup),
            Command::Stop(Deferred(options)) => return stop::stop(&options),
            Command::Kill(Deferred(options)) => return stop::kill(&options),
            Command::Inspect(Deferred(options)) => console::print(inspect::show(&options)?)?,
            Command::Ns(Deferred(options)) => console::print(spaces::table(&options)?)?,
            Command::Doctor(Deferred(options)) => return doctor::run(*options, &global),
            Command::Clean => clean::clean(&global, || Ok(String::new()))?,
            Command::Completion { shell } => console::complete::<CommandLine>(PROGRAM, shell)?,
        }
        Ok(0)
    })
}
