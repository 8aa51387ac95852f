//! Options that every command of every chapter takes, and where our files are.

use crate::failure::Failure;
use anyhow::{Context, Result};
use std::cell::OnceCell;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

/// The options of a command, put together only once that command is given: with many commands, a
/// program would otherwise spend more time on options that nobody uses than on its work.
#[derive(Debug)]
pub struct Deferred<T>(pub Box<T>);

impl<T: clap::Args> clap::Args for Deferred<T> {
    fn augment_args(command: clap::Command) -> clap::Command {
        // What the command is for has been said already; the options' own words are for whoever reads
        // their source.
        command.defer(|command| {
            let about = command.get_about().cloned().unwrap_or_default();
            T::augment_args(command).about(about).long_about(None)
        })
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        command.defer(T::augment_args_for_update)
    }
}

impl<T: clap::FromArgMatches> clap::FromArgMatches for Deferred<T> {
    fn from_arg_matches(matches: &clap::ArgMatches) -> Result<Deferred<T>, clap::Error> {
        Ok(Deferred(Box::new(T::from_arg_matches(matches)?)))
    }

    fn update_from_arg_matches(&mut self, matches: &clap::ArgMatches) -> Result<(), clap::Error> {
        self.0.update_from_arg_matches(matches)
    }
}

/// Global options.
#[derive(clap::Args, Debug, Clone)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Where minidock keeps its files [default: /var/lib/minidock, or your data directory]
    #[arg(long, global = true, value_name = "DIR", env = "MINIDOCK_ROOT", hide_env_values = true)]
    root: Option<PathBuf>,

    /// Act as an ordinary user would, inside user, mount, network and PID namespaces: the lab box
    #[arg(long, global = true)]
    pub rootless: bool,

    /// Tell the kernel calls that make a container, one by one; =step waits for a key before each
    #[arg(long, global = true, value_name = "step", num_args = 0..=1, require_equals = true,
          default_missing_value = "all")]
    explain: Option<Explain>,

    /// Found out once: in the lab box everybody is root.
    #[arg(skip)]
    data: OnceCell<PathBuf>,
}

#[derive(clap::ValueEnum, Debug, Clone, Copy, PartialEq)]
enum Explain {
    #[value(hide = true)]
    All,
    Step,
}

impl Global {
    /// The directory that minidock keeps its files in: the one that was asked for, the system's
    /// for root, otherwise the user's own (XDG Base Directory Specification).
    pub fn data_directory(&self) -> Result<PathBuf> {
        if let Some(data) = self.data.get() {
            return Ok(data.clone());
        }
        let data = self.find_data_directory()?;
        Ok(self.data.get_or_init(|| data).clone())
    }

    fn find_data_directory(&self) -> Result<PathBuf> {
        if let Some(root) = self.root.as_ref().filter(|root| !root.as_os_str().is_empty()) {
            return std::path::absolute(root).context("--root");
        }
        if nix::unistd::geteuid().is_root() {
            return Ok("/var/lib/minidock".into());
        }
        let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/share"));
        let data = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).or_else(home);
        let data = data.filter(|data| data.is_absolute()).ok_or_else(|| {
            Failure::new("no place for our files: neither HOME nor XDG_DATA_HOME is set")
                .remedy("give a directory with --root DIR")
        })?;
        Ok(data.join("minidock"))
    }

    /// Whether nobody named the directory: then it is ours to remove when it is empty.
    pub fn has_default_directory(&self) -> bool {
        self.root.as_ref().is_none_or(|root| root.as_os_str().is_empty())
    }

    /// Starts the narrator if one was asked for.
    pub fn start_explaining(&self) -> Result<()> {
        let Some(explain) = self.explain else { return Ok(()) };
        let story = duplicate(std::io::stderr()).context("--explain")?;
        let keys = match explain {
            Explain::All => None,
            Explain::Step => {
                eprintln!("any key makes the next call, Ctrl-C stops");
                Some(open_terminal()?)
            }
        };
        kernel::explain::start(story, keys);
        Ok(())
    }
}

fn duplicate(fd: impl AsFd) -> std::io::Result<OwnedFd> {
    fd.as_fd().try_clone_to_owned()
}

/// The terminal that keys come from, whatever standard input is.
fn open_terminal() -> Result<OwnedFd> {
    let terminal = std::fs::File::options().read(true).write(true).open("/dev/tty");
    let terminal = terminal.map_err(|_| {
        Failure::new("--explain=step waits for keys, and there is no terminal")
            .remedy("use --explain, which does not wait")
    })?;
    Ok(terminal.into())
}
