//! Who keeps a container that nobody waits for: a process of its own, the shim. It is forked off the
//! command line, which goes as soon as the container runs; it holds the container's output and its
//! record, waits for its end, says how it ended, and cleans up.
//!
//! ```text
//!  command line                shim                               container
//!  fork ─────────────────────▶ a session of its own
//!                              holds the container (flock)
//!                              launch ──────────────────────────▶ PID 1
//!  prints the id ◀──────────── says that it runs                  writes ─▶ a pipe
//!  ends, or attaches           pipe ─▶ log, and who is attached
//!                              waits for its end ◀─────────────── ends
//!                              cleans up; writes down how it ended
//!                              or starts it again (--restart)
//! ```
//!
//! PID 1 asks to die with the shim: if that is killed, the container does not go on unseen. Its lock
//! ends with it, and whoever looks next finds a container that is said to run and is held by nobody.

use crate::container::{Held, Record, State};
use crate::engine::live::{Live, Place};
use crate::engine::log::Log;
use crate::engine::moment;
use crate::engine::output::{Ends, Output};
use crate::engine::policy::Restarts;
use crate::engine::records;
use crate::engine::run::{Mechanisms, end_code};
use crate::engine::store::Store;
use crate::overlay::Overlay;
use anyhow::{Context, Result};
use console::failure::Failure;
use kernel::descriptor::{become_standard, pipe};
use kernel::process::{self, Cloned, Exit};
use kernel::signal::Signals;
use namespaces::engine::run::{NAME, plan};
use namespaces::launch;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Instant;

/// Tells the command line that the container runs, or why it does not.
pub struct Teller {
    tells: Option<OwnedFd>,
    /// The command line itself, if it attaches.
    pub attached: Option<UnixStream>,
}

/// Does this in a process that outlives the command line, and waits until it says that the
/// container runs: no exit code then. Otherwise it has one, and the words are what went wrong.
pub fn in_background(
    attached: Option<UnixStream>,
    usual_code: u8,
    act: impl FnOnce(&mut Teller) -> Result<()>,
) -> Result<u8> {
    let (asks, tells) = pipe().context("pipe")?;
    match process::clone(&[])? {
        Cloned::Parent(_shim) => {
            drop((tells, attached));
            // Its last word ends with a NUL byte: the pipe ends with the shim alone.
            let mut words = Vec::new();
            BufReader::new(File::from(asks)).read_until(0, &mut words).context("the shim")?;
            match words.split_first() {
                Some((0, _)) => Ok(0),
                Some((code, text)) => {
                    // If standard error is closed there is nowhere to say it.
                    let _said =
                        std::io::stderr().write_all(text.strip_suffix(&[0]).unwrap_or(text));
                    Ok(*code)
                }
                None => Err(Failure::new("the shim was killed").into()),
            }
        }
        Cloned::Child => {
            drop(asks);
            let mut teller = Teller { tells: Some(tells), attached };
            let acted = leave_the_command_line().and_then(|()| act(&mut teller));
            if let Err(error) = acted {
                let (text, code) = console::told(&error, usual_code);
                teller.say(code, &text);
            }
            process::exit(0);
        }
    }
}

/// Its terminal, its streams, which somebody may be waiting for the end of, and where it was.
fn leave_the_command_line() -> Result<()> {
    process::new_session()?;
    let nothing = File::options().read(true).write(true).open("/dev/null")?;
    Ok((0..3).try_for_each(|stream| become_standard(&nothing, stream))?)
}

impl Teller {
    fn say(&mut self, code: u8, text: &str) {
        if let Some(tells) = self.tells.take() {
            // Nobody may be waiting any more, and the container runs all the same.
            let _told = File::from(tells).write_all(&[&[code], text.as_bytes(), &[0]].concat());
        }
    }
}

