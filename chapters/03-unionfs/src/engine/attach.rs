//! `attach`: our terminal or streams in place of nobody's. A container's shim passes on what it writes.

use crate::engine::live::{self, Place, Status};
use crate::engine::records;
use crate::engine::store::Store;
use crate::engine::wire::{Kind, Wire};
use crate::engine::words;
use anyhow::{Context, Result};
use console::failure::{Failure, OURS};
use console::options::Global;
use console::terminal::{Keeper, duplicate};
use kernel::signal::{Signal, Signals};
use kernel::{Errno, Pid, process, terminal};
use namespaces::engine::streams;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::collections::VecDeque;
use std::io::IsTerminal;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

/// Options of `attach`.
#[derive(clap::Args, Debug)]
pub struct Options {
    /// Do not pass our standard input on
    #[arg(long)]
    no_stdin: bool,
    #[command(flatten)]
    attaches: AttachOptions,
    /// Name or id, or the beginning of an id
    #[arg(value_name = "CONTAINER")]
    container: String,
}

/// How a command line is attached, whoever asks for it.
#[derive(clap::Args, Debug)]
#[group(skip)]
pub struct AttachOptions {
    /// Pass signals on to PID 1
    #[arg(long, default_value_t = true, num_args = 0..=1, require_equals = true,
          default_missing_value = "true", hide_default_value = true,
          hide_possible_values = true, action = clap::ArgAction::Set)]
    sig_proxy: bool,
    /// Keys that detach
    #[arg(long, value_name = "KEYS", default_value = DETACH_KEYS)]
    detach_keys: String,
}

/// How often a person has to ask before a container that does not listen is left to itself, as in Docker.
const PATIENCE: u32 = 3;

/// Docker's.
pub const DETACH_KEYS: &str = "ctrl-p,ctrl-q";

/// What passes between a command line and a container.
pub struct Attached {
    tty: bool,
    input: bool,
    pass_signals: bool,
    keys: Vec<u8>,
}

impl AttachOptions {
    /// Whether nobody asks for anything that a container without a shim could not do.
    pub fn are_usual(&self) -> bool {
        self.sig_proxy && self.detach_keys == DETACH_KEYS
    }

    /// For a container that has a terminal or not, and reads input or not.
    pub fn resolve(&self, tty: bool, input: bool) -> Result<Attached> {
        Attached::new(tty, input, self.sig_proxy, &self.detach_keys)
    }
}

impl Attached {
    /// Before the container is started.
    ///
    /// # Errors
    /// If the keys are none, or a terminal's input is no terminal.
    pub fn new(tty: bool, input: bool, pass_signals: bool, keys: &str) -> Result<Attached> {
        if tty && input {
            streams::refuse_no_terminal(&std::io::stdin())?;
        }
        Ok(Attached { tty, input, pass_signals, keys: self::keys(keys)? })
    }
}

/// Attaches, until the container has ended or the keys say so; returns the exit code.
pub fn attach(options: &Options, global: &Global) -> Result<u8> {
    let root = Store::outside(global)?.root;
    let record = records::find(&root, &options.container)?;
    match live::look(&root, &record)?.0 {
        Status::Running => {}
        Status::Restarting => {
            let failure = Failure::new(
                "You cannot attach to a restarting container, wait until it is running",
            );
            return Err(failure.remedy("`logs` shows why it ends").code(1).into());
        }
        Status::Created | Status::Exited => {
            let failure = Failure::new("You cannot attach to a stopped container, start it first");
            return Err(failure.remedy(format!("`start -a {}`", options.container)).code(1).into());
        }
    }
    let place = Place::of(&root, &record.id);
    let stream = place.connect().map_err(|error| words::in_the_foreground(&record.name, error))?;
    let input = !options.no_stdin && record.settings.open_stdin;
    relay(stream, &options.attaches.resolve(record.settings.tty, input)?)
}

