/* truncated LENGTH ["again"|"unseen"]: truncates its own segment to LENGTH bytes while four threads
   allocate. "again": restores its length at once; "unseen": restores it before a thread touches
   it. */
#include "check.h"

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { THREADS = 4, BLOCKS = 3000 };

static volatile int is_cut, is_over, must_rest;
static atomic_int resting;

/* Blocks of all classes; each keeps its contents until it is freed. */
static void *work(void *argument) {
    static const unsigned sizes[] = {8, 24, 60, 100, 200, 500, 1000, 5000, 40000};
    unsigned seed = (unsigned)(size_t)argument, *blocks[BLOCKS] = {0};
    size_t lengths[BLOCKS] = {0}, rounds_after = 0;
    for (size_t round = 0; !is_over || rounds_after < 20000; round++) {
        if (must_rest) {
            resting++;
            while (must_rest) usleep(100);
            /* The promise does not cover a list that gets more blocks than it has room for before
               any slow path. */
            free(opaque(malloc(1 << 20)));
        }
        seed = seed * 1664525 + 1013904223;
        size_t i = (seed >> 8) % BLOCKS;
        if (blocks[i]) {
            CHECK(is_filled(blocks[i], lengths[i], (unsigned)i));
            free(blocks[i]);
        }
        lengths[i] = sizes[(seed >> 4) % 9] - (seed >> 28) % 8;
        if (lengths[i] > 2000 && i % 20) lengths[i] = 64;
        blocks[i] = malloc(lengths[i]);
        CHECK(blocks[i]);
        fill(blocks[i], lengths[i], (unsigned)i);
        /* Runs of one size fill and empty the lists. */
        if (round % 64 == 0) {
            void *run[300];
            for (int j = 0; j < 300; j++) CHECK((run[j] = malloc(48)));
            for (int j = 0; j < 300; j++) free(run[j]);
        }
        rounds_after += is_cut;
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        CHECK(!blocks[i] || is_filled(blocks[i], lengths[i], (unsigned)i));
        free(blocks[i]);
    }
    return NULL;
}

static void cut(off_t length, int again) {
    const char *path = getenv("HAKMEM_DIR");
    DIR *directory = opendir(path);
    CHECK(directory);
    struct dirent *entry;
    int found = 0;
    while ((entry = readdir(directory))) {
        if (!strstr(entry->d_name, ".hakmem")) continue;
        char file[600];
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        struct stat before;
        CHECK(stat(file, &before) == 0 && truncate(file, length) == 0);
        if (again) CHECK(truncate(file, before.st_size) == 0);
        found++;
    }
    CHECK(closedir(directory) == 0 && found == 1);
}

int main(int count, char **arguments) {
    CHECK(count >= 2);
    int unseen = count > 2 && strcmp(arguments[2], "unseen") == 0;
    pthread_t threads[2 * THREADS];
    for (size_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, work, (void *)(i + 1)) == 0);
    usleep(100000);
    must_rest = unseen;
    while (unseen && resting < THREADS) usleep(100);
    cut(atol(arguments[1]), count > 2);
    is_cut = 1;
    must_rest = 0;
    usleep(50000);
    /* Threads that start later, more than a group has slots. */
    for (size_t i = THREADS; i < 2 * THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, work, (void *)(i + 1)) == 0);
    usleep(100000);
    is_over = 1;
    for (size_t i = 0; i < 2 * THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        free(opaque(malloc(100)));
        exit(8);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 8);
    return 7;
}
