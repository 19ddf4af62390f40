/* reports: checks the reporting functions in a program that knows the numbers itself. Writes
   malloc_info's document to standard output. */
#include "check.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <string.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

void *malloc_get_state(void) __attribute__((weak));
int malloc_set_state(void *state) __attribute__((weak));

enum { BLOCKS = 1000 };

static void *blocks[BLOCKS];

/* A leak of any size shows, and freed memory does not. */
static void live_bytes_are_exact(void) {
    for (size_t size = 1; size < 200000; size += size / 2 + 1) {
        free(malloc(size));
        size_t before = mallinfo2().uordblks;
        for (int i = 0; i < BLOCKS; i++) CHECK((blocks[i] = malloc(size)) != NULL);
        struct mallinfo2 info = mallinfo2();
        size_t live = info.uordblks - before;
        /* The ancestor's sizes are powers of two, less a header. */
        CHECK(live >= BLOCKS * size && live <= BLOCKS * (2 * size + 16));
        CHECK(info.arena == info.uordblks + info.fordblks);
        CHECK(mallinfo().uordblks == (int)info.uordblks);
        for (int i = 0; i < BLOCKS; i++) free(blocks[i]);
        CHECK(mallinfo2().uordblks == before);
    }
}

static void spans_are_counted_apart(void) {
    size_t before = mallinfo2().hblkhd;
    void *span = malloc((size_t)3 << 30);
    CHECK(span != NULL);
    CHECK(mallinfo2().hblkhd - before == (size_t)3 << 30);
    CHECK(mallinfo().hblkhd == INT_MAX); /* as near as an int comes to it */
    free(span);
    CHECK(mallinfo2().hblkhd == before);
}

static void trimming_tells_whether_it_gave_anything_back(void) {
    for (int i = 0; i < BLOCKS; i++) memset(blocks[i] = malloc(10000), 1, 10000);
    for (int i = 0; i < BLOCKS; i++) free(blocks[i]);
    CHECK(malloc_trim(0) == 1);
    CHECK(malloc_trim(0) == 0);
}

int main(void) {
    live_bytes_are_exact();
    spans_are_counted_apart();
    trimming_tells_whether_it_gave_anything_back();
    errno = 7;
    CHECK(mallopt(M_TRIM_THRESHOLD, 1 << 20) == 1 && mallopt(M_PERTURB, 90) == 1);
    CHECK(mallopt(M_MXFAST, 1000) == 0);
    CHECK(malloc_info(1, stdout) == EINVAL);
    CHECK(errno == 7);
    if (malloc_get_state) CHECK(malloc_get_state() == NULL && errno == ENOSYS);
    if (malloc_set_state) CHECK(malloc_set_state(blocks) < 0);
    /* Blocks that wait in the central store have a line of their own. */
    for (int i = 0; i < BLOCKS; i++) blocks[i] = malloc(100);
    for (int i = 0; i < BLOCKS; i++) free(blocks[i]);
    CHECK(malloc_info(0, stdout) == 0);
    return 0;
}
