//! Message queues: System V (msgget(2)) and POSIX (mq_open(2)).

use core::ffi::CStr;

use super::{Descriptor, Result, call, number};

const OWNER_ONLY: usize = 0o600;

/// Makes a System V queue, EEXIST if the key has one. Returns the queue's id.
pub(crate) fn create_queue(key: i32) -> Result<usize> {
    const IPC_CREAT_EXCL: usize = 0o1000 | 0o2000;
    // SAFETY: the arguments are numbers.
    unsafe { call(number::MSGGET, [key as usize, IPC_CREAT_EXCL | OWNER_ONLY]) }
}

/// The id of the queue of that key, ENOENT if there is none.
pub(crate) fn find_queue(key: i32) -> Result<usize> {
    // SAFETY: the arguments are numbers.
    unsafe { call(number::MSGGET, [key as usize, 0]) }
}

/// Removes a System V queue.
pub(crate) fn remove_queue(id: usize) -> Result<()> {
    const IPC_RMID: usize = 0;
    // SAFETY: to remove, the kernel reads and writes nothing of ours.
    unsafe { call(number::MSGCTL, [id, IPC_RMID, 0]) }.map(drop)
}

/// Makes a POSIX queue, EEXIST if there is one. The kernel's names have no slash in front.
pub(crate) fn create_message_queue(name: &CStr) -> Result<()> {
    const O_CREAT_EXCL: usize = 0o100 | 0o200;
    open_message_queue(name, O_CREAT_EXCL)
}

/// ENOENT if there is no POSIX queue of that name.
pub(crate) fn find_message_queue(name: &CStr) -> Result<()> {
    open_message_queue(name, 0)
}

fn open_message_queue(name: &CStr, flags: usize) -> Result<()> {
    // SAFETY: `name` ends with a zero; no attributes means the default ones.
    let queue = unsafe { call(number::MQ_OPEN, [name.as_ptr() as usize, flags, OWNER_ONLY, 0]) }?;
    drop(Descriptor::new(queue));
    Ok(())
}

/// mq_unlink(2).
pub(crate) fn remove_message_queue(name: &CStr) -> Result<()> {
    // SAFETY: `name` ends with a zero.
    unsafe { call(number::MQ_UNLINK, [name.as_ptr() as usize]) }.map(drop)
}
