//! Who this process is: ids, groups, session (credentials(7)).

use super::{Errno, Result, call, number};

/// The calls of this file that take nothing and cannot fail.
fn own(number: usize) -> i32 {
    // SAFETY: the call takes no argument.
    let result = unsafe { call(number, []) };
    result.map_or(-1, |id| id as i32)
}

pub(crate) fn process_id() -> i32 {
    own(number::GETPID)
}

/// 0 where the parent is in a namespace that is not ours to see.
pub(crate) fn parent_id() -> i32 {
    own(number::GETPPID)
}

pub(crate) fn user_id() -> u32 {
    own(number::GETUID) as u32
}

pub(crate) fn group_id() -> u32 {
    own(number::GETGID) as u32
}

pub(crate) fn effective_user_id() -> u32 {
    own(number::GETEUID) as u32
}

/// getsid(2); 0 where the session's leader is in a namespace that is not ours to see.
pub(crate) fn session_id() -> i32 {
    // SAFETY: the argument is a number; 0 means this process.
    let result = unsafe { call(number::GETSID, [0]) };
    result.map_or(-1, |id| id as i32)
}

/// getgroups(2); EINVAL where there are more than the buffer takes.
pub(crate) fn groups(buffer: &mut [u32]) -> Result<&[u32]> {
    // SAFETY: the kernel writes at most as many groups as the buffer has places.
    let count = unsafe { call(number::GETGROUPS, [buffer.len(), buffer.as_mut_ptr() as usize]) }?;
    Ok(&buffer[..count])
}

/// 1 if execve can no longer give privileges (PR_GET_NO_NEW_PRIVS(2const)).
pub(crate) fn no_new_privileges() -> usize {
    const PR_GET_NO_NEW_PRIVS: usize = 39;
    // SAFETY: the arguments are numbers.
    unsafe { call(number::PRCTL, [PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0]) }.unwrap_or(0)
}

/// The size of what uname(2) writes: six names.
pub(crate) const SYSTEM_NAMES: usize = 6 * NAME;
const NAME: usize = 65;

/// The host name, the second of the names.
pub(crate) fn host_name(names: &mut [u8; SYSTEM_NAMES]) -> Result<&[u8]> {
    // SAFETY: the buffer has the size of a `utsname`.
    unsafe { call(number::UNAME, [names.as_mut_ptr() as usize]) }?;
    let name = &names[NAME..2 * NAME];
    name.split(|byte| *byte == 0).next().ok_or(Errno::ESRCH)
}
