//! `run`: options become a [`Config`], before anything is done.

use crate::config::{Config, Process, Root};
use crate::engine::environment::Environment;
use crate::engine::{attend, labbox, roots, show_plan, streams, users};
use crate::launch;
use crate::plan::{Mechanism, Plan, Streams};
use anyhow::{Context, Result};
use console::failure::Failure;
use console::options::Global;
use kernel::namespace::Namespace;
use kernel::process::{Child, Exit};
use kernel::signal::Signals;
use std::ffi::{CStr, CString, OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// What a process that waits for a container is called (PR_SET_NAME in prctl(2)).
pub const NAME: &CStr = c"minidock";

/// The longest host name that the kernel takes (uname(2)).
const LONGEST_HOSTNAME: usize = 64;

/// Options of `run`.
#[derive(clap::Args, Debug)]
#[command(disable_help_flag = true)]
pub struct Options {
    /// UTS namespace: `host` shares the host's name
    #[arg(
        long,
        value_name = "MODE",
        default_value = "private",
        hide_default_value = true,
        hide_possible_values = true
    )]
    uts: Mode,
    /// PID namespace: `host` shows and reaches the host's processes
    #[arg(
        long,
        value_name = "MODE",
        default_value = "private",
        hide_default_value = true,
        hide_possible_values = true
    )]
    pid: Mode,
    /// IPC namespace: `host` shares the host's queues and shared memory
    #[arg(
        long,
        value_name = "MODE",
        default_value = "private",
        hide_default_value = true,
        hide_possible_values = true
    )]
    ipc: Mode,
    /// Network namespace: `none` has the loopback interface alone, `host` is the host's
    #[arg(
        long,
        alias = "net",
        value_name = "MODE",
        default_value = "none",
        hide_possible_values = true
    )]
    network: Mode,
    /// Host name in the container [default: its id]
    #[arg(short = 'h', long)]
    hostname: Option<String>,
    /// Make the root read-only
    #[arg(long)]
    read_only: bool,
    /// Run a small init as PID 1: it collects orphans and passes signals on
    #[arg(long)]
    init: bool,
    /// Keep nothing of the container when it ends; in chapters 01 and 02, nothing ever is kept
    #[arg(long)]
    rm: bool,
    /// Print the steps and take none of them
    #[arg(long)]
    plan: bool,
    #[command(flatten)]
    command: CommandOptions,
    /// `lab`, or a directory (a path that begins with . or /); then the command [default: /bin/sh]
    #[arg(value_names = ["ROOT", "COMMAND"], num_args = 1.., required = true,
          trailing_var_arg = true)]
    root_and_command: Vec<OsString>,
    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

/// Options of `run` and of `exec`.
#[derive(clap::Args, Debug)]
pub struct CommandOptions {
    /// Keep standard input open
    #[arg(short, long)]
    pub interactive: bool,
    /// Give it a terminal
    #[arg(short, long)]
    pub tty: bool,
    /// Set a variable; without a value, the host's
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    pub env: Vec<OsString>,
    /// Read variables from a file, one a line
    #[arg(long, value_name = "FILE")]
    pub env_file: Vec<PathBuf>,
    /// Working directory in the container
    #[arg(short, long, value_name = "DIR")]
    pub workdir: Option<OsString>,
    /// User, and group if given, by name (in the root's /etc/passwd) or number
    #[arg(short, long, value_name = "USER[:GROUP]")]
    pub user: Option<String>,
}

/// Own namespace or the host's.
#[derive(clap::ValueEnum, Debug, Clone, Copy, PartialEq)]
enum Mode {
    #[value(alias = "none")]
    Private,
    Host,
}

/// What a root says about the commands in it; a directory says nothing.
#[derive(Debug, Default)]
pub struct Defaults {
    /// What goes before every command.
    pub entrypoint: Vec<CString>,
    /// The command, if none is given.
    pub command: Vec<CString>,
    /// Variables: `NAME=value`.
    pub environment: Vec<OsString>,
    /// Where it starts.
    pub directory: Option<CString>,
    /// Who it is.
    pub user: Option<String>,
}

