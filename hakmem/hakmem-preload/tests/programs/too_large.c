/* too_large: requests that can never succeed, in all forms, between pairs that the lists serve. */
#include "check.h"

#include <errno.h>
#include <malloc.h>
#include <stdint.h>

static const size_t sizes[] = {
    SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 4096, (size_t)PTRDIFF_MAX + 1, PTRDIFF_MAX,
    PTRDIFF_MAX - 4096, (size_t)1 << 62, (size_t)1 << 57, (size_t)1 << 48, (size_t)1 << 47,
};
enum { SIZES = sizeof sizes / sizeof *sizes, ROUNDS = 2000 };

static void refused(void *pointer) {
    CHECK(!pointer && errno == ENOMEM);
    errno = 0;
}

int main(void) {
    void *small = malloc(100), *large = malloc(1 << 20), *out = &out;
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < SIZES; i++) {
            size_t size = *(const volatile size_t *)&sizes[i];
            free(malloc(200));
            refused(malloc(size));
            refused(calloc(1, size));
            refused(calloc(size / 2 + 1, 2));
            refused(realloc(small, size));
            refused(realloc(large, size));
            refused(memalign(1 << 16, size));
            CHECK(posix_memalign(&out, 64, size) == ENOMEM && out == &out);
        }
    }
    free(small);
    free(large);
    return 0;
}
