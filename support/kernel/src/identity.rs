//! Who a process is: user, group, supplementary groups (credentials(7)). The order matters: after
//! the user is changed, nothing else may be.

use crate::error::{Error, Result};
use crate::explain::call;
use nix::errno::Errno;
use nix::unistd::{Gid, Uid};

/// Replaces the supplementary groups (setgroups(2)).
pub fn set_groups(groups: &[u32]) -> Result<()> {
    let groups: Vec<Gid> = groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
    call(
        "setgroups",
        || format!("{}, {:?}", groups.len(), groups.iter().map(|g| g.as_raw()).collect::<Vec<_>>()),
        || nix::unistd::setgroups(&groups),
    )
}

/// Whether this user namespace lets its members call setgroups(2): one that was made without
/// privilege does not, as a group can also be used to deny (user_namespaces(7)).
pub fn may_set_groups() -> bool {
    // Without the file there is no such restriction.
    std::fs::read_to_string("/proc/self/setgroups").map_or(true, |word| word.trim() != "deny")
}

/// Changes the real, effective and saved group (setresgid(2)).
pub fn set_group(gid: u32) -> Result<()> {
    refuse_no_change("setresgid", gid)?;
    let id = Gid::from_raw(gid);
    call("setresgid", || format!("{gid}, {gid}, {gid}"), || nix::unistd::setresgid(id, id, id))
}

/// Changes the real, effective and saved user (setresuid(2)). From root to another user this gives
/// up every capability.
pub fn set_user(uid: u32) -> Result<()> {
    refuse_no_change("setresuid", uid)?;
    let id = Uid::from_raw(uid);
    call("setresuid", || format!("{uid}, {uid}, {uid}"), || nix::unistd::setresuid(id, id, id))
}

/// Sets the mask of permissions that new files do not get, whatever the caller's was (umask(2)).
pub fn set_umask(mask: u32) {
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(mask));
}

/// The largest id means "leave it as it is": a caller that asks for it would stay who it was.
fn refuse_no_change(call: &'static str, id: u32) -> Result<()> {
    let refused = Error { call, arguments: format!("{id}, …"), errno: Errno::EINVAL };
    if id == u32::MAX { Err(refused) } else { Ok(()) }
}
