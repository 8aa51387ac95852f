//! As much netlink(7) as the trials need: messages of nested attributes, sent in one piece, and
//! their acknowledgements. Everything is 4-byte aligned and in the machine's order of bytes.

use crate::descriptor::take_new;
use crate::error::Result;
use crate::explain::call;
use nix::errno::Errno;
use std::os::fd::{AsRawFd, OwnedFd};

/// Make what is not there, and tell whether it worked.
pub(super) const CREATE: u16 = (libc::NLM_F_REQUEST | libc::NLM_F_ACK | libc::NLM_F_CREATE) as u16;
/// Tell all that there is.
pub(super) const DUMP: u16 = (libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16;

const HEADER: usize = 16;

/// A message that is being written.
pub(super) struct Message(Vec<u8>);

impl Message {
    /// A message of this type, with the fixed part that its family begins with.
    pub(super) fn new(kind: u16, flags: u16, fixed: &[u8]) -> Message {
        let mut bytes = vec![0; 4];
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        // Sequence and port: one question at a time needs neither.
        bytes.extend([0; 8]);
        bytes.extend(fixed);
        Message(bytes)
    }

    /// With an attribute.
    pub(super) fn attribute(mut self, kind: u16, value: &[u8]) -> Message {
        self.0.extend((value.len() as u16 + 4).to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    /// With an attribute that is a text, ended as C's are.
    pub(super) fn text(self, kind: u16, text: &str) -> Message {
        self.attribute(kind, &[text.as_bytes(), b"\0"].concat())
    }

    /// With an attribute made of others, after a fixed part of its own.
    pub(super) fn nest(self, kind: u16, fixed: &[u8], inner: Attributes) -> Message {
        self.attribute(kind | libc::NLA_F_NESTED as u16, &[fixed, &inner.0.0].concat())
    }

    fn finish(mut self) -> Vec<u8> {
        let length = self.0.len() as u32;
        self.0[..4].copy_from_slice(&length.to_ne_bytes());
        self.0
    }
}

/// Attributes that are to be nested.
pub(super) struct Attributes(Message);

impl Attributes {
    pub(super) fn new() -> Attributes {
        Attributes(Message(Vec::new()))
    }

    pub(super) fn attribute(self, kind: u16, value: &[u8]) -> Attributes {
        Attributes(self.0.attribute(kind, value))
    }

    pub(super) fn text(self, kind: u16, text: &str) -> Attributes {
        Attributes(self.0.text(kind, text))
    }

    pub(super) fn nest(self, kind: u16, fixed: &[u8], inner: Attributes) -> Attributes {
        Attributes(self.0.nest(kind, fixed, inner))
    }
}

/// A message that came: its type and what follows the header.
pub(super) struct Received {
    pub(super) kind: u16,
    pub(super) body: Vec<u8>,
}

/// The attributes in `bytes`: type, without its flags, and value.
pub(super) fn attributes(mut bytes: &[u8]) -> Vec<(u16, &[u8])> {
    let mut found = Vec::new();
    while let Some((length, kind)) = head(bytes) {
        let Some(value) = bytes.get(4..length) else { break };
        found.push((kind & libc::NLA_TYPE_MASK as u16, value));
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or(&[]);
    }
    found
}

fn head(bytes: &[u8]) -> Option<(usize, u16)> {
    let length = u16::from_ne_bytes(bytes.get(..2)?.try_into().ok()?);
    let kind = u16::from_ne_bytes(bytes.get(2..4)?.try_into().ok()?);
    Some((length as usize, kind))
}

/// A socket to one part of the kernel.
pub(super) struct Socket(OwnedFd);

impl Socket {
    /// Opens one; `protocol` is NETLINK_ROUTE or NETLINK_NETFILTER.
    pub(super) fn open(protocol: i32) -> Result<Socket> {
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
        let socket = call(
            "socket",
            || format!("AF_NETLINK, SOCK_RAW|SOCK_CLOEXEC, {protocol}"),
            // SAFETY: three integers.
            || take_new(unsafe { libc::socket(libc::AF_NETLINK, kind, protocol) }.into()),
        )?;
        Ok(Socket(socket))
    }

    /// Sends messages in one piece, `what` in words, and waits for `answers` acknowledgements.
    pub(super) fn ask(
        &self,
        what: &str,
        messages: Vec<Message>,
        answers: usize,
    ) -> Result<Vec<Received>> {
        let bytes: Vec<u8> = messages.into_iter().flat_map(Message::finish).collect();
        let socket = self.0.as_raw_fd();
        call(
            "send",
            || format!("{socket}, {{{what}}}, {}, 0", bytes.len()),
            || {
                // SAFETY: the kernel reads that many bytes.
                let sent = unsafe { libc::send(socket, bytes.as_ptr().cast(), bytes.len(), 0) };
                Errno::result(sent).map(drop)
            },
        )?;
        let mut received = Vec::new();
        call(
            "recv",
            || format!("{socket}, {{answer to: {what}}}"),
            || self.collect(answers, &mut received),
        )?;
        Ok(received)
    }

    fn collect(&self, mut answers: usize, received: &mut Vec<Received>) -> nix::Result<()> {
        let mut buffer = vec![0u8; 64 * 1024];
        while answers > 0 {
            let (socket, size) = (self.0.as_raw_fd(), buffer.len());
            // SAFETY: the kernel writes at most that many bytes.
            let length = unsafe { libc::recv(socket, buffer.as_mut_ptr().cast(), size, 0) };
            let length = match Errno::result(length) {
                Err(Errno::EINTR) => continue,
                length => length? as usize,
            };
            let mut bytes = &buffer[..length];
            while let Some(header) = bytes.get(..HEADER) {
                let word = |at: usize| u32::from_ne_bytes([0, 1, 2, 3].map(|i| header[at + i]));
                let (length, kind) = (word(0) as usize, word(4) as u16);
                let Some(body) = bytes.get(HEADER..length) else { break };
                match (i32::from(kind), body.first_chunk()) {
                    (libc::NLMSG_ERROR, Some(code)) => match i32::from_ne_bytes(*code) {
                        0 => answers -= 1,
                        code => return Err(Errno::from_raw(-code)),
                    },
                    (libc::NLMSG_DONE, _) => answers -= 1,
                    _ => received.push(Received { kind, body: body.to_vec() }),
                }
                bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or(&[]);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_aligned_and_read_back() {
        let inner = Attributes::new().text(3, "name");
        let message = Message::new(16, CREATE, &[0; 4]).attribute(1, &[7]).nest(2, &[], inner);
        let bytes = message.finish();
        assert_eq!(bytes.len() % 4, 0);
        assert_eq!(bytes[..4], (bytes.len() as u32).to_ne_bytes());
        let found = attributes(&bytes[HEADER + 4..]);
        assert_eq!(found[0], (1, [7].as_slice()));
        assert_eq!(found[1].0, 2);
        assert_eq!(attributes(found[1].1), [(3, b"name\0".as_slice())]);
    }
}
