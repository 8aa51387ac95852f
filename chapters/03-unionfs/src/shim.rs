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
use crate::engine::background::Teller;
use crate::engine::live::{Live, Place};
use crate::engine::log::Log;
use crate::engine::output::{Ends, Output};
use crate::engine::policy::Restarts;
use crate::engine::root_lock::RootLock;
use crate::engine::run::Mechanisms;
use crate::engine::store::Store;
use crate::engine::{moment, outcome, records};
use crate::overlay::Overlay;
use anyhow::Result;
use kernel::process::{self, Exit};
use kernel::signal::Signals;
use namespaces::engine::run::{NAME, plan};
use namespaces::launch;
use std::path::Path;
use std::time::Instant;

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
    // Who detaches from a terminal comes back, as in Docker.
    let once = record.settings.stdin_once && !record.settings.tty;
    let mut output = Output::new(log, place.listen()?, teller.attached.take(), once)?;
    let mut signals = Signals::collect(&[])?;
    let mut restarts = Restarts::default();
    let mut live = Live::default();
    loop {
        // `update` and `rename` change it: what it says is asked again before each start and after it.
        let record = &records::again(&store.root, record);
        let since = Instant::now();
        live = Live { started_at: moment::now(), restart_count: restarts.count, ..live };
        held.finish(&State { started_at: live.started_at.clone(), ..State::default() })?;
        let run = Run { record, store, place: &place, live: &live };
        let ended = run.to_its_end(mechanisms, &mut output, &mut signals, teller);
        // Not even its first start may have come about.
        let never_ran = teller.has_not_spoken();
        let state = outcome::state(&ended, &live, never_ran);
        // `update` and `rename` may have changed it.
        let record = &records::again(&store.root, record);
        let again = !(place.is_stopped() || ended.is_err() && never_ran);
        let again = again
            .then(|| restarts.next(record.settings.restart, state.exit_code, since.elapsed()))
            .flatten();
        outcome::write(&held, &place, &state)?;
        live = Live { pid: 0, restart_count: restarts.count, exit_code: state.exit_code, ..live };
        if let Some(pause) = again {
            place.write(&live)?;
            output.pause(pause, || place.is_stopped())?;
        }
        if again.is_none() || place.is_stopped() {
            outcome::let_go(held, record, &place, output, &state)?;
            return ended.map(drop);
        }
    }
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
        let _lab = self.store.hold_lab(record);
        let lower = self.store.lower(record)?;
        let _alone = RootLock::wait(own)?;
        let overlay = Overlay { record: Some(record.clone()), lower, own: own.into() };
        let (groups, limits) = record.limits();
        let mechanisms = mechanisms(overlay, groups, limits);
        let (streams, ends) = Ends::make(&config.process)?;
        let plan = plan(&config, streams, &mechanisms)?;
        let pty = plan.pty.clone();
        let adopt = |child: &_| mechanisms.iter().try_for_each(|m| m.adopt(&config, child));
        let ended = launch::launch(plan, &config.process, &adopt).and_then(|child| {
            self.place.write(&Live { pid: child.pid.as_raw(), ..self.live.clone() })?;
            kernel::path::change_directory(c"/")?;
            teller.say(0, "");
            let ends = match pty.find() {
                Some(pty) => Ends::of_terminal(pty, config.process.interactive)?,
                None => ends,
            };
            mechanisms.iter().try_for_each(|mechanism| mechanism.settled(&child))?;
            output.run(&child, ends, signals, || self.place.is_stopped())?;
            Ok(process::wait(&child)?)
        });
        let mut words = None;
        for mechanism in mechanisms.iter().rev() {
            words = words.or(mechanism.cleanup(&record.id)?);
        }
        Ok((ended?, words))
    }
}
