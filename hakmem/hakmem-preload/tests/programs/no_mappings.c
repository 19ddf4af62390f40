/* no_mappings: makes mappings of its own until the system refuses more. Requests that need none
   still succeed, no block is lost, and all requests succeed again once the program has unmapped
   some. */
#include "check.h"

#include <malloc.h>
#include <sys/mman.h>
#include <time.h>

enum { SPANS = 64, BYTES = 400000, ALL = 1 << 17 };

static char *spans[SPANS];
static void *made[ALL];

static void *map_one(int number) {
    /* The system does not join neighbours of different protection. */
    int protection = number % 2 ? PROT_READ : PROT_NONE;
    return mmap(NULL, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void rest(void) {
    nanosleep(&(struct timespec){.tv_nsec = 600000000}, NULL);
    free(malloc(BYTES / 2));
}

int main(void) {
    for (int i = 0; i < SPANS; i++) {
        spans[i] = malloc(BYTES);
        CHECK(spans[i]);
        fill(spans[i], BYTES, i);
    }
    int count = 0;
    while (count < ALL && (made[count] = map_one(count)) != MAP_FAILED) count++;
    CHECK(count < ALL); /* vm.max_map_count is larger here than this test knows */
    for (int i = 0; i < SPANS; i += 2) free(spans[i]);
    rest();
    malloc_trim(0);
    /* Freed spans serve again, and grow by copying: no call makes a mapping. */
    for (int i = 0; i < SPANS; i += 4) {
        spans[i] = calloc(1, BYTES);
        CHECK(spans[i] && spans[i][0] == 0 && spans[i][BYTES / 2] == 0 && spans[i][BYTES - 1] == 0);
        fill(spans[i], BYTES, i);
    }
    for (int i = 1; i < SPANS; i += 2) CHECK(is_filled(spans[i], BYTES, i));
    for (int i = 0; i < count; i++) CHECK(munmap(made[i], 4096) == 0);
    for (int i = 2; i < SPANS; i += 4) {
        spans[i] = malloc(3 * BYTES);
        CHECK(spans[i]);
        fill(spans[i], BYTES, i);
    }
    for (int i = 0; i < SPANS; i++) {
        CHECK(is_filled(spans[i], BYTES, i));
        spans[i] = realloc(spans[i], 5 * BYTES);
        CHECK(spans[i] && is_filled(spans[i], BYTES, i));
        free(spans[i]);
    }
    return 0;
}
