/* pipeline MILLIONS SIZE: one thread allocates and another frees, with a bounded ring between them.
   The memory in use may not grow: prints resident KiB after a fifth of the blocks and at the
   end. */
#include "check.h"

#include <pthread.h>
#include <sched.h>

enum { RING = 1024 };

static void *ring[RING];
static long written, freed, total;
static size_t size;

static void *consume(void *argument) {
    while (freed < total) {
        if (freed == __atomic_load_n(&written, __ATOMIC_ACQUIRE)) {
            sched_yield();
            continue;
        }
        void *block = ring[freed % RING];
        CHECK(*(long *)block == freed);
        free(block);
        __atomic_store_n(&freed, freed + 1, __ATOMIC_RELEASE);
    }
    return argument;
}

int main(int count, char **arguments) {
    CHECK(count == 3);
    total = atol(arguments[1]) * 1000000;
    size = (size_t)atol(arguments[2]);
    pthread_t consumer;
    CHECK(pthread_create(&consumer, NULL, consume, NULL) == 0);
    for (long i = 0; i < total; i++) {
        while (i - __atomic_load_n(&freed, __ATOMIC_ACQUIRE) >= RING) sched_yield();
        void *block = malloc(size);
        CHECK(block);
        *(long *)block = i;
        ring[i % RING] = block;
        __atomic_store_n(&written, i + 1, __ATOMIC_RELEASE);
        if (i == total / 5) printf("%ld\n", resident_kib());
    }
    CHECK(pthread_join(consumer, NULL) == 0);
    printf("%ld\n", resident_kib());
    return 0;
}
