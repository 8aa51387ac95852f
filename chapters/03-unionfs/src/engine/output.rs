//! What a container writes while a shim keeps it: every byte goes into the log, and to whoever is
//! attached. Memory stays bounded, as nothing is read that could not be passed on: then the container waits.

use crate::container::State;
use crate::engine::log::{Log, Stream};
use crate::engine::moment;
use crate::engine::wire::{Kind, Wire};
use anyhow::{Context, Result};
use kernel::process::{self, Child};
use kernel::signal::{Signal, Signals};
use kernel::{Errno, terminal};
use namespaces::config::Process;
use namespaces::plan::Streams;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

/// How much is read in one go.
const PIECE: usize = 16 << 10;
/// How long those who are attached may take to read the end.
const PATIENCE: Duration = Duration::from_secs(2);

/// Our ends of a container's standard streams.
pub struct Ends {
    input: Option<OwnedFd>,
    sources: Vec<(OwnedFd, Stream)>,
}

impl Ends {
    /// Pipes for a process, unless it has a terminal: the container's ends, and ours.
    pub fn make(process: &Process) -> Result<(Streams, Ends)> {
        let mut streams: Streams = [None, None, None];
        let mut ends = Ends { input: None, sources: Vec::new() };
        if process.terminal {
            return Ok((streams, ends));
        }
        if process.interactive {
            let (theirs, ours) = kernel::descriptor::pipe().context("pipe")?;
            streams[0] = Some(theirs);
            ends.input = Some(ours);
        }
        for (number, stream) in [(1, Stream::Stdout), (2, Stream::Stderr)] {
            let (ours, theirs) = kernel::descriptor::pipe().context("pipe")?;
            streams[number] = Some(theirs);
            ends.sources.push((ours, stream));
        }
        Ok((streams, ends))
    }

    /// Those of a terminal.
    pub fn of_terminal(pty: &kernel::terminal::Pty, interactive: bool) -> Result<Ends> {
        let input = interactive.then(|| pty.master.try_clone()).transpose()?;
        Ok(Ends { input, sources: vec![(pty.master.try_clone()?, Stream::Stdout)] })
    }
}

/// Where it goes.
pub struct Output {
    log: Log,
    listener: UnixListener,
    attached: Vec<Wire>,
    /// Input ends with the first who attached.
    input_once: bool,
    /// For the container, and not yet taken by it.
    input: Vec<u8>,
    input_ends: bool,
}

impl Output {
    /// Into this log, and to all who connect, one of whom may be there already.
    pub fn new(
        log: Log,
        listener: UnixListener,
        first: Option<UnixStream>,
        input_once: bool,
    ) -> Result<Output> {
        listener.set_nonblocking(true)?;
        let attached = first.map(Wire::on).transpose()?.into_iter().collect();
        Ok(Output { log, listener, attached, input_once, input: Vec::new(), input_ends: false })
    }

    /// Passes on until a container has ended, and what it has left: to who does not read it, as long as
    /// nobody has stopped the container.
    pub fn run(
        &mut self,
        child: &Child,
        mut ends: Ends,
        signals: &mut Signals,
        is_stopped: impl Fn() -> bool,
    ) -> Result<()> {
        self.input.clear();
        self.input_ends = false;
        // From here on little of it is needed, perhaps for days, and there may be a thousand of us.
        kernel::memory::give_back_code()?;
        loop {
            let ready = self.poll(Some(child), &ends, Some(signals), None)?;
            while let Some(received) = signals.receive()? {
                // A shim ends with its container, and with nothing else that can be helped.
                if received.signal != Signal::SIGWINCH {
                    process::send_signal(&child.pidfd, received.signal)?;
                }
            }
            self.take_input(Some(child), &mut ends);
            self.read(&mut ends, &ready.sources);
            if ready.ended {
                break;
            }
        }
        // All who wrote are dead: what can be read now is all that there is.
        let deadline = Instant::now() + PATIENCE;
        loop {
            // Asked first: while somebody was behind, nothing was looked at.
            let behind = self.is_behind();
            let longest = if behind { Duration::from_millis(50) } else { Duration::ZERO };
            let ready = self.poll(None, &ends, None, Some(longest))?;
            if self.is_behind() && Instant::now() > deadline && is_stopped() {
                self.attached.retain(|wire| !wire.is_behind());
            }
            if !behind && !ready.sources.contains(&true) {
                break;
            }
            self.read(&mut ends, &ready.sources);
        }
        self.log.finish(&moment::now());
        Ok(())
    }

    /// Lets people attach meanwhile; returns early if `enough` says so.
    pub fn pause(&mut self, length: Duration, enough: impl Fn() -> bool) -> Result<()> {
        let (end, mut ends) = (Instant::now() + length, Ends { input: None, sources: Vec::new() });
        while Instant::now() < end && !enough() {
            let left = end.saturating_duration_since(Instant::now());
            self.poll(None, &ends, None, Some(left.min(Duration::from_millis(50))))?;
            self.take_input(None, &mut ends);
        }
        Ok(())
    }

    /// Tells those who are attached how it ended, and if the kernel killed in it, so.
    pub fn end(mut self, state: &State) {
        let deadline = Instant::now() + PATIENCE;
        let words = if state.oom_killed { state.error.as_bytes() } else { &[] };
        let message = [&[state.exit_code], words].concat();
        self.attached.iter_mut().for_each(|wire| wire.send(Kind::End, &message));
        while self.is_behind() && Instant::now() < deadline {
            let fds = self.attached.iter().filter(|wire| wire.is_behind());
            let mut fds: Vec<PollFd> =
                fds.map(|wire| PollFd::new(wire.as_fd(), PollFlags::POLLOUT)).collect();
            // Whatever comes of it, the deadline ends this.
            let _waited = poll(&mut fds, PollTimeout::from(100u8));
            self.attached.iter_mut().for_each(Wire::flush);
        }
    }

