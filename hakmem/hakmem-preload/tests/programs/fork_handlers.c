/* A library whose fork handlers allocate, free and resize, before and after the fork, in parent and
   child; each handler frees a block that the previous one allocated. */
#include "check.h"

#include <pthread.h>
#include <string.h>

enum { BLOCKS = 48 };

static void *kept[BLOCKS];
static size_t size_of_kept(int at) { return 100 + (size_t)at * 6000; }

static void free_kept(void) {
    for (int i = 0; i < BLOCKS; i++) {
        CHECK(!kept[i] || is_filled(kept[i], 100, (unsigned)i));
        free(kept[i]);
        kept[i] = NULL;
    }
}

static void allocate(void) {
    free_kept();
    for (int i = 0; i < BLOCKS; i++) {
        kept[i] = malloc(size_of_kept(i));
        fill(kept[i], 100, (unsigned)i);
    }
    for (int i = 0; i < 300; i++) free(malloc((size_t)i % 40 * 16));
    char *large = calloc(1, 1 << 20);
    CHECK(large && large[12345] == 0);
    large = realloc(large, 4 << 20);
    large[(4 << 20) - 1] = 1;
    free(large);
}

__attribute__((constructor)) static void start(void) {
    CHECK(pthread_atfork(allocate, allocate, allocate) == 0);
}

/* Lets a program be linked with the library. */
void handlers_are_here(void) {}