/// Runs a container to its end; returns its exit code.
pub fn run(options: Options, global: &Global, mechanisms: &[Box<dyn Mechanism>]) -> Result<u8> {
    // Before the box: in there we are root, and would take root's lab.
    let data = options.wants_lab().then(|| global.data_directory()).transpose()?;
    options.enter_box(global)?;
    kernel::explain::heading(
        "parent",
        "look at the root",
        "open since it is looked up: its name may be another directory's later",
    );
    let (root, _lab) = roots::open(options.root(), data.as_deref())?;
    let files = root.directory.as_ref().map(|directory| directory.try_clone()).transpose()?;
    let files = users::in_directory(files.context("a directory is open")?);
    let config = options.resolve(new_id()?, root, Defaults::default(), &files)?;
    if options.plan {
        return show(&config, mechanisms);
    }
    Ok(to_its_end(&config, mechanisms)?.code())
}

/// Prints the steps that would start a container.
pub fn show(config: &Config, mechanisms: &[Box<dyn Mechanism>]) -> Result<u8> {
    let (streams, _relay) = streams::open(&config.process)?;
    console::print(show_plan::show(plan(config, streams, mechanisms)?, &config.process))?;
    Ok(0)
}

/// The plan for a container with these streams.
pub fn plan(config: &Config, streams: Streams, mechanisms: &[Box<dyn Mechanism>]) -> Result<Plan> {
    let mut plan = Plan::new(streams);
    for mechanism in mechanisms {
        mechanism.prepare(config, &mut plan)?;
    }
    Ok(plan)
}

/// Starts a container, waits for its end, and undoes what was prepared.
pub fn to_its_end(config: &Config, mechanisms: &[Box<dyn Mechanism>]) -> Result<Exit> {
    let (streams, relay) = streams::open(&config.process)?;
    let plan = plan(config, streams, mechanisms)?;
    let pty = plan.pty.clone();
    // By this name, `clean` knows that a container has somebody who waits for it.
    kernel::process::set_name(NAME)?;
    // From here on signals wait until there is somebody to pass them on to.
    let signals = Signals::collect(&[])?;
    let adopt = |child: &Child| mechanisms.iter().try_for_each(|m| m.adopt(config, child));
    let ended = launch::launch(plan, &config.process, &adopt).and_then(|child| {
        let settled = || mechanisms.iter().try_for_each(|mechanism| mechanism.settled(&child));
        attend::attend(&child, &config.process, signals, relay, pty.find(), &settled)
    });
    // Whether it ran or failed: what was prepared is undone, the last first.
    for mechanism in mechanisms.iter().rev() {
        if let Some(words) = mechanism.cleanup(&config.id)? {
            console::tell(&words);
        }
    }
    ended
}

impl Options {
    /// ROOT, as it was given.
    pub fn root(&self) -> &OsStr {
        &self.root_and_command[0]
    }

    /// Whether that is the lab.
    pub fn wants_lab(&self) -> bool {
        self.root() == "lab"
    }

    /// Whether only the steps are asked for.
    pub fn plan_only(&self) -> bool {
        self.plan
    }

    /// Whether nothing of the container is to be kept.
    pub fn removes(&self) -> bool {
        self.rm
    }

    /// What is asked of the command in it.
    pub fn command(&self) -> &CommandOptions {
        &self.command
    }

    /// Enters the lab box, unless we are root or only the steps are asked for.
    pub fn enter_box(&self, global: &Global) -> Result<()> {
        if self.plan {
            return Ok(());
        }
        labbox::enter_unless_root(global.rootless, self.command.tty)
    }

