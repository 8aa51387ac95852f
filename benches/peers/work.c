// Work of a fixed size that prints how many microseconds it took, by its own clock: how fast a container starts is not in
// it. `append` writes to a file. And `spin`, work without an end, in several processes, until standard input ends.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int fail(const char *what) {
    perror(what);
    return 125;
}

static long number(const char *word) {
    return strtol(word, NULL, 10);
}

// Each first touch of a page is a fault, and the kernel charges the page to the group; small pages, whatever is usual here.
static int touch(const char *mebibytes) {
    size_t bytes = (size_t)number(mebibytes) << 20, page = sysconf(_SC_PAGESIZE);
    char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return fail("mmap");
    // A kernel without huge pages refuses that, and has none.
    madvise(memory, bytes, MADV_NOHUGEPAGE);
    for (size_t at = 0; at < bytes; at += page)
        ((volatile char *)memory)[at] = 1;
    return munmap(memory, bytes) == 0 ? 0 : fail("munmap");
}

// Each child is counted when it begins and when it is gone.
static int forks(const char *children) {
    for (long count = number(children); count > 0; count--) {
        int status;
        pid_t child = fork();
        if (child < 0)
            return fail("fork");
        if (child == 0)
            _exit(0);
        if (waitpid(child, &status, 0) != child)
            return fail("waitpid");
    }
    return 0;
}

// Nothing but instructions: xorshift64, which no compiler foresees.
static int compute(const char *millions) {
    uint64_t bits = 0x9e3779b97f4a7c15;
    for (long turn = number(millions) * 1000000; turn > 0; turn--) {
        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
    }
    return bits == 0;
}

// The first who opens a layer's file for writing waits until all of it has been copied.
static int append(const char *file) {
    int opened = open(file, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (opened < 0 || write(opened, "x", 1) != 1)
        return fail(file);
    return close(opened) == 0 ? 0 : fail(file);
}

static int spin(long count) {
    char byte;
    for (; count > 0; count--) {
        pid_t child = fork();
        if (child < 0)
            return fail("fork");
        if (child == 0)
            for (;;)
                compute("1");
    }
    puts("begun");
    fflush(stdout);
    while (read(0, &byte, 1) > 0)
        ;
    // The first process of a container: with it, the others end.
    return 0;
}

int main(int count, char **words) {
    static const struct { const char *name; int (*work)(const char *); } works[] = {
        {"touch", touch}, {"forks", forks}, {"compute", compute}, {"append", append},
    };
    struct timespec begin, end;
    if (count == 3 && strcmp(words[1], "spin") == 0)
        return spin(number(words[2]));
    for (size_t i = 0; count == 3 && i < sizeof works / sizeof *works; i++) {
        if (strcmp(words[1], works[i].name) != 0)
            continue;
        clock_gettime(CLOCK_MONOTONIC, &begin);
        int failed = works[i].work(words[2]);
        clock_gettime(CLOCK_MONOTONIC, &end);
        if (failed)
            return failed;
        printf("%lld\n", (end.tv_sec - begin.tv_sec) * 1000000LL + (end.tv_nsec - begin.tv_nsec) / 1000);
        return 0;
    }
    fprintf(stderr, "usage: work touch MEBIBYTES | forks COUNT | compute MILLIONS | append FILE | spin PROCESSES\n");
    return 125;
}
