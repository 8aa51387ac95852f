// The floor of `minidock-01 run DIR COMMAND…`: the same kernel calls in the same order, by a plain C program that parses
// nothing, plans nothing and explains nothing. What minidock-01 needs beyond this is its own doing. Every call is checked,
// as there: a container that is not whole must not count as a fast one.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

// <sys/mount.h> and <linux/mount.h> cannot be included together in older C libraries; this is all that is missing.
#define PRIVATE (1 << 18) // MS_PRIVATE
#define DETACH 2          // MNT_DETACH
#define OF_PIDFD 3        // P_PIDFD

#define RO MOUNT_ATTR_RDONLY
#define NS MOUNT_ATTR_NOSUID
#define ND MOUNT_ATTR_NODEV
#define NX MOUNT_ATTR_NOEXEC

#define COUNT(list) (sizeof(list) / sizeof *(list))

static const char *const masked[] = {
    "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
    "/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap",
    "/sys/firmware",
};
static const char *const read_only[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
static const struct { const char *name; unsigned major, minor; } devices[] = {
    {"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0},
};
static const char *const links[][2] = {
    {"fd", "/proc/self/fd"}, {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"},
    {"stderr", "/proc/self/fd/2"}, {"ptmx", "pts/ptmx"}, {"core", "/proc/kcore"},
};
static const int forwarded[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};

// Where the child reports that it failed; in the parent there is nobody to tell but the reader.
static int reports_failure = -1;

static long check(long result, const char *call) {
    if (result >= 0)
        return result;
    char words[256];
    int length = snprintf(words, sizeof words, "floor: %s: %s\n", call, strerror(errno));
    ssize_t told = write(reports_failure < 0 ? 2 : reports_failure, words, length);
    _exit(told < 0 ? 126 : 125);
}

static int open_in(int dir, const char *path, uint64_t flags, uint64_t resolve) {
    struct open_how how = {.flags = flags | O_CLOEXEC, .resolve = resolve};
    return syscall(SYS_openat2, dir, path, &how, sizeof how);
}

// Through no link, so that nobody chooses where we mount.
static int mount_point(int dir, const char *name) {
    if (mkdirat(dir, name, 0755) < 0 && errno != EEXIST)
        check(-1, "mkdirat");
    uint64_t resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS;
    return check(open_in(dir, name, O_PATH | O_DIRECTORY, resolve), "openat2");
}

static void set_attributes(int dir, const char *path, int at, uint64_t set, uint64_t propagation) {
    struct mount_attr attributes = {.attr_set = set, .propagation = propagation};
    check(syscall(SYS_mount_setattr, dir, path, at, &attributes, sizeof attributes), "mount_setattr");
}

static void option(int context, const char *key, const char *value) {
    check(syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, key, value, 0), key);
}

static int begin(const char *kind, const char *source) {
    int context = check(syscall(SYS_fsopen, kind, FSOPEN_CLOEXEC), "fsopen");
    option(context, "source", source);
    return context;
}

// Makes the file system of a context that has all its options; it is mounted, but nowhere yet.
static int finish(int context, unsigned attributes) {
    check(syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0), "fsconfig");
    int mount = check(syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, attributes), "fsmount");
    close(context);
    return mount;
}

static int new_tmpfs(const char *source, const char *mode, const char *size, unsigned attributes) {
    int context = begin("tmpfs", source);
    if (mode)
        option(context, "mode", mode);
    option(context, "size", size);
    return finish(context, attributes);
}

static void attach(int mount, int point) {
    unsigned how = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
    check(syscall(SYS_move_mount, mount, "", point, "", how), "move_mount");
}

static void attach_at(int mount, const char *path) {
    check(syscall(SYS_move_mount, mount, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH), path);
}

static void attach_below(int dev, const char *name, int mount) {
    int point = mount_point(dev, name);
    attach(mount, point);
    close(point);
}

static void make_dev(int point, const char *id, int devpts) {
    char source[80];
    snprintf(source, sizeof source, "minidock/%s", id);
    int dev = new_tmpfs(source, "755", "65536k", NS | NX);
    attach(dev, point);
    umask(0);
    for (size_t i = 0; i < COUNT(devices); i++) {
        dev_t number = makedev(devices[i].major, devices[i].minor);
        check(mknodat(dev, devices[i].name, S_IFCHR | 0666, number), devices[i].name);
    }
    for (size_t i = 0; i < COUNT(links); i++)
        check(symlinkat(links[i][1], dev, links[i][0]), links[i][0]);
    attach_below(dev, "pts", devpts);
    int shm = new_tmpfs("shm", "1777", "65536k", NS | ND | NX);
    attach_below(dev, "shm", shm);
    close(shm);
    int mqueue = finish(begin("mqueue", "mqueue"), NS | ND | NX);
    attach_below(dev, "mqueue", mqueue);
    close(mqueue);
    close(dev);
}