/// The bytes of keys such as `ctrl-p,ctrl-q` or `a`.
fn keys(text: &str) -> Result<Vec<u8>> {
    let wrong = || Failure::new(format!("invalid detach keys ({text})"));
    let key = |key: &str| match (key.strip_prefix("ctrl-").map(str::as_bytes), key.as_bytes()) {
        (Some([key @ (b'a'..=b'z' | b'@'..=b'_')]), _) => Ok(key & 0x1f),
        (None, [key]) => Ok(*key),
        _ => Err(wrong().remedy("write ctrl-LETTER or a letter, with commas between").into()),
    };
    text.split(',').map(key).collect()
}

/// Relays between our streams and a container's shim; returns the exit code.
pub fn relay(stream: UnixStream, attached: &Attached) -> Result<u8> {
    let Attached { tty, input, pass_signals, ref keys } = *attached;
    let mut wire = Wire::on(stream)?;
    let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    // Who puts our terminal back, should we be killed: it waits for our end.
    let mut keeper = None;
    if tty && input && stdin.is_terminal() {
        let kept = Keeper::start(duplicate(&stdin)?, &process::open(Pid::this())?)?;
        kept.make_raw()?;
        keeper = Some(kept);
    }
    let mut signals = Signals::collect(&[])?;
    send_size(&mut wire, tty);
    let mut reading = input;
    let (mut typed, mut asked) = (0, 0);
    let mut piece = [0; 16 << 10];
    // What has come. Who reads our output may take its time: signals and keys are passed on meanwhile.
    let mut messages = VecDeque::new();
    loop {
        let output = messages.front().and_then(|(kind, _)| match kind {
            Kind::Output => Some(stdout.as_fd()),
            Kind::Error => Some(stderr.as_fd()),
            _ => None,
        });
        let mut fds = vec![PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        fds.extend(output.map(|output| PollFd::new(output, PollFlags::POLLOUT)));
        let mut events = PollFlags::empty();
        events.set(PollFlags::POLLIN, messages.is_empty());
        events.set(PollFlags::POLLOUT, wire.is_behind());
        if !events.is_empty() {
            fds.push(PollFd::new(wire.as_fd(), events));
        }
        let reads = reading && !wire.is_behind();
        fds.extend(reads.then(|| PollFd::new(stdin.as_fd(), PollFlags::POLLIN)));
        match poll(&mut fds, PollTimeout::NONE) {
            Err(Errno::EINTR) => continue,
            polled => polled?,
        };
        let ready = |fd: Option<&PollFd>| fd.is_some_and(|fd| fd.any().unwrap_or(false));
        let has_room = output.is_some() && ready(fds.get(1));
        let has_input = reads && ready(fds.last());
        drop(fds);
        wire.flush();
        while let Some(received) = signals.receive()? {
            match received.signal {
                Signal::SIGWINCH => send_size(&mut wire, tty),
                signal if pass_signals => {
                    wire.send(Kind::Signal, &[signal as u8]);
                    asked += u32::from(matches!(signal, Signal::SIGINT | Signal::SIGTERM));
                }
                // As without a container: it ends us.
                signal => return Ok(128 + signal as u8),
            }
        }
        if asked >= PATIENCE {
            drop(keeper);
            console::tell(&format!("got {PATIENCE} SIGTERM/SIGINTs, forcefully exiting"));
            return Ok(1);
        }
        if has_input {
            match nix::unistd::read(&stdin, &mut piece) {
                Ok(0) | Err(Errno::EIO) => {
                    wire.send(Kind::Input, &[]);
                    reading = false;
                }
                Ok(count) => {
                    let (bytes, detaches) = until_keys(&piece[..count], keys, &mut typed, tty);
                    wire.send(Kind::Input, &bytes);
                    if detaches {
                        drop(keeper);
                        console::tell("read escape sequence");
                        return Ok(0);
                    }
                }
                Err(Errno::EINTR | Errno::EAGAIN) => {}
                Err(errno) => return Err(errno).context("standard input"),
            }
        }
        if let (Some(output), true, Some((_, bytes))) = (output, has_room, messages.front_mut()) {
            write_some(output, bytes)?;
        }
        if messages.is_empty() {
            messages.extend(wire.receive());
            if messages.is_empty() && wire.is_over {
                return Err(gone());
            }
        }
        while let Some((kind, bytes)) = messages.front() {
            match kind {
                Kind::End => {
                    drop(keeper);
                    let (code, words) = bytes.split_first().unwrap_or((&OURS, &[]));
                    if !words.is_empty() {
                        console::tell(&String::from_utf8_lossy(words));
                    }
                    return Ok(*code);
                }
                Kind::Output | Kind::Error if !bytes.is_empty() => break,
                _ => messages.pop_front(),
            };
        }
    }
}

/// Waits for the end of a container by its shim; returns the exit code.
pub fn wait(stream: UnixStream) -> Result<u8> {
    let mut wire = Wire::on(stream)?;
    while !wire.is_over {
        let mut fds = [PollFd::new(wire.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, PollTimeout::NONE) {
            Err(Errno::EINTR) => continue,
            polled => polled?,
        };
        if let Some((_, bytes)) = wire.receive().into_iter().find(|(kind, _)| *kind == Kind::End) {
            return Ok(bytes.first().copied().unwrap_or(0));
        }
    }
    Err(gone())
}

/// Has a container's shim kill its PID 1.
pub fn kill(stream: UnixStream) -> Result<()> {
    Wire::on(stream)?.send(Kind::Signal, &[Signal::SIGKILL as u8]);
    Ok(())
}

fn gone() -> anyhow::Error {
    let failure = Failure::new("the container's shim has gone without a word");
    failure.remedy("`ps -a` shows how it ended").code(OURS).into()
}

/// Writes as much as there is room for. What a reader who has gone does not want, nobody does.
fn write_some(output: BorrowedFd<'_>, bytes: &mut Vec<u8>) -> Result<()> {
    // So much fits into a pipe that can be written to (PIPE_BUF in pipe(7)): more might wait.
    match nix::unistd::write(output, &bytes[..bytes.len().min(4096)]) {
        Ok(count) => drop(bytes.drain(..count)),
        Err(Errno::EINTR | Errno::EAGAIN) => {}
        Err(Errno::EPIPE) => bytes.clear(),
        Err(errno) => return Err(errno).context("standard output"),
    }
    Ok(())
}

fn send_size(wire: &mut Wire, tty: bool) {
    if let Some((rows, columns)) = terminal::size(std::io::stdout().as_fd()).filter(|_| tty) {
        wire.send(Kind::Size, &[rows.to_be_bytes(), columns.to_be_bytes()].concat());
    }
}

/// What was typed before the keys that detach, and whether they were. `typed` of them came before; what
/// turns out not to be them goes on to the container.
fn until_keys(bytes: &[u8], keys: &[u8], typed: &mut usize, tty: bool) -> (Vec<u8>, bool) {
    if !tty || keys.is_empty() {
        return (bytes.to_vec(), false);
    }
    let mut passed = Vec::new();
    for byte in bytes {
        if *byte == keys[*typed] {
            *typed += 1;
            if *typed == keys.len() {
                return (passed, true);
            }
            continue;
        }
        passed.extend_from_slice(&keys[..*typed]);
        *typed = usize::from(*byte == keys[0]);
        if *typed == 0 {
            passed.push(*byte);
        }
    }
    (passed, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_bytes() {
        assert_eq!(keys("ctrl-p,ctrl-q").unwrap(), [16, 17]);
        assert_eq!(keys("ctrl-@,x").unwrap(), [0, b'x']);
        for wrong in ["", "ctrl-", "ctrl-pp", "ab"] {
            assert!(keys(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn what_only_begins_like_the_keys_is_passed_on() {
        let (mut typed, keys) = (0, [16, 17]);
        assert_eq!(until_keys(&[b'a', 16], &keys, &mut typed, true), (vec![b'a'], false));
        assert_eq!(until_keys(&[16, b'b'], &keys, &mut typed, true), (vec![16, 16, b'b'], false));
        assert_eq!(until_keys(&[16], &keys, &mut typed, true), (vec![], false));
        assert_eq!(until_keys(&[17, b'c'], &keys, &mut typed, true), (vec![], true));
        typed = 0;
        assert_eq!(until_keys(&[16, 17], &keys, &mut typed, false), (vec![16, 17], false));
    }
}