    /// What is to run on this root, which says this about itself and has these files.
    pub fn resolve(
        &self,
        id: String,
        root: Root,
        defaults: Defaults,
        files: users::Files,
    ) -> Result<Config> {
        let shared = [
            (Namespace::Uts, self.uts),
            (Namespace::Pid, self.pid),
            (Namespace::Ipc, self.ipc),
            (Namespace::Network, self.network),
        ];
        let shared: Vec<Namespace> =
            shared.into_iter().filter(|(_, mode)| *mode == Mode::Host).map(|(n, _)| n).collect();
        let hostname = self.hostname(&id)?;

        let user =
            users::resolve(files, self.command.user.as_deref().or(defaults.user.as_deref()))?;
        let name = match &hostname {
            Some(name) => Some(name.clone()),
            None => nix::unistd::gethostname()?.into_string().ok(),
        };
        let mut environment =
            Environment::of_container(name.as_deref(), &user.home, self.command.tty);
        defaults.environment.iter().try_for_each(|entry| environment.add(entry))?;
        self.command.add_environment(&mut environment)?;
        let command = match &self.root_and_command[1..] {
            [] if defaults.command.is_empty() && defaults.entrypoint.is_empty() => {
                vec![c"/bin/sh".into()]
            }
            [] => defaults.command,
            words => words.iter().map(|word| c_string(word)).collect(),
        };
        let directory = match defaults.directory {
            Some(directory) if self.command.workdir.is_none() => directory,
            _ => self.command.directory()?,
        };
        let process = Process {
            arguments: [defaults.entrypoint, command].concat(),
            environment: environment.into_entries(),
            directory,
            user,
            terminal: self.command.tty,
            interactive: self.command.interactive,
            init: self.init,
        };
        Ok(Config { id, root, read_only: self.read_only, hostname, shared, process })
    }

    fn hostname(&self, id: &str) -> Result<Option<String>> {
        if self.uts == Mode::Host {
            if self.hostname.is_some() {
                let failure = Failure::new("conflicting options: hostname and the UTS mode");
                return Err(failure.remedy("leave out --hostname or --uts host").into());
            }
            return Ok(None);
        }
        let name = self.hostname.clone().unwrap_or_else(|| id[..12].into());
        if name.len() > LONGEST_HOSTNAME || name.is_empty() {
            let length = name.len();
            return Err(Failure::new(format!("a host name of {length} bytes: {name:?}"))
                .remedy(format!("use 1 to {LONGEST_HOSTNAME} bytes"))
                .into());
        }
        if name.chars().any(char::is_control) {
            let failure = Failure::new(format!("a host name with control characters: {name:?}"));
            return Err(failure.remedy("use letters, digits, hyphens and dots").into());
        }
        Ok(Some(name))
    }
}

impl CommandOptions {
    /// Where the command starts.
    pub fn directory(&self) -> Result<CString> {
        let directory = self.workdir.as_deref().unwrap_or(OsStr::new("/"));
        if !std::path::Path::new(directory).is_absolute() {
            let message = format!(
                "the working directory {directory:?} is invalid, it needs to be an absolute path"
            );
            return Err(Failure::new(message).remedy("begin it with /").into());
        }
        Ok(c_string(directory))
    }

    /// Adds the variables that were asked for; of two for one name, `--env` counts.
    pub fn add_environment(&self, environment: &mut Environment) -> Result<()> {
        self.env_file.iter().try_for_each(|file| environment.add_file(file))?;
        self.env.iter().try_for_each(|entry| environment.add(entry))
    }
}

/// A new container's id: 64 hexadecimal digits that nobody else has.
pub fn new_id() -> Result<String> {
    let mut bytes = [0u8; 32];
    let mut random = std::fs::File::open("/dev/urandom").context("/dev/urandom")?;
    std::io::Read::read_exact(&mut random, &mut bytes).context("/dev/urandom")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Text that came from a command line, which cannot hold a NUL byte.
pub fn c_string(text: &OsStr) -> CString {
    CString::new(text.to_owned().into_vec()).expect("an argument has no NUL byte")
}
