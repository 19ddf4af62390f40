/* Every entry point, every size from 0 to 4096: alignment, room, and blocks that do not overlap. */
#include "check.h"

#include <malloc.h>
#include <stdint.h>

static size_t c_alignment(size_t size) { return size <= 8 ? 8 : 16; }

static void *posix(size_t alignment, size_t size) {
    void *out = NULL;
    return posix_memalign(&out, alignment, size) == 0 ? out : NULL;
}

static void check(void *block, size_t alignment, size_t size) {
    CHECK(block != NULL);
    CHECK((uintptr_t)block % alignment == 0);
    CHECK(malloc_usable_size(block) >= size);
}

int main(void) {
    enum { KINDS = 9 };
    static void *blocks[4097][KINDS];
    for (size_t size = 0; size <= 4096; size++) {
        void **block = blocks[size];
        check(block[0] = malloc(size), c_alignment(size), size);
        check(block[1] = calloc(1, size), c_alignment(size), size);
        check(block[2] = realloc(NULL, size), c_alignment(size), size);
        check(block[3] = realloc(malloc(size / 2 + 1), size + 1), c_alignment(size + 1), size + 1);
        size_t alignment = (size_t)8 << size % 12;
        check(block[4] = aligned_alloc(alignment, size), alignment, size);
        check(block[5] = memalign(alignment, size), alignment, size);
        check(block[6] = posix(alignment, size), alignment, size);
        check(block[7] = valloc(size), 4096, size);
        check(block[8] = pvalloc(size), 4096, (size + 4095) / 4096 * 4096);
        /* All that is usable may be used. */
        for (int kind = 0; kind < KINDS; kind++)
            fill(block[kind], malloc_usable_size(block[kind]), (unsigned)(size * KINDS + kind));
    }
    for (size_t size = 0; size <= 4096; size++)
        for (int kind = 0; kind < KINDS; kind++) {
            void *block = blocks[size][kind];
            unsigned seed = (unsigned)(size * KINDS + kind);
            CHECK(is_filled(block, malloc_usable_size(block), seed));
            free(block);
        }
    /* Above every bin: all powers of two up to 64 MiB, and glibc's rounding up in memalign. */
    for (size_t alignment = 8; alignment <= (size_t)64 << 20; alignment *= 2) {
        void *block = aligned_alloc(alignment, 3 * alignment / 2);
        check(block, alignment, 3 * alignment / 2);
        fill(block, 100, 1);
        free(block);
        block = memalign(alignment - 1, 100);
        check(block, alignment, 100);
        free(block);
        block = memalign(alignment + 1, 100);
        check(block, 2 * alignment, 100);
        free(block);
    }
    return 0;
}
