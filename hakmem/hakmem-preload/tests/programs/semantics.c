/* What glibc's manual promises of malloc and its family, errors included. */
#include "check.h"

#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <string.h>

#define HUGE ((size_t)PTRDIFF_MAX + 1)

/* C23's, which this C library may not have yet: the preloaded library brings them. */
void free_sized(void *pointer, size_t size) __attribute__((weak));
void free_aligned_sized(void *pointer, size_t alignment, size_t size) __attribute__((weak));

static void fails_with(int expected, void *(*call)(void)) {
    errno = 0;
    CHECK(call() == NULL);
    CHECK(errno == expected);
}

static void *malloc_huge(void) { return malloc(HUGE); }
static void *malloc_max(void) { return malloc(SIZE_MAX); }
static void *calloc_overflow(void) { return calloc(SIZE_MAX / 2, 3); }
static void *calloc_overflow_to_0(void) { return calloc((size_t)1 << 32, (size_t)1 << 32); }
static void *calloc_huge(void) { return calloc(1, HUGE); }
static void *realloc_null_huge(void) { return realloc(NULL, HUGE); }
static void *reallocarray_overflow(void) { return reallocarray(NULL, SIZE_MAX / 2, 3); }
static void *aligned_alloc_huge(void) { return aligned_alloc(64, HUGE); }
static void *aligned_alloc_max(void) { return aligned_alloc(4096, SIZE_MAX - 100); }
static void *aligned_alloc_odd(void) { return aligned_alloc(24, 100); }
static void *aligned_alloc_0(void) { return aligned_alloc(0, 100); }
static void *memalign_huge(void) { return memalign(64, HUGE); }
static void *memalign_max(void) { return memalign(SIZE_MAX, 8); }
static void *valloc_max(void) { return valloc(SIZE_MAX); }
static void *pvalloc_max(void) { return pvalloc(SIZE_MAX); }
static void *pvalloc_huge(void) { return pvalloc(HUGE); }

static void impossible_requests(void) {
    fails_with(ENOMEM, malloc_huge);
    fails_with(ENOMEM, malloc_max);
    fails_with(ENOMEM, calloc_overflow);
    fails_with(ENOMEM, calloc_overflow_to_0);
    fails_with(ENOMEM, calloc_huge);
    fails_with(ENOMEM, realloc_null_huge);
    fails_with(ENOMEM, reallocarray_overflow);
    fails_with(ENOMEM, aligned_alloc_huge);
    fails_with(ENOMEM, aligned_alloc_max);
    fails_with(EINVAL, aligned_alloc_odd);
    fails_with(EINVAL, aligned_alloc_0);
    fails_with(ENOMEM, memalign_huge);
    fails_with(EINVAL, memalign_max);
    fails_with(ENOMEM, valloc_max);
    fails_with(ENOMEM, pvalloc_max);
    fails_with(ENOMEM, pvalloc_huge);
}

static void posix_memalign_refuses(void) {
    void *const untouched = (void *)0x1234;
    const size_t wrong[] = {0, 1, 2, 4, 12, 24, 100, SIZE_MAX};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        void *out = untouched;
        errno = 7;
        CHECK(posix_memalign(&out, wrong[i], 64) == EINVAL);
        CHECK(out == untouched && errno == 7);
    }
    void *out = untouched;
    errno = 7;
    CHECK(posix_memalign(&out, 64, HUGE) == ENOMEM);
    CHECK(out == untouched && errno == 7);
    CHECK(posix_memalign(&out, 64, 0) == 0 && out != untouched && out != NULL);
    free(out);
}

static void errno_survives(void) {
    void *small = malloc(40), *mid = malloc(40000), *large = malloc(4000000);
    errno = 77;
    free(small);
    free(mid);
    free(large);
    free(NULL);
    CHECK(errno == 77);
    void *blocks[5000];
    for (int i = 0; i < 5000; i++) blocks[i] = malloc(1 + i * 7 % 30000);
    CHECK(errno == 77); /* glibc leaves it alone on success, too */
    for (int i = 0; i < 5000; i++) free(blocks[i]);
    CHECK(errno == 77);
}

