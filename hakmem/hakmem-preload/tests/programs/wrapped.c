/* wrapped: uses the functions that libraries wrap to simulate time, users, files and sockets. Each
   wrapper may allocate, at the start, in threads, in a child and at the end. */
#include "check.h"
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

static void use_what_is_wrapped(void) {
    struct timespec now;
    struct stat status;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0 && time(NULL) > 0);
    CHECK(stat("/", &status) == 0 && getuid() == geteuid());
    int file = open("/proc/self/stat", O_RDONLY);
    char bytes[16];
    CHECK(file >= 0 && read(file, bytes, sizeof bytes) == sizeof bytes && close(file) == 0);
    int pair[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    CHECK(close(pair[0]) == 0 && close(pair[1]) == 0);
}

static void allocate(unsigned seed) {
    char *blocks[2000];
    for (unsigned i = 0; i < 2000; i++) {
        size_t size = 1 + (i * 131 + seed) % 20000;
        CHECK(blocks[i] = opaque(malloc(size)));
        memset(blocks[i], (int)i, size);
        if (i % 500 == 0) use_what_is_wrapped();
    }
    for (unsigned i = 0; i < 2000; i++) {
        CHECK(blocks[i][0] == (char)i);
        free(blocks[i]);
    }
    free(opaque(malloc(1 << 20)));
}

static void *work(void *seed) {
    allocate((unsigned)(size_t)seed);
    return NULL;
}

int main(void) {
    pthread_t threads[24];
    use_what_is_wrapped();
    for (size_t i = 0; i < 24; i++)
        CHECK(pthread_create(&threads[i], NULL, work, (void *)i) == 0);
    for (int i = 0; i < 24; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    for (int i = 0; i < 4; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            allocate(7);
            exit(9);
        }
        int status;
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 9);
    }
    puts("done");
    return 0;
}
