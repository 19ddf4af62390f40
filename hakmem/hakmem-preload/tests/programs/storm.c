/* storm SECONDS THREADS: threads of all ages exchange blocks of all sizes through shared places,
   check their contents, resize and trim; one of them keeps starting short-lived threads. */
#include "check.h"

#include <malloc.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

enum { PLACES = 4096 };

struct Block {
    size_t size;
    unsigned seed;
    unsigned char contents[];
};

static struct Block *places[PLACES];
static volatile int stop;

static unsigned next(unsigned *seed) {
    *seed = *seed * 1103515245 + 12345;
    return *seed >> 8;
}

static size_t random_size(unsigned *seed) {
    unsigned kind = next(seed) % 1000, value = next(seed);
    if (kind < 900) return value % 1100;
    if (kind < 985) return value % 20000;
    if (kind < 998) return value % 300000;
    return value % 3000000;
}

/* Bytes that are checked: all of a small block, the start of a large one. */
static size_t seen(const struct Block *block) { return block->size < 600 ? block->size : 600; }

static void check_and_free(struct Block *block) {
    if (!block) return;
    CHECK(is_filled(block->contents, seen(block), block->seed));
    free(block);
}

static struct Block *make(unsigned *seed) {
    size_t size = random_size(seed);
    struct Block *block;
    switch (next(seed) % 8) {
    case 0: block = calloc(1, sizeof *block + size); break;
    case 1: block = aligned_alloc((size_t)16 << next(seed) % 10, sizeof *block + size); break;
    case 2: block = realloc(malloc(next(seed) % 500 + 1), sizeof *block + size); break;
    default: block = malloc(sizeof *block + size);
    }
    CHECK(block);
    block->size = size;
    block->seed = next(seed);
    fill(block->contents, seen(block), block->seed);
    return block;
}

static void turn(unsigned *seed) {
    unsigned at = next(seed) % PLACES;
    struct Block *old = __atomic_exchange_n(&places[at], NULL, __ATOMIC_ACQ_REL);
    if (old && next(seed) % 8 == 0) {
        size_t size = random_size(seed), kept = seen(old) < size ? seen(old) : size;
        struct Block *moved = realloc(old, sizeof *moved + size);
        CHECK(moved && is_filled(moved->contents, kept, moved->seed));
        moved->size = size;
        fill(moved->contents, seen(moved), moved->seed);
        old = moved;
    }
    struct Block *new = next(seed) % 16 ? make(seed) : old;
    if (new != old) check_and_free(old);
    check_and_free(__atomic_exchange_n(&places[at], new, __ATOMIC_ACQ_REL));
}

static void *brief(void *argument) {
    unsigned seed = (unsigned)(size_t)argument;
    for (unsigned i = 0; i < seed % 300; i++) turn(&seed);
    return NULL;
}

static void *work(void *argument) {
    unsigned seed = (unsigned)(size_t)argument * 7919;
    for (long i = 1; !stop; i++) {
        turn(&seed);
        if (i % 100000 == 0) malloc_trim(0);
    }
    return NULL;
}

int main(int count, char **arguments) {
    CHECK(count == 3);
    int threads = atoi(arguments[2]);
    CHECK(threads <= 32);
    pthread_t long_lived[32], short_lived[4];
    for (int i = 0; i < threads; i++)
        CHECK(pthread_create(&long_lived[i], NULL, work, (void *)(size_t)(i + 1)) == 0);
    time_t end = time(NULL) + atoi(arguments[1]);
    for (size_t round = 1; time(NULL) < end; round += 4) {
        for (size_t i = 0; i < 4; i++)
            CHECK(pthread_create(&short_lived[i], NULL, brief, (void *)(round * 31 + i)) == 0);
        for (int i = 0; i < 4; i++) CHECK(pthread_join(short_lived[i], NULL) == 0);
    }
    stop = 1;
    for (int i = 0; i < threads; i++) CHECK(pthread_join(long_lived[i], NULL) == 0);
    for (int at = 0; at < PLACES; at++) check_and_free(places[at]);
    return 0;
}
