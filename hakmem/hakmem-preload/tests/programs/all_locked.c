/* all_locked MIB: locks all of its memory and continues to allocate, as an ordinary user under a
   limit of MIB, or as root if MIB is 0. Locked memory is not given back to the system, so the
   allocator must not assume that it reads as zeros. Prints how many KiB are locked at first. */
#include "size.h"

#include <malloc.h>
#include <sys/mman.h>
#include <sys/resource.h>

enum { BLOCKS = 2000, SIZE = 1500, SPAN = 400000 };

static int is_zero(const char *bytes, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (bytes[i]) return 0;
    return 1;
}

int main(int count, char **arguments) {
    CHECK(count == 2);
    rlim_t bytes = strtoul(arguments[1], NULL, 10) << 20;
    struct rlimit limit = {bytes, bytes};
    free(malloc(10));
    /* Root may lock beyond every limit. */
    if (bytes) CHECK(!setrlimit(RLIMIT_MEMLOCK, &limit) && !setresuid(65534, 65534, 65534));
    CHECK(!mlockall(MCL_CURRENT | MCL_FUTURE));
    printf("%ld\n", status_kib("VmLck:"));
    static char *blocks[BLOCKS];
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < BLOCKS; i++) {
            CHECK((blocks[i] = calloc(1, SIZE)) && is_zero(blocks[i], SIZE));
            fill(blocks[i], SIZE, (unsigned)i);
        }
        char *span = calloc(1, SPAN);
        CHECK(span && is_zero(span, SPAN));
        fill(span, SPAN, 7);
        for (int i = 0; i < BLOCKS; i++) {
            CHECK(is_filled(blocks[i], SIZE, (unsigned)i));
            free(blocks[i]);
        }
        CHECK(is_filled(span, SPAN, 7));
        free(span);
        malloc_trim(0);
    }
    /* Until no more memory may be locked: requests fail then, and nothing worse happens. */
    void **last = NULL;
    size_t count_locked = 0;
    for (void **block; bytes && (block = malloc(SIZE)); count_locked++) {
        *block = last;
        last = block;
    }
    CHECK(count_locked * SIZE <= bytes);
    while (last) {
        void *next = *last;
        free(last);
        last = next;
    }
    void *block = malloc(SIZE);
    CHECK(block);
    free(block);
    return 0;
}
