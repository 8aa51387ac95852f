// What one namespace costs: a child is cloned with the flags that are named and executes the command; the parent waits for
// it. Everything else is equal, so two rows differ by the namespace: made, entered, and left at the end. What the kernel
// takes down later, behind our back (a network namespace), is in neither.
#define _GNU_SOURCE
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct { const char *name; uint64_t flag; } namespaces[] = {
    {"none", 0}, {"uts", CLONE_NEWUTS}, {"pid", CLONE_NEWPID}, {"mount", CLONE_NEWNS}, {"ipc", CLONE_NEWIPC},
    {"net", CLONE_NEWNET},
};

static int fail(const char *what) {
    perror(what);
    return 125;
}

int main(int count, char **words) {
    struct clone_args arguments = {.exit_signal = SIGCHLD};
    int status;
    if (count < 3) {
        fprintf(stderr, "usage, as root: clone NAMESPACE[,NAMESPACE]... COMMAND [ARGUMENT]...\n");
        return 125;
    }
    for (char *name = strtok(words[1], ","); name; name = strtok(NULL, ",")) {
        size_t i = 0, all = sizeof namespaces / sizeof *namespaces;
        while (i < all && strcmp(namespaces[i].name, name) != 0)
            i++;
        if (i == all) {
            fprintf(stderr, "clone: there is no namespace %s\n", name);
            return 125;
        }
        arguments.flags |= namespaces[i].flag;
    }
    long child = syscall(SYS_clone3, &arguments, sizeof arguments);
    if (child < 0)
        return fail("clone3");
    if (child == 0) {
        execv(words[2], words + 2);
        _exit(fail(words[2]));
    }
    if (waitpid(child, &status, 0) != child)
        return fail("waitpid");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
