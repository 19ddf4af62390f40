/* give_back: holds 256 MiB in blocks of several sizes, frees them, and continues with few blocks.
   Prints resident KiB while it holds them, some time later, and after malloc_trim. */
#include "check.h"

#include <malloc.h>
#include <string.h>

static void hold_and_free(size_t size, size_t bytes) {
    size_t count = bytes / size;
    void **blocks = malloc(count * sizeof *blocks);
    for (size_t i = 0; i < count; i++) memset(blocks[i] = malloc(size), 1, size);
    printf("%ld\n", resident_kib());
    for (size_t i = 0; i < count; i++) free(blocks[i]);
    free(blocks);
}

int main(void) {
    const size_t sizes[] = {64, 1000, 9000, 300000};
    for (int i = 0; i < 4; i++) {
        hold_and_free(sizes[i], 256 << 20);
        /* Some activity, as in any program, during which the allocator gives memory back. */
        for (int turn = 0; turn < 120; turn++) {
            void *some[64];
            for (int j = 0; j < 64; j++) some[j] = malloc(2000);
            for (int j = 0; j < 64; j++) free(some[j]);
            usleep(10000);
        }
        printf("%ld\n", resident_kib());
        malloc_trim(0);
        printf("%ld\n", resident_kib());
    }
    return 0;
}
