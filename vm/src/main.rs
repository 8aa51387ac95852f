//! `vm run COMMAND`; and as the first process of a guest, its init.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use console::failure::OURS;
use vm::accelerator::{Choice, choose};
use vm::exec::{Request, run};
use vm::job::INIT;
use vm::linux::Linux;
use vm::machine::Machine;

/// Commands in a virtual machine.
#[derive(Parser)]
#[command(name = "vm")]
struct CommandLine {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run a command in a virtual machine; its output and exit code are the command's
    Run(Run),
}

#[derive(Args)]
struct Run {
    /// What QEMU shall be
    #[arg(long, value_enum, default_value_t = Machine::ALL[0])]
    machine: Machine,
    /// Memory in MiB
    #[arg(long, default_value_t = 1024)]
    memory: u32,
    /// Processors
    #[arg(long, default_value_t = 2)]
    cpus: u32,
    /// Seconds after which the machine is ended
    #[arg(long, default_value_t = 120)]
    timeout: u64,
    /// A variable for the command
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    env: Vec<(String, String)>,
    /// A file or directory to take along, at its own place
    #[arg(long, value_name = "PATH")]
    add: Vec<PathBuf>,
    /// A kernel module to leave out, to see what happens without
    #[arg(long, value_name = "MODULE")]
    without: Vec<String>,
    /// The command's working directory in the guest
    #[arg(long, value_name = "DIRECTORY", default_value = "/")]
    directory: PathBuf,
    /// A program of this machine, or a tool of the lab; `minidock-01` is there too
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

fn main() -> ExitCode {
    if std::process::id() == 1 && std::env::args_os().next().is_some_and(|name| name == INIT) {
        return match vm::guest::run() {
            Ok(never) => match never {},
            Err(error) => {
                eprintln!("vm: {error:#}");
                ExitCode::FAILURE
            }
        };
    }
    console::run(
        "vm",
        |_| OURS,
        |line: CommandLine| match line.verb {
            Verb::Run(options) => run_command(options),
        },
    )
}

fn run_command(options: Run) -> Result<u8> {
    let linux = Linux::find()?;
    let Choice { accelerator, reason } = choose(&linux, options.machine)?;
    let why = reason.map_or(String::new(), |reason| format!("; no kvm: {reason}"));
    eprintln!("vm: Linux {}, {}, {accelerator}{why}", linux.version, options.machine.name());
    let request = Request {
        command: options.command,
        machine: options.machine,
        accelerator,
        memory: options.memory,
        processors: options.cpus,
        timeout: Duration::from_secs(options.timeout),
        environment: options.env,
        directory: options.directory,
        add: options.add,
        without: options.without,
        chapters: chapters(),
        init: std::env::current_exe().context("find this program")?,
    };
    run(&request, &linux, &mut std::io::stdout(), &mut std::io::stderr())
}

/// The chapters' programs, named as the tests name them: MINIDOCK_BIN_01=/path/to/yours.
fn chapters() -> Vec<(OsString, PathBuf)> {
    let named = std::env::vars_os().filter_map(|(name, path)| {
        let number = name.to_str()?.strip_prefix("MINIDOCK_BIN_")?.to_owned();
        Some((format!("minidock-{number}").into(), path.into()))
    });
    named.collect()
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("not NAME=VALUE")?;
    Ok((name.into(), value.into()))
}