static void hide(const char *path) {
    struct stat about;
    if (stat(path, &about) < 0)
        return; // this kernel does not have it
    int cover = S_ISDIR(about.st_mode)
        ? new_tmpfs("tmpfs", NULL, "0", RO | NS | ND | NX)
        : check(syscall(SYS_open_tree, AT_FDCWD, "/dev/null", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC), "/dev/null");
    attach_at(cover, path);
    close(cover);
}

static void lock(const char *path) {
    int tree = syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
    if (tree < 0 && errno == ENOENT)
        return;
    check(tree, path);
    set_attributes(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, RO, 0);
    attach_at(tree, path);
    close(tree);
}

static void loopback_up(void) {
    int control = check(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    check(ioctl(control, SIOCSIFFLAGS, &request), "SIOCSIFFLAGS");
    close(control);
}

static int may_set_groups(void) {
    char word[32];
    int file = open("/proc/self/setgroups", O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return 1;
    ssize_t length = check(read(file, word, sizeof word), "setgroups");
    close(file);
    return length < 4 || memcmp(word, "deny", 4) != 0;
}

static void default_signals(void) {
    for (int number = 1; number <= SIGRTMAX; number++)
        signal(number, SIG_DFL); // SIGKILL and SIGSTOP refuse
    sigset_t none;
    sigemptyset(&none);
    check(sigprocmask(SIG_SETMASK, &none, NULL), "sigprocmask");
}

// What the parent has opened for the child.
struct places { int root, proc, sys, dev, devpts; };

static _Noreturn void become_the_command(char **command, const char *id, int gate, struct places *at) {
    char word, name[80], here[512];
    check(prctl(PR_SET_PDEATHSIG, SIGKILL), "prctl");
    if (read(gate, &word, 1) != 1)
        _exit(125);
    close(gate);

    set_attributes(AT_FDCWD, "/", AT_RECURSIVE, 0, PRIVATE);
    attach_at(at->root, "/");
    check(fchdir(at->root), "fchdir");
    int proc = finish(begin("proc", "proc"), NS | ND | NX);
    attach(proc, at->proc);
    close(proc);
    int sys = finish(begin("sysfs", "sysfs"), RO | NS | ND | NX);
    attach(sys, at->sys);
    close(sys);
    make_dev(at->dev, id, at->devpts);
    close(at->proc), close(at->sys), close(at->dev), close(at->devpts);
    check(syscall(SYS_pivot_root, ".", "."), "pivot_root");
    check(syscall(SYS_umount2, ".", DETACH), "umount2");
    check(chdir("/"), "chdir");

    check(sethostname(id, 12), "sethostname");
    loopback_up();
    check(setsid(), "setsid");
    int null = check(open("/dev/null", O_RDONLY | O_CLOEXEC), "/dev/null");
    check(dup2(null, 0), "dup2");
    close(null);
    check(syscall(SYS_close_range, 3, reports_failure - 1, 0), "close_range");
    check(syscall(SYS_close_range, reports_failure + 1, ~0U, 0), "close_range");

    for (size_t i = 0; i < COUNT(masked); i++)
        hide(masked[i]);
    for (size_t i = 0; i < COUNT(read_only); i++)
        lock(read_only[i]);
    umask(022);
    if (may_set_groups())
        check(setgroups(0, (gid_t[1]){0}), "setgroups");
    check(setresgid(0, 0, 0), "setresgid");
    check(setresuid(0, 0, 0), "setresuid");
    check(chdir("/"), "chdir");
    if (!getcwd(here, sizeof here))
        check(-1, "getcwd");
    check(prctl(PR_SET_PDEATHSIG, SIGKILL), "prctl");
    struct pollfd reader = {.fd = reports_failure};
    if (check(poll(&reader, 1, 0), "poll") != 0)
        _exit(125); // the parent is gone
    default_signals();
    check(write(reports_failure, "!", 1), "write"); // every step is taken
    snprintf(name, sizeof name, "HOSTNAME=%.12s", id);
    char *environment[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", name, "HOME=/", NULL};
    check(execve(command[0], command, environment), "execve");
    _exit(127);
}

static void new_id(char id[65]) {
    unsigned char bytes[32];
    int random = check(open("/dev/urandom", O_RDONLY | O_CLOEXEC), "/dev/urandom");
    check(read(random, bytes, sizeof bytes), "/dev/urandom");
    close(random);
    for (size_t i = 0; i < sizeof bytes; i++)
        sprintf(id + 2 * i, "%02x", bytes[i]);
}

// The standard streams must be no directories of the host's, and its terminal does not go inside.
static void look_at_streams(void) {
    struct stat about;
    struct termios settings;
    for (int number = 0; number < 3; number++) {
        check(fstat(number, &about), "fstat");
        if (S_ISDIR(about.st_mode) || (number > 0 && tcgetattr(number, &settings) == 0)) {
            fprintf(stderr, "floor: relays no terminal and takes no directory: redirect descriptor %d\n", number);
            _exit(125);
        }
    }
}

static void open_places(struct places *at) {
    int tree = check(syscall(SYS_open_tree, at->root, "",
                             OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE), "open_tree");
    set_attributes(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, 0, PRIVATE);
    close(at->root);
    at->root = tree;
    at->proc = mount_point(tree, "proc");
    at->sys = mount_point(tree, "sys");
    at->dev = mount_point(tree, "dev");
    int context = begin("devpts", "devpts");
    option(context, "mode", "0620");
    option(context, "ptmxmode", "0666");
    option(context, "gid", "5");
    at->devpts = finish(context, NS | NX);
}

// Before the child exists, so that none is lost.
static int collect_signals(void) {
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < COUNT(forwarded); i++) {
        struct sigaction now;
        check(sigaction(forwarded[i], NULL, &now), "sigaction");
        if (now.sa_handler != SIG_IGN)
            sigaddset(&set, forwarded[i]);
    }
    check(sigprocmask(SIG_BLOCK, &set, NULL), "sigprocmask");
    return check(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), "signalfd");
}

static int wait_for_the_end(int pidfd, int signals) {
    struct pollfd events[] = {{.fd = pidfd, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
    check(poll(events, 2, -1), "poll");
    struct signalfd_siginfo received;
    if (read(signals, &received, sizeof received) > 0)
        return 125; // the floor is measured, not used: it passes no signal on
    siginfo_t ended;
    check(waitid(OF_PIDFD, pidfd, &ended, WEXITED), "waitid");
    return ended.si_code == CLD_EXITED ? ended.si_status : 128 + ended.si_status;
}

int main(int count, char **words) {
    if (count < 3 || geteuid() != 0) {
        fprintf(stderr, "usage, as root: floor DIR COMMAND [ARGUMENT]...\n");
        return 125;
    }
    char id[65], report[256];
    int gate[2], failures[2], pidfd = -1;
    struct stat threads;
    struct places at = {.root = check(open_in(AT_FDCWD, words[1], O_PATH | O_DIRECTORY, 0), words[1])};
    new_id(id);
    int users = open_in(at.root, "etc/passwd", O_NONBLOCK | O_NOCTTY, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
    if (users >= 0)
        close(users);
    look_at_streams();
    check(prctl(PR_SET_NAME, "minidock"), "prctl");
    int signals = collect_signals();
    open_places(&at);
    check(pipe2(gate, O_CLOEXEC), "pipe2");
    check(pipe2(failures, O_CLOEXEC), "pipe2");
    check(stat("/proc/self/task", &threads), "/proc/self/task");

    struct clone_args arguments = {.pidfd = (uintptr_t)&pidfd, .exit_signal = SIGCHLD};
    arguments.flags = CLONE_PIDFD | CLONE_NEWUTS | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWNET;
    long child = check(syscall(SYS_clone3, &arguments, sizeof arguments), "clone3");
    if (child == 0) {
        close(gate[1]), close(failures[0]);
        reports_failure = failures[1];
        become_the_command(words + 2, id, gate[0], &at);
    }
    close(gate[0]), close(failures[1]);
    check(write(gate[1], "!", 1), "write");
    ssize_t length = check(read(failures[0], report, sizeof report), "read");
    close(failures[0]), close(gate[1]);
    close(at.proc), close(at.sys), close(at.dev), close(at.devpts), close(at.root);
    if (length != 1) {
        check(write(2, report, length), "write");
        check(waitid(OF_PIDFD, pidfd, NULL, WEXITED), "waitid");
        return 125;
    }
    return wait_for_the_end(pidfd, signals);
}
