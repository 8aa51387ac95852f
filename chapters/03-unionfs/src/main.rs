//! minidock-03: a container's root is a stack of layers, and the uppermost is its own. Beside chapter
//! 02's, the lists below have one mechanism more, and the commands that make images of layers.

use cgroups::cgroup::ControlGroups;
use cgroups::engine::process_limits::ProcessLimits;
use clap::{Parser, Subcommand};
use console::failure::OURS;
use console::options::{Deferred, Global};
use namespaces::engine::{doctor, spaces};
use namespaces::kernel_files::KernelFiles;
use namespaces::namespaces::Namespaces;
use namespaces::plan::Mechanism;
use namespaces::process::Command as ContainerCommand;
use namespaces::rootfs::RootFileSystem;
use std::process::ExitCode;
use unionfs::engine::life::{self, Life};
use unionfs::engine::store::Store;
use unionfs::engine::{
    clean, commit, diff, exec, export, images, import, inspect, ps, rm, rmi, run,
};
use unionfs::overlay::Overlay;

const PROGRAM: &str = "minidock-03";

/// The mechanisms, in the order in which they plan.
fn mechanisms(
    overlay: Overlay,
    groups: ControlGroups,
    process: ProcessLimits,
) -> Vec<Box<dyn Mechanism>> {
    vec![
        Box::new(Namespaces),
        Box::new(overlay),
        Box::new(RootFileSystem),
        Box::new(KernelFiles),
        Box::new(groups),
        Box::new(process),
        Box::new(ContainerCommand),
    ]
}

/// Containers on layers: chapter 03 of minidock. Not safe for programs that you do not trust: root in
/// a container keeps every capability.
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
    Exec(Deferred<exec::Options>),
    #[command(flatten)]
    Life(Life),
    /// List containers
    Ps(Deferred<ps::Options>),
    /// Remove containers, with all that they have written
    Rm(Deferred<rm::Options>),
    /// List what a container has changed
    Diff(Deferred<diff::Options>),
    /// Make an image of what a container lies on and what it has changed
    Commit(Deferred<commit::Options>),
    /// Write all that a container sees as an archive
    Export(Deferred<export::Options>),
    /// Make an image of an archive or a directory
    Import(Deferred<import::Options>),
    /// List images
    Images(Deferred<images::Options>),
    /// Remove images
    Rmi(Deferred<rmi::Options>),
    /// Show all that there is to know of containers and images
    Inspect(Deferred<inspect::Options>),
    /// List namespaces and who is in them
    Ns(Deferred<spaces::NsOptions>),
    /// Say what this kernel and account allow, and which chapters will work
    Doctor(Deferred<doctor::Options>),
    /// Remove everything of minidock's that no running container uses, images included
    Clean,
    /// Print a completion script for a shell
    Completion {
        /// The shell
        shell: console::Shell,
    },
}

/// Where a command runs, Docker's 125 keeps our failures apart from its own.
fn usual_code(command_line: &CommandLine) -> u8 {
    if matches!(command_line.command, Command::Run(_) | Command::Exec(_)) { OURS } else { 1 }
}

fn main() -> ExitCode {
    console::run(PROGRAM, usual_code, |CommandLine { global, command }| {
        global.start_explaining()?;
        let store = || Store::enter(&global);
        match command {
            Command::Run(Deferred(options)) => return run::run(*options, &global, mechanisms),
            Command::Exec(Deferred(options)) => {
                let of_exec =
                    mechanisms(Default::default(), Default::default(), Default::default());
                return exec::exec(*options, &global, &of_exec);
            }
            Command::Ps(Deferred(options)) => {
                console::print(ps::list(&options, &Store::outside(&global)?)?)?
            }
            Command::Rm(Deferred(options)) => return rm::rm(&options, &global),
            Command::Diff(Deferred(options)) => console::print(diff::list(&options, &store()?)?)?,
            Command::Commit(Deferred(options)) => {
                console::print(commit::commit(&options, &store()?)?)?;
            }
            Command::Export(Deferred(options)) => export::export(&options, &store()?)?,
            Command::Import(Deferred(options)) => {
                console::print(import::import(&options, &store()?)?)?;
            }
            Command::Images(Deferred(options)) => {
                console::print(images::list(&options, &store()?)?)?;
            }
            Command::Rmi(Deferred(options)) => return rmi::remove(&options, &store()?),
            Command::Life(command) => return life::execute(command, &global, mechanisms),
            Command::Inspect(Deferred(options)) => return inspect::show(&options, &global),
            Command::Ns(Deferred(options)) => console::print(spaces::table(&options)?)?,
            Command::Doctor(Deferred(options)) => return doctor::run(*options, &global),
            Command::Clean => clean::clean(&global)?,
            Command::Completion { shell } => console::complete::<CommandLine>(PROGRAM, shell)?,
        }
        Ok(0)
    })
}
