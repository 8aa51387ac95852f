//! What has gone over a container's network interfaces, as they are in its own network namespace
//! (/proc/PID/net/dev in proc_pid_net(5)).

use kernel::Pid;
use kernel::namespace::Namespace;
use std::fs;

/// Bytes received and sent; none if the process is gone. Where the interfaces are the host's, as in
/// Docker, nothing is the container's own.
pub(crate) fn of(pid: Pid) -> Option<(u64, u64)> {
    let network = Namespace::Network;
    if network.inode(pid) == network.inode(Pid::this()) {
        return Some((0, 0));
    }
    Some(sum(&fs::read_to_string(format!("/proc/{pid}/net/dev")).ok()?))
}

/// Of all interfaces but the loopback one.
fn sum(text: &str) -> (u64, u64) {
    // Two lines of titles have no colon; then `eth0: 806 8 0 0 0 0 0 0 126 3 …`.
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let others = lines.filter(|(name, _)| name.trim() != "lo");
    others.fold((0, 0), |(received, sent), (_, numbers)| {
        let numbers: Vec<u64> =
            numbers.split_whitespace().map(|number| number.parse().unwrap_or(0)).collect();
        let number = |index: usize| numbers.get(index).copied().unwrap_or(0);
        (received + number(0), sent + number(8))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_are_added_up_but_the_loopback_one() {
        let text = "Inter-|   Receive                |  Transmit\n \
            face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs\n    \
            lo: 500 5 0 0 0 0 0 0 500 5 0 0 0 0 0 0\n  \
            eth0: 806 8 0 0 0 0 0 0 126 3 0 0 0 0 0 0\n  eth1:1000 1 0 0 0 0 0 0 9 1 0 0 0 0 0 0\n";
        assert_eq!(sum(text), (1806, 135));
    }
}
