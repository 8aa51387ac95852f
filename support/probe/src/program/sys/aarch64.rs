//! AArch64: the `svc` instruction and its numbers (linux/include/uapi/asm-generic/unistd.h).

use core::arch::asm;

/// Enters the kernel.
///
/// # Safety
///
/// As for [`super::call`].
pub(super) unsafe fn trap(number: usize, arguments: [usize; 6]) -> isize {
    let result;
    // SAFETY: the caller answers for the arguments; the kernel keeps all registers but x0.
    unsafe {
        asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") arguments[0] => result,
            in("x1") arguments[1],
            in("x2") arguments[2],
            in("x3") arguments[3],
            in("x4") arguments[4],
            in("x5") arguments[5],
            options(nostack),
        );
    }
    result
}

/// The numbers of the calls.
pub(super) mod number {
    pub(crate) const GETCWD: usize = 17;
    pub(crate) const IOCTL: usize = 29;
    pub(crate) const MKDIRAT: usize = 34;
    pub(crate) const UNLINKAT: usize = 35;
    pub(crate) const UMOUNT2: usize = 39;
    pub(crate) const MOUNT: usize = 40;
    pub(crate) const CHDIR: usize = 49;
    pub(crate) const CHROOT: usize = 51;
    pub(crate) const OPENAT: usize = 56;
    pub(crate) const CLOSE: usize = 57;
    pub(crate) const PIPE2: usize = 59;
    pub(crate) const GETDENTS64: usize = 61;
    pub(crate) const READ: usize = 63;
    pub(crate) const WRITE: usize = 64;
    pub(crate) const READLINKAT: usize = 78;
    pub(crate) const EXIT_GROUP: usize = 94;
    pub(crate) const NANOSLEEP: usize = 101;
    pub(crate) const CLOCK_GETTIME: usize = 113;
    pub(crate) const PTRACE: usize = 117;
    pub(crate) const KILL: usize = 129;
    pub(crate) const RT_SIGPROCMASK: usize = 135;
    pub(crate) const RT_SIGTIMEDWAIT: usize = 137;
    pub(crate) const REBOOT: usize = 142;
    pub(crate) const SETPGID: usize = 154;
    pub(crate) const GETSID: usize = 156;
    pub(crate) const SETSID: usize = 157;
    pub(crate) const GETGROUPS: usize = 158;
    pub(crate) const UNAME: usize = 160;
    pub(crate) const SETHOSTNAME: usize = 161;
    pub(crate) const PRCTL: usize = 167;
    pub(crate) const GETPID: usize = 172;
    pub(crate) const GETPPID: usize = 173;
    pub(crate) const GETUID: usize = 174;
    pub(crate) const GETEUID: usize = 175;
    pub(crate) const GETGID: usize = 176;
    pub(crate) const MQ_OPEN: usize = 180;
    pub(crate) const MQ_UNLINK: usize = 181;
    pub(crate) const MSGGET: usize = 186;
    pub(crate) const MSGCTL: usize = 187;
    pub(crate) const SOCKET: usize = 198;
    pub(crate) const CLONE: usize = 220;
    pub(crate) const MMAP: usize = 222;
    pub(crate) const WAIT4: usize = 260;
}