    fn is_behind(&self) -> bool {
        self.attached.iter().any(Wire::is_behind)
    }

    fn poll(
        &mut self,
        child: Option<&Child>,
        ends: &Ends,
        signals: Option<&Signals>,
        longest: Option<Duration>,
    ) -> Result<Ready> {
        let behind = self.is_behind();
        let mut fds = vec![PollFd::new(self.listener.as_fd(), PollFlags::POLLIN)];
        fds.extend(child.map(|child| PollFd::new(child.pidfd.as_fd(), PollFlags::POLLIN)));
        fds.extend(signals.map(|signals| PollFd::new(signals.as_fd(), PollFlags::POLLIN)));
        for wire in &self.attached {
            // Who types faster than the container reads has to wait.
            let mut events = PollFlags::empty();
            events.set(PollFlags::POLLIN, self.input.len() < PIECE);
            events.set(PollFlags::POLLOUT, wire.is_behind());
            fds.push(PollFd::new(wire.as_fd(), events));
        }
        if let Some(input) = ends.input.as_ref().filter(|_| !self.input.is_empty()) {
            fds.push(PollFd::new(input.as_fd(), PollFlags::POLLOUT));
        }
        let first_source = fds.len();
        // While somebody is behind they wait. One of which nobody writes any more would always be ready.
        let sources = ends.sources.iter().filter(|_| !behind);
        fds.extend(sources.map(|(source, _)| PollFd::new(source.as_fd(), PollFlags::POLLIN)));
        let longest = longest.map_or(Ok(PollTimeout::NONE), PollTimeout::try_from)?;
        match poll(&mut fds, longest) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let ready = |fd: &PollFd| fd.any().unwrap_or(false);
        let sources = fds[first_source..].iter().map(ready).collect();
        let ended = child.is_some() && fds[1].any().unwrap_or(false);
        drop(fds);
        self.attached.iter_mut().for_each(Wire::flush);
        while let Ok((stream, _)) = self.listener.accept() {
            self.attached.extend(Wire::on(stream).ok());
        }
        Ok(Ready { sources, ended })
    }

    fn read(&mut self, ends: &mut Ends, ready: &[bool]) {
        let mut piece = vec![0; PIECE];
        let mut over = Vec::new();
        for (index, (source, stream)) in ends.sources.iter().enumerate() {
            if !ready.get(index).copied().unwrap_or(false) {
                continue;
            }
            match nix::unistd::read(source, &mut piece) {
                Ok(0) | Err(Errno::EIO) => over.push(index),
                Ok(count) => self.pass_on(*stream, &piece[..count]),
                Err(_) => {}
            }
        }
        for index in over.into_iter().rev() {
            ends.sources.remove(index);
        }
    }

    fn pass_on(&mut self, stream: Stream, bytes: &[u8]) {
        self.log.keep(stream, bytes, &moment::now());
        let kind = if stream == Stream::Stdout { Kind::Output } else { Kind::Error };
        self.attached.iter_mut().for_each(|wire| wire.send(kind, bytes));
        self.attached.retain(|wire| !wire.is_over);
    }

    /// What those who are attached have sent.
    fn take_input(&mut self, child: Option<&Child>, ends: &mut Ends) {
        let mut messages = Vec::new();
        if self.input.len() < PIECE {
            self.attached.iter_mut().for_each(|wire| messages.extend(wire.receive()));
        }
        let had_some = !self.attached.is_empty();
        self.attached.retain(|wire| !wire.is_over);
        for (kind, bytes) in messages {
            match (kind, child) {
                (Kind::Input, _) if bytes.is_empty() => self.input_ends |= self.input_once,
                (Kind::Input, _) => self.input.extend_from_slice(&bytes),
                (Kind::Size, _) => resize(ends, &bytes),
                (Kind::Signal, Some(child)) => {
                    let number = bytes.first().copied().unwrap_or(0);
                    // One that has ended needs none.
                    let _sent = process::send_signal_number(&child.pidfd, number.into());
                }
                _ => {}
            }
        }
        if had_some && self.attached.is_empty() {
            // Whoever typed has gone without an end: as if there had been one.
            self.input_ends |= self.input_once;
        }
        self.write_input(ends);
    }

    fn write_input(&mut self, ends: &mut Ends) {
        let Some(input) = &ends.input else {
            self.input.clear();
            return;
        };
        while !self.input.is_empty() {
            let mut fds = [PollFd::new(input.as_fd(), PollFlags::POLLOUT)];
            if !matches!(poll(&mut fds, PollTimeout::ZERO), Ok(1)) {
                return;
            }
            // So much fits into a pipe that can be written to (PIPE_BUF in pipe(7)).
            let count = self.input.len().min(4096);
            match nix::unistd::write(input, &self.input[..count]) {
                Ok(count) => drop(self.input.drain(..count)),
                Err(Errno::EINTR | Errno::EAGAIN) => return,
                // Nobody reads any more.
                Err(_) => self.input.clear(),
            }
        }
        if self.input_ends {
            ends.input = None;
        }
    }
}

struct Ready {
    sources: Vec<bool>,
    ended: bool,
}

fn resize(ends: &Ends, bytes: &[u8]) {
    let (Some((terminal, _)), [a, b, c, d]) = (ends.sources.first(), bytes) else { return };
    terminal::set_size(
        terminal.as_fd(),
        u16::from_be_bytes([*a, *b]),
        u16::from_be_bytes([*c, *d]),
    );
}
