/* Shared by all test programs: a check that names itself and ends the program with code 1. */
#pragma once
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CHECK(condition)                                                                      \
    do {                                                                                      \
        if (!(condition)) {                                                                   \
            dprintf(2, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition);                \
            _exit(1);                                                                         \
        }                                                                                     \
    } while (0)

/* Tells the test that the program has reached this point, and waits until its input ends. */
static inline void show_and_wait(void) {
    const char *path = getenv("MARK");
    int file = path ? open(path, O_CREAT | O_WRONLY, 0600) : -1;
    char byte;
    CHECK(file >= 0 && close(file) == 0);
    CHECK(read(0, &byte, 1) == 0);
}

/* Hides from the compiler where a pointer came from. */
static inline void *opaque(void *pointer) {
    void *volatile copy = pointer;
    return copy;
}

/* Writes a pattern that depends on the address, and checks it later. */
static inline void fill(void *pointer, size_t size, unsigned seed) {
    unsigned char *bytes = pointer ? (unsigned char *)pointer : 0;
    for (size_t i = 0; i < size; i++) bytes[i] = (unsigned char)(seed + i * 31);
}

static inline int is_filled(const void *pointer, size_t size, unsigned seed) {
    const unsigned char *bytes = (const unsigned char *)pointer;
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != (unsigned char)(seed + i * 31)) return 0;
    return 1;
}

/* Resident memory of the process, in KiB. */
static inline long resident_kib(void) {
    char text[128];
    int file = open("/proc/self/statm", O_RDONLY);
    ssize_t length = read(file, text, sizeof text - 1);
    CHECK(length > 0 && close(file) == 0);
    text[length] = 0;
    long pages = 0;
    CHECK(sscanf(text, "%*d %ld", &pages) == 1);
    return pages * 4;
}
