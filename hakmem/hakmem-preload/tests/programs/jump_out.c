/* jump_out JUMPS THREADS "small"|"all": signals interrupt threads in the allocator, and their
   handler jumps out of it, JUMPS times in all. The block that a thread is exchanging is lost; every
   other block holds the bytes that were written to it, and all threads continue, unless the
   allocator ends the process. With "small" hardly any call leaves the fast paths. */
#include "check.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

enum { BLOCKS = 512, THREADS_MAX = 8 };

static __thread sigjmp_buf start_of_turn;
static __thread volatile sig_atomic_t may_jump;
static atomic_int jumps, done, running;
static atomic_long turns[THREADS_MAX];
static int all_sizes;

static void jump(int signal) {
    (void)signal;
    if (!may_jump) return;
    may_jump = 0;
    jumps++;
    siglongjmp(start_of_turn, 1);
}

struct blocks {
    char *address[BLOCKS];
    size_t size[BLOCKS];
};

static size_t head(size_t size) { return size < 200 ? size : 200; }

/* Exchanges one block, which is lost if the handler jumps out of it. */
static void turn(struct blocks *mine, unsigned value, unsigned key) {
    unsigned at = value >> 8 & (BLOCKS - 1);
    size_t size = 1 + value % 60;
    size_t below = value % 64 == 0 ? 600000 : value % 16 == 0 ? 70000 : 1500;
    if (all_sizes) size = 1 + value % below;
    char *volatile old = mine->address[at];
    CHECK(!old || is_filled(old, head(mine->size[at]), at + key));
    mine->address[at] = NULL;
    may_jump = 1;
    char *new;
    if (all_sizes && value % 3 == 0) {
        new = realloc(old, size);
    } else {
        free(old);
        new = malloc(size);
    }
    may_jump = 0;
    /* Memory may be lost too, so a request may fail. */
    if (!new) return;
    fill(new, head(size), at + key);
    mine->size[at] = size;
    mine->address[at] = new;
}

static void *churn(void *argument) {
    size_t number = (size_t)argument;
    static struct blocks all[THREADS_MAX];
    struct blocks *mine = &all[number];
    static unsigned seeds[THREADS_MAX];
    seeds[number] = (unsigned)number + 1;
    running++;
    sigsetjmp(start_of_turn, 1);
    while (!done) {
        seeds[number] = seeds[number] * 1103515245 + 12345;
        turn(mine, seeds[number] >> 4, (unsigned)number * 31);
        turns[number]++;
    }
    for (unsigned at = 0; at < BLOCKS; at++) {
        CHECK(!mine->address[at] ||
              is_filled(mine->address[at], head(mine->size[at]), at + (unsigned)number * 31));
        free(mine->address[at]);
    }
    return NULL;
}

int main(int count, char **arguments) {
    CHECK(count == 4);
    int wanted = atoi(arguments[1]), threads = atoi(arguments[2]);
    CHECK(threads <= THREADS_MAX);
    all_sizes = strcmp(arguments[3], "all") == 0;
    /* A program that hangs is ended by the signal's default action. */
    alarm(100);
    struct sigaction action = {.sa_handler = jump};
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    pthread_t ids[THREADS_MAX];
    for (size_t i = 0; i < (size_t)threads; i++)
        CHECK(pthread_create(&ids[i], NULL, churn, (void *)i) == 0);
    while (running < threads) usleep(100);
    for (int i = 0; jumps < wanted; i++) {
        pthread_kill(ids[i % threads], SIGUSR1);
        usleep(20);
    }
    /* All threads have made turns after the last jump. */
    for (int i = 0; i < threads; i++) {
        long before = turns[i];
        while (turns[i] < before + 1000) usleep(100);
    }
    done = 1;
    for (int i = 0; i < threads; i++) CHECK(pthread_join(ids[i], NULL) == 0);
    return 0;
}
