//! minidock-01: a container made of namespaces. The two lists below are what this chapter can do:
//! its commands, and the mechanisms that start a container.

use clap::{Parser, Subcommand};
use console::failure::OURS;
use console::options::Global;
use namespaces::engine::{clean, doctor, join, run, spaces};
use namespaces::kernel_files::KernelFiles;
use namespaces::namespaces::Namespaces;
use namespaces::plan::Mechanism;
use namespaces::process::Command as ContainerCommand;
use namespaces::rootfs::RootFileSystem;
use std::process::ExitCode;

const PROGRAM: &str = "minidock-01";

/// The mechanisms, in the order in which they plan.
fn mechanisms() -> Vec<Box<dyn Mechanism>> {
    vec![
        Box::new(Namespaces),
        Box::new(RootFileSystem),
        Box::new(KernelFiles),
        Box::new(ContainerCommand),
    ]
}

/// Containers made of namespaces: chapter 01 of minidock. Not safe for programs that you do not
/// trust: root in a container keeps every capability.
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
    Run(run::Options),
    /// Run a command in a running container, given one of its processes
    Exec(join::Options),
    /// Show a process as the kernel sees it: namespaces beside the host's, mounts
    Inspect(spaces::InspectOptions),
    /// List namespaces and who is in them
    Ns(spaces::NsOptions),
    /// Say what this kernel and account allow, and which chapters will work
    Doctor(doctor::Options),
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
            Command::Run(options) => return run::run(options, &global, &mechanisms()),
            Command::Exec(options) => return join::run(options, &mechanisms(), join::pid),
            Command::Inspect(options) => console::print(spaces::show(&options)?)?,
            Command::Ns(options) => console::print(spaces::table(&options)?)?,
            Command::Doctor(options) => return doctor::run(options, &global),
            Command::Clean => clean::clean(&global, String::new(), || Ok(String::new()))?,
            Command::Completion { shell } => console::complete::<CommandLine>(PROGRAM, shell)?,
        }
        Ok(0)
    })
}
