//! Message queues of both kinds: what one IPC namespace makes, another must not find.
//!
//! System V queues (sysvipc(7)) are found by a key, POSIX queues (mq_overview(7)) by a name.

use core::ffi::CStr;
use core::fmt::Write;

use super::sys::{self, Errno};
use super::text::{Output, number};
use super::{Failure, at};

/// `ipc create|find|remove KEY`: the first two print the queue's id.
pub(crate) fn system_v(
    verb: &CStr,
    operand: &'static CStr,
    out: &mut Output,
) -> Result<(), Failure> {
    let key: i32 = number(operand)?;
    // Key 0 is IPC_PRIVATE: a new queue each time, which nobody can find.
    if key == 0 {
        return Err(Failure::Misuse);
    }
    let find = || sys::find_queue(key).map_err(at("msgget", operand));
    match verb.to_bytes() {
        b"create" => {
            let id = sys::create_queue(key).map_err(at("msgget", operand))?;
            Ok(writeln!(out, "{id}")?)
        }
        b"find" => Ok(writeln!(out, "{}", find()?)?),
        b"remove" => sys::remove_queue(find()?).map_err(at("msgctl", operand)),
        _ => Err(Failure::Misuse),
    }
}

/// `queue create|find|remove NAME`.
pub(crate) fn posix(verb: &CStr, operand: &'static CStr) -> Result<(), Failure> {
    // The C library's names begin with a slash, the kernel's do not: both are taken.
    let bytes = operand.to_bytes_with_nul();
    let bytes = bytes.strip_prefix(b"/").unwrap_or(bytes);
    let name = CStr::from_bytes_with_nul(bytes).map_err(|_| Failure::Misuse)?;
    let result: Result<(), Errno> = match verb.to_bytes() {
        b"create" => return sys::create_message_queue(name).map_err(at("mq_open", operand)),
        b"find" => return sys::find_message_queue(name).map_err(at("mq_open", operand)),
        b"remove" => sys::remove_message_queue(name),
        _ => return Err(Failure::Misuse),
    };
    result.map_err(at("mq_unlink", operand))
}
