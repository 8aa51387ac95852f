//! The relay: bytes between our standard streams and a container's, without blocking on either
//! side, while the caller also watches other descriptors (poll(2)).

use anyhow::Result;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// The most that a writable pipe is certain to take without blocking (PIPE_BUF in pipe(7)).
const CHUNK: usize = 4096;

/// Bytes on their way from one descriptor to another, in one direction.
struct Flow {
    from: OwnedFd,
    to: OwnedFd,
    /// Read and not yet written.
    pending: Vec<u8>,
    /// Nothing more will be read.
    ended: bool,
    /// From the container: what it wrote before it ended is still to be passed on.
    output: bool,
    /// From a terminal: nobody tells its writers that its reader has gone, and a full one would
    /// stop them. What nobody wants is read all the same.
    terminal: bool,
    /// Nobody wants it any more.
    unwanted: bool,
}

/// All flows of one container.
#[derive(Default)]
pub struct Relay {
    flows: Vec<Flow>,
}

impl Relay {
    /// Passes on what we read to the container.
    pub fn input(&mut self, from: OwnedFd, to: OwnedFd) {
        self.flows.push(Flow::new(from, to));
    }

    /// Passes on what the container writes into a pipe.
    pub fn output(&mut self, from: OwnedFd, to: OwnedFd) {
        self.flows.push(Flow { output: true, ..Flow::new(from, to) });
    }

    /// Passes on what the container writes to its terminal.
    pub fn terminal_output(&mut self, from: OwnedFd, to: OwnedFd) {
        self.flows.push(Flow { output: true, terminal: true, ..Flow::new(from, to) });
    }

    /// Relays until one of `watched` is readable, or for at most `patience`; tells which are.
    pub fn run_until(
        &mut self,
        watched: &[BorrowedFd],
        patience: Option<Duration>,
    ) -> Result<Vec<bool>> {
        let end = patience.map(|patience| Instant::now() + patience);
        loop {
            let mut fds: Vec<PollFd> =
                watched.iter().map(|fd| PollFd::new(*fd, PollFlags::POLLIN)).collect();
            fds.extend(self.flows.iter().map(Flow::interest));
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            let left = left.map_or(Ok(PollTimeout::NONE), PollTimeout::try_from)?;
            match poll(&mut fds, left) {
                Err(Errno::EINTR) => continue,
                Err(errno) => return Err(errno.into()),
                Ok(_) => {}
            }
            let ready: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(true)).collect();
            drop(fds);
            let (watched, flows) = ready.split_at(watched.len());
            for (flow, ready) in self.flows.iter_mut().zip(flows) {
                if *ready {
                    flow.advance();
                }
            }
            // A flow that is done closes its descriptors: this is how end-of-file travels on.
            self.flows.retain(|flow| !flow.is_done());
            let too_late = end.is_some_and(|end| end <= Instant::now());
            if watched.contains(&true) || too_late {
                return Ok(watched.to_vec());
            }
        }
    }

    /// Passes on what an ended container has left in its pipes and its terminal.
    pub fn drain(mut self) -> Result<()> {
        self.flows.retain(|flow| flow.output);
        for mut flow in self.flows {
            while !flow.is_done() {
                let mut fds = [flow.interest()];
                // What writes is gone, so that a descriptor with nothing to read stays so.
                let wait =
                    if flow.pending.is_empty() { PollTimeout::ZERO } else { PollTimeout::NONE };
                match poll(&mut fds, wait) {
                    Ok(0) => break,
                    Ok(_) | Err(Errno::EINTR) => flow.advance(),
                    Err(errno) => return Err(errno.into()),
                }
            }
        }
        Ok(())
    }
}

impl Flow {
    fn new(from: OwnedFd, to: OwnedFd) -> Flow {
        let pending = Vec::new();
        Flow { from, to, pending, ended: false, output: false, terminal: false, unwanted: false }
    }

    /// What this flow waits for: room to write what is pending, otherwise something to read.
    fn interest(&self) -> PollFd<'_> {
        if self.pending.is_empty() {
            PollFd::new(self.from.as_fd(), PollFlags::POLLIN)
        } else {
            PollFd::new(self.to.as_fd(), PollFlags::POLLOUT)
        }
    }

    fn advance(&mut self) {
        if self.pending.is_empty() { self.read() } else { self.write() }
    }

    fn read(&mut self) {
        let mut buffer = [0; CHUNK];
        match nix::unistd::read(&self.from, &mut buffer) {
            // A terminal whose last user has gone answers EIO rather than end-of-file.
            Ok(0) | Err(Errno::EIO) => self.ended = true,
            Ok(_) if self.unwanted => {}
            Ok(count) => self.pending.extend_from_slice(&buffer[..count]),
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(_) => self.ended = true,
        }
    }

    fn write(&mut self) {
        match nix::unistd::write(&self.to, &self.pending) {
            Ok(count) => drop(self.pending.drain(..count)),
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            // Nobody reads any more: closing a pipe tells its writer by SIGPIPE or EPIPE.
            Err(_) => {
                self.pending.clear();
                self.unwanted = true;
                self.ended = !self.terminal;
            }
        }
    }

    fn is_done(&self) -> bool {
        self.ended && self.pending.is_empty()
    }
}