static void zero_bytes(void) {
    void *blocks[1000];
    for (int i = 0; i < 1000; i++) {
        blocks[i] = i % 2 ? malloc(0) : calloc(0, 8);
        CHECK(blocks[i] != NULL);
        for (int j = 0; j < i; j++) CHECK(blocks[i] != blocks[j]);
    }
    for (int i = 0; i < 1000; i++) free(blocks[i]);
    CHECK(malloc_usable_size(NULL) == 0);
}

static void realloc_keeps_contents(void) {
    const size_t sizes[] = {1,    8,     9,      16,     100,     1024,    1025,   5000,
                            60000, 262144, 262145, 300000, 1 << 20, 5 << 20, 33 << 20};
    const size_t count = sizeof sizes / sizeof *sizes;
    for (size_t from = 0; from < count; from++)
        for (size_t to = 0; to < count; to++) {
            void *block = realloc(NULL, sizes[from]);
            CHECK(block != NULL);
            fill(block, sizes[from], (unsigned)from);
            block = realloc(block, sizes[to]);
            size_t kept = sizes[from] < sizes[to] ? sizes[from] : sizes[to];
            CHECK(block != NULL && is_filled(block, kept, (unsigned)from));
            CHECK(malloc_usable_size(block) >= sizes[to]);
            fill(block, sizes[to], 9);
            free(block);
        }
    void *block = malloc(100);
    fill(block, 100, 3);
    errno = 0;
    CHECK(realloc(block, HUGE) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(reallocarray(block, SIZE_MAX / 4, 8) == NULL && errno == ENOMEM);
    CHECK(is_filled(block, 100, 3));
    CHECK(realloc(block, 0) == NULL);
    void *large = malloc(1 << 20);
    fill(large, 1 << 20, 5);
    errno = 0;
    CHECK(realloc(large, HUGE) == NULL && errno == ENOMEM);
    CHECK(is_filled(large, 1 << 20, 5));
    large = reallocarray(large, 1000, 2000);
    CHECK(large != NULL && is_filled(large, 1 << 20, 5));
    free(large);
}

static void calloc_is_zeroed(void) {
    for (int round = 0; round < 3; round++)
        for (size_t size = 1; size < 600000; size += size / 3 + 1) {
            void *dirty[8];
            for (int i = 0; i < 8; i++) memset(dirty[i] = malloc(size), 0xff, size);
            for (int i = 0; i < 8; i++) free(dirty[i]);
            for (int i = 0; i < 8; i++) {
                unsigned char *clean = calloc(1, size);
                for (size_t at = 0; at < size; at++) CHECK(clean[at] == 0);
                memset(dirty[i] = clean, 0xff, size);
            }
            for (int i = 0; i < 8; i++) free(dirty[i]);
        }
}

static void sized_frees(void) {
    for (size_t size = 0; size < 3000000; size += size / 5 + 1) {
        void *block = malloc(size);
        fill(block, size, 1);
        free_sized(block, size);
        for (size_t alignment = 1; alignment <= 1 << 17; alignment *= 2) {
            block = aligned_alloc(alignment, size);
            CHECK(block != NULL && (uintptr_t)block % alignment == 0);
            fill(block, size, 1);
            free_aligned_sized(block, alignment, size);
        }
        block = realloc(malloc(size / 2 + 1), size + 1);
        free_sized(block, size + 1);
    }
    free_sized(NULL, 10);
    free_aligned_sized(NULL, 64, 10);
}

static void reports(void) {
    void *large = malloc(10 << 20), *small = malloc(10);
    struct mallinfo2 info = mallinfo2();
    CHECK(info.hblkhd >= 10 << 20 && info.arena > 0 && info.uordblks > 0);
    free(large);
    free(small);
    CHECK(mallinfo2().hblkhd < info.hblkhd);
    malloc_trim(0);
}

int main(void) {
    impossible_requests();
    posix_memalign_refuses();
    errno_survives();
    zero_bytes();
    realloc_keeps_contents();
    calloc_is_zeroed();
    sized_frees();
    reports();
    return 0;
}
