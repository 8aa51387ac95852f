//! `start` and `restart`: a container that there is runs, in the background; `-a` attaches to it.

use crate::container::{Held, Record};
use crate::engine::attach::{self, Attached};
use crate::engine::background;
use crate::engine::live::{self, Place};
use crate::engine::run::Mechanisms;
use crate::engine::stop::{self, StopOptions};
use crate::engine::store::Store;
use crate::engine::{records, words};
use crate::shim;
use anyhow::Result;
use console::failure::Failure;
use console::options::Global;
use namespaces::engine::labbox;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// How long whoever kept it may take to let go of it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Options of `start`.
#[derive(clap::Args, Debug)]
pub struct Options {
    /// Show what it writes, and end with its exit code
    #[arg(short, long)]
    attach: bool,
    /// And pass our standard input on
    #[arg(short, long)]
    interactive: bool,
    /// Keys that detach
    #[arg(long, value_name = "KEYS", default_value = attach::DETACH_KEYS)]
    detach_keys: String,
    /// Name or id, or the beginning of an id
    #[arg(value_name = "CONTAINER", required = true)]
    containers: Vec<String>,
}

/// Starts containers; returns the exit code.
pub fn start(options: &Options, global: &Global, mechanisms: Mechanisms) -> Result<u8> {
    let store = Store::outside(global)?;
    if options.attach || options.interactive {
        let [text] = &options.containers[..] else {
            let failure = Failure::new("you cannot start and attach multiple containers at once");
            return Err(failure.remedy("leave out -a and -i").code(1).into());
        };
        let record = records::find(&store.root, text)?;
        let (ours, theirs) = UnixStream::pair()?;
        let (tty, input) = (record.settings.tty, options.interactive && record.settings.open_stdin);
        let attached = Attached::new(tty, input, true, &options.detach_keys)?;
        let started = start_one(&record, global, mechanisms, Some(theirs))?;
        if started != Ok(true) {
            return Ok(started.err().unwrap_or(0));
        }
        return attach::relay(ours, &attached);
    }
    each(&options.containers, |text| {
        start_one(&records::find(&store.root, text)?, global, mechanisms, None)
    })
}

/// Stops what runs, and starts it.
pub fn restart(options: &StopOptions, global: &Global, mechanisms: Mechanisms) -> Result<u8> {
    let store = Store::outside(global)?;
    each(&options.containers, |text| {
        let record = records::find(&store.root, text)?;
        stop::stop_one(&store.root, &record, options)?;
        start_one(&record, global, mechanisms, None)
    })
}

/// Starts each of these, and prints those that run; returns the exit code of the last that does not.
fn each(texts: &[String], start: impl Fn(&str) -> Result<Result<bool, u8>>) -> Result<u8> {
    let mut code = 0;
    for text in texts {
        match start(text) {
            Ok(Ok(_)) => console::print(format!("{text}\n"))?,
            Ok(Err(failed)) => code = failed,
            Err(error) => code = console::report(&error, 1),
        }
    }
    Ok(code)
}

/// Starts a container. True if it was not running before; a code if it failed and has said why.
fn start_one(
    record: &Record,
    global: &Global,
    mechanisms: Mechanisms,
    attached: Option<UnixStream>,
) -> Result<Result<bool, u8>> {
    let root = global.data_directory()?;
    let directory = record.directory(&root);
    if live::hold(&root, record)?.is_none() {
        return match directory.exists() {
            true if attached.is_some() => Err(words::already_running(&record.name)),
            true => Ok(Ok(false)),
            false => Err(words::no_such_container(&record.name, Vec::new())),
        };
    }
    let code = background::start(attached, 1, |teller| {
        labbox::enter_unless_root(global.rootless, false)?;
        let store = Store::open(root);
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(held) = Held::of(&directory)? {
                return shim::keep(held, record, &store, mechanisms, teller);
            }
            let live = Place::of(&store.root, &record.id).read()?;
            if live.is_some_and(|live| live.pid > 0) && teller.attached.is_none() {
                // Somebody else was faster, and it runs.
                teller.say(0, "");
                return Ok(());
            }
            // Somebody is about to start it, or only looks at it.
            if Instant::now() > deadline || !directory.exists() {
                return Err(words::already_running(&record.name));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    })?;
    // As in Docker: other codes are for commands that have run.
    Ok(if code == 0 { Ok(true) } else { Err(1) })
}