/// Keeps a container, which is held, to its last end.
pub fn keep(
    held: Held,
    record: &Record,
    store: &Store,
    mechanisms: Mechanisms,
    teller: &mut Teller,
) -> Result<()> {
    process::set_name(NAME)?;
    let place = Place::of(&store.root, &record.id);
    place.make()?;
    let log = Log::open(&held.directory, record.settings.log)?;
    let once = record.settings.stdin_once;
    let mut output = Output::new(log, place.listen()?, teller.attached.take(), once)?;
    let mut signals = Signals::collect(&[])?;
    let (mut record, mut restarts) = (record.clone(), Restarts::default());
    loop {
        let since = Instant::now();
        let live = Live { started_at: moment::now(), restart_count: restarts.count, pid: 0 };
        held.finish(&State { started_at: live.started_at.clone(), ..State::default() })?;
        let run = Run { record: &record, store, place: &place, live: &live };
        let ended = run.to_its_end(mechanisms, &mut output, &mut signals, teller);
        let never_ran = teller.tells.is_some();
        let state = run.state(&ended, never_ran);
        let code = state.exit_code;
        // `update` and `rename` may have changed it.
        record = records::again(&store.root, &record);
        let again = match &ended {
            // Not even its first start has come about.
            Err(_) if never_ran => None,
            _ if place.is_stopped() => None,
            _ => restarts.next(record.settings.restart, code, since.elapsed()),
        };
        held.finish(&state)?;
        let Some(pause) = again else {
            return finish(held, &record, &place, output, ended.map(|_| code));
        };
        place.write(&Live { pid: 0, restart_count: restarts.count, ..live })?;
        output.pause(pause, || place.is_stopped())?;
        if place.is_stopped() {
            return finish(held, &record, &place, output, Ok(code));
        }
    }
}

/// Nothing of it is live any more; of one that was to be removed, nothing is left.
fn finish(
    held: Held,
    record: &Record,
    place: &Place,
    output: Output,
    ended: Result<u8>,
) -> Result<()> {
    place.remove()?;
    if record.auto_remove {
        held.remove(Some(record))?;
    } else {
        drop(held);
    }
    output.end(ended.as_ref().map_or_else(end_code, |code| *code));
    ended.map(drop)
}

/// One run of a container.
struct Run<'a> {
    record: &'a Record,
    store: &'a Store,
    place: &'a Place,
    live: &'a Live,
}

impl Run<'_> {
    fn to_its_end(
        &self,
        mechanisms: Mechanisms,
        output: &mut Output,
        signals: &mut Signals,
        teller: &mut Teller,
    ) -> Result<(Exit, Option<String>)> {
        let record = self.record;
        let config = record.config()?;
        let own: &Path = &record.directory(&self.store.root);
        let lower = self.store.lower(record)?;
        let overlay = Overlay { record: Some(record.clone()), lower, own: own.into() };
        let (groups, limits) = record.limits();
        let mechanisms = mechanisms(overlay, groups, limits);
        let (streams, ends) = Ends::make(&config.process)?;
        let plan = plan(&config, streams, &mechanisms)?;
        let pty = plan.pty.clone();
        let adopt = |child: &_| mechanisms.iter().try_for_each(|m| m.adopt(&config, child));
        let ended = launch::launch(plan, &config.process, &adopt).and_then(|child| {
            self.place.write(&Live { pid: child.pid.as_raw(), ..self.live.clone() })?;
            teller.say(0, "");
            std::env::set_current_dir("/")?;
            let ends = match pty.find() {
                Some(pty) => Ends::of_terminal(pty, config.process.interactive)?,
                None => ends,
            };
            mechanisms.iter().try_for_each(|mechanism| mechanism.settled(&child))?;
            output.run(&child, ends, signals)?;
            Ok(process::wait(&child)?)
        });
        let mut words = None;
        for mechanism in mechanisms.iter().rev() {
            words = words.or(mechanism.cleanup(&record.id)?);
        }
        Ok((ended?, words))
    }

    /// How it ended, for its record.
    fn state(&self, ended: &Result<(Exit, Option<String>)>, never_ran: bool) -> State {
        let (exit_code, words, oom_killed, error) = match ended {
            Ok((exit, words)) => (exit.code(), words.clone(), words.is_some(), String::new()),
            Err(error) => (end_code(error), None, false, format!("{error:#}")),
        };
        if ended.is_err() && never_ran {
            return State { exit_code, error, ..State::default() };
        }
        State {
            exit_code,
            oom_killed,
            error: words.unwrap_or(error),
            started_at: self.live.started_at.clone(),
            finished_at: moment::now(),
            restart_count: self.live.restart_count,
        }
    }
}
