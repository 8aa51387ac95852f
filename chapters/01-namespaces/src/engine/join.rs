//! `exec`: options become the process that joins a running container.

use crate::config::Process;
use crate::engine::environment::Environment;
use crate::engine::run::{self, CommandOptions, c_string};
use crate::engine::{attend, show_plan, streams, users};
use crate::exec;
use crate::launch;
use crate::plan::{Mechanism, Phase, Target};
use anyhow::{Context, Result};
use console::failure::Failure;
use kernel::descriptor::become_standard;
use kernel::namespace::Namespace;
use kernel::signal::Signals;
use kernel::{Errno, Pid};
use std::ffi::{CString, OsString};
use std::fs::File;
use std::rc::Rc;

/// Options of `exec`.
#[derive(clap::Args, Debug)]
pub struct Options {
    /// Print the steps and take none of them
    #[arg(long)]
    plan: bool,
    #[command(flatten)]
    command: CommandOptions,
    /// There is nothing for it to read, and what it writes is lost: a later chapter's `-d`.
    #[arg(skip)]
    pub for_nobody: bool,
    /// A process of the container by its number, see `ns`; from chapter 02 on, the container by its
    /// name or id, too
    #[arg(value_name = "CONTAINER")]
    pub target: String,
    /// The command
    #[arg(value_name = "COMMAND", num_args = 1.., required = true,
          trailing_var_arg = true)]
    words: Vec<OsString>,
}

/// Runs a command in a running container to its end; returns its exit code.
pub fn run(
    options: Options,
    mechanisms: &[Box<dyn Mechanism>],
    find: impl Fn(&str) -> Result<i32>,
) -> Result<u8> {
    run_and_tell(options, mechanisms, find, || Ok(()))
}

/// The same, and says when it has become the command.
pub fn run_and_tell(
    options: Options,
    mechanisms: &[Box<dyn Mechanism>],
    find: impl Fn(&str) -> Result<i32>,
    started: impl FnOnce() -> Result<()>,
) -> Result<u8> {
    let target = target(find(&options.target)?)?;
    let process = options.resolve(&target)?;
    let (streams, relay) = match options.for_nobody {
        true => Default::default(),
        false => streams::open(&process)?,
    };
    let mut plan = exec::plan(&target, &process, streams, mechanisms)?;
    if options.for_nobody && !process.terminal {
        plan.step(
            Phase::Rooted,
            "write to the container's /dev/null",
            "the host's could be changed through a descriptor; a pipe would end with who waits",
            write_to_nobody,
        );
    }
    plan.step(
        Phase::Prepare,
        "forget the environment",
        "between clone and execve, processes of the container can read the child's memory",
        || Ok(kernel::process::forget_environment()?),
    );
    if options.plan {
        console::print(show_plan::show(plan, &process))?;
        return Ok(0);
    }
    let pty = plan.pty.clone();
    kernel::process::set_name(run::NAME)?;
    // From here on signals wait until there is somebody to pass them on to.
    let signals = Signals::collect(&[])?;
    let child = launch::launch(plan, &process, &|_| Ok(()))?;
    started()?;
    Ok(attend::attend(&child, &process, signals, relay, pty.find(), &|| Ok(()))?.code())
}

/// In the child, once it is in the container's root.
fn write_to_nobody() -> Result<()> {
    // For both: whatever somebody has put in its place, this open does not wait for a reader.
    let nobody = File::options().read(true).write(true).open("/dev/null").context("/dev/null")?;
    Ok((1..3).try_for_each(|stream| become_standard(&nobody, stream))?)
}

/// A process number from a command line.
pub fn pid(text: &str) -> Result<i32> {
    text.parse().map_err(|_| {
        Failure::new(format!("{text:?} is no process number"))
            .remedy("list containers and their processes with `ns`")
            .into()
    })
}

/// The process to join.
pub fn target(pid: i32) -> Result<Target> {
    let gone = || {
        Failure::new(format!("there is no process {pid}"))
            .remedy("list containers and their processes with `ns`")
    };
    let pid = Pid::from_raw(pid);
    // From here on the number may be used again; the pidfd cannot.
    let pidfd = kernel::process::open(pid).map_err(|error| match error.errno {
        Errno::ESRCH | Errno::EINVAL => gone().into(),
        _ => anyhow::Error::from(error),
    })?;
    let shared = |namespace: &Namespace| namespace.inode(pid) == namespace.inode(Pid::this());
    if Namespace::ALL.iter().all(shared) {
        let failure =
            Failure::new(format!("process {pid} is in no container: it shares all with us"));
        return Err(failure.remedy("list containers and their processes with `ns`").into());
    }
    Ok(Target { pid, pidfd: Rc::new(pidfd) })
}

impl Options {
    /// Whether it is only to be said what would be done.
    pub fn plan_only(&self) -> bool {
        self.plan
    }

    fn resolve(&self, target: &Target) -> Result<Process> {
        let pid = target.pid;
        // Files are looked up in the container's root, whatever their links say.
        let root = CString::new(format!("/proc/{pid}/root"))?;
        let files = users::in_directory(kernel::path::open_root(&root).map_err(not_ours)?);
        let user = match &self.command.user {
            Some(wanted) => users::resolve(&files, Some(wanted))?,
            None => users::of_process(pid, &files)?,
        };
        let mut environment = Environment::of_container(None, &user.home, self.command.tty);
        environment.add_of_process(pid)?;
        if self.command.user.is_some() {
            environment.set("HOME", &user.home);
        }
        self.command.add_environment(&mut environment)?;
        Ok(Process {
            arguments: self.words.iter().map(|word| c_string(word)).collect(),
            environment: environment.into_entries(),
            directory: match &self.command.workdir {
                Some(_) => self.command.directory()?,
                None => directory_of(pid),
            },
            user,
            terminal: self.command.tty,
            interactive: self.command.interactive && !self.for_nobody,
            init: false,
        })
    }
}

/// Where a process is, unless that directory has been removed: then the root.
fn directory_of(pid: Pid) -> CString {
    let directory = std::fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
    let usable = directory.is_absolute() && !directory.to_string_lossy().ends_with(" (deleted)");
    if usable { c_string(directory.as_os_str()) } else { c"/".into() }
}

fn not_ours(error: kernel::Error) -> anyhow::Error {
    if error.errno != Errno::EACCES {
        return error.into();
    }
    Failure::new("this process is not yours to join")
        .remedy("use sudo, or join a container that you started")
        .into()
}
