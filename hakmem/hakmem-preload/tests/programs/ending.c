/* ending HOW: three threads allocate and free while the process ends in the way that HOW names. */
#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>

static volatile int stop;

static void *work(void *argument) {
    unsigned seed = (unsigned)(size_t)argument;
    while (!stop) {
        void *blocks[32];
        for (int i = 0; i < 32; i++) {
            seed = seed * 1103515245 + 12345;
            blocks[i] = malloc((seed >> 16) % 2000);
        }
        for (int i = 0; i < 32; i++) free(blocks[i]);
    }
    return NULL;
}

static void *exit_here(void *argument) { exit((int)(size_t)argument); }

static void at_end(void) {
    for (int i = 0; i < 100; i++) free(malloc((size_t)i * 30));
}

int main(int count, char **arguments) {
    CHECK(count == 2);
    const char *how = arguments[1];
    atexit(at_end);
    pthread_t threads[3], last;
    for (size_t i = 0; i < 3; i++)
        CHECK(pthread_create(&threads[i], NULL, work, (void *)(i + 1)) == 0);
    for (int i = 0; i < 10000; i++) free(malloc(16));
    if (strcmp(how, "exit") == 0) exit(11);
    if (strcmp(how, "return") == 0) return 12;
    if (strcmp(how, "_exit") == 0) _exit(13);
    if (strcmp(how, "_Exit") == 0) _Exit(14);
    if (strcmp(how, "quick_exit") == 0) quick_exit(15);
    if (strcmp(how, "thread") == 0) {
        CHECK(pthread_create(&last, NULL, exit_here, (void *)(size_t)16) == 0);
        pause();
    }
    if (strcmp(how, "pthread_exit") == 0) {
        stop = 1;
        pthread_exit(NULL);
    }
    if (strcmp(how, "abort") == 0) abort();
    if (strcmp(how, "crash") == 0) *(volatile int *)opaque(NULL) = 1;
    puts("running");
    fflush(stdout);
    pause();
    return 1;
}
