//! What travels between a shim and whoever attaches to it, over a socket: a byte that says what it is,
//! the length in four more, and so many bytes.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

/// The most of one message. Who sends more is not one of ours.
const MOST: usize = 64 << 10;
const HEAD: usize = 5;

/// What a message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// To the shim: for its standard input; nothing ends it.
    Input,
    /// From the shim: its standard output, or its terminal.
    Output,
    /// From the shim: its standard error.
    Error,
    /// To the shim: rows and columns of the terminal, two bytes each.
    Size,
    /// To the shim: the number of a signal for PID 1, in a byte.
    Signal,
    /// From the shim: it has ended with this exit code, in a byte; then words on that, if there are any.
    End,
}

impl Kind {
    const ALL: [Kind; 6] =
        [Kind::Input, Kind::Output, Kind::Error, Kind::Size, Kind::Signal, Kind::End];
}

/// One end of the connection. Nothing of it ever blocks.
pub struct Wire {
    stream: UnixStream,
    received: Vec<u8>,
    /// Still to be sent.
    pending: Vec<u8>,
    /// The other end is gone, or sends what is no message.
    pub is_over: bool,
}

impl Wire {
    /// On this socket.
    pub fn on(stream: UnixStream) -> io::Result<Wire> {
        stream.set_nonblocking(true)?;
        Ok(Wire { stream, received: Vec::new(), pending: Vec::new(), is_over: false })
    }

    /// Sends a message, now or when there is room.
    pub fn send(&mut self, kind: Kind, bytes: &[u8]) {
        for piece in bytes.chunks(MOST).chain(bytes.is_empty().then_some(&[][..])) {
            self.pending.push(kind as u8);
            self.pending.extend_from_slice(&(piece.len() as u32).to_be_bytes());
            self.pending.extend_from_slice(piece);
        }
        self.flush();
    }

    /// Whether the other end has not yet taken all.
    pub fn is_behind(&self) -> bool {
        !self.pending.is_empty() && !self.is_over
    }

    /// How much it has not.
    pub fn behind_by(&self) -> usize {
        self.pending.len()
    }

    /// Sends what there is room for.
    pub fn flush(&mut self) {
        while self.is_behind() {
            match self.stream.write(&self.pending) {
                Ok(count) => drop(self.pending.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.is_over = true,
            }
        }
    }

    /// The messages that have come.
    pub fn receive(&mut self) -> Vec<(Kind, Vec<u8>)> {
        let mut piece = [0; 16 << 10];
        match self.stream.read(&mut piece) {
            Ok(0) => self.is_over = true,
            Ok(count) => self.received.extend_from_slice(&piece[..count]),
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(_) => self.is_over = true,
        }
        let mut messages = Vec::new();
        while let Some((head, rest)) = self.received.split_at_checked(HEAD) {
            let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
            let kind = Kind::ALL.get(usize::from(head[0])).copied();
            let (Some(kind), true) = (kind, length <= MOST) else {
                self.is_over = true;
                break;
            };
            let Some(bytes) = rest.get(..length) else { break };
            messages.push((kind, bytes.to_vec()));
            self.received.drain(..HEAD + length);
        }
        messages
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_arrive_whole_and_in_order() {
        let (one, other) = UnixStream::pair().unwrap();
        let (mut one, mut other) = (Wire::on(one).unwrap(), Wire::on(other).unwrap());
        let large = vec![7; 3 * MOST + 1];
        one.send(Kind::Output, &large);
        one.send(Kind::Input, b"");
        one.send(Kind::End, &[3]);
        let mut received = Vec::new();
        while received.last() != Some(&(Kind::End, vec![3])) {
            received.extend(other.receive());
            one.flush();
        }
        let output: Vec<u8> =
            received.iter().filter(|m| m.0 == Kind::Output).flat_map(|m| m.1.clone()).collect();
        assert!(output == large && received.contains(&(Kind::Input, Vec::new())));
        assert!(!one.is_behind());
        drop(one);
        assert!(other.receive().is_empty() && other.is_over);
    }

    #[test]
    fn what_is_no_message_ends_it() {
        let (mut one, other) = UnixStream::pair().unwrap();
        let mut other = Wire::on(other).unwrap();
        one.write_all(&[9, 0, 0, 0, 0]).unwrap();
        assert!(other.receive().is_empty() && other.is_over);
    }
}
