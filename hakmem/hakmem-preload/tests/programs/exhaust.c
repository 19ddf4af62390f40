/* exhaust: takes memory of every size until a request fails, gives all of it back, and continues
   with another size. Prints how many MiB there were. */
#include "check.h"

#include <errno.h>
#include <string.h>

static size_t exhaust(size_t size) {
    void **first = NULL;
    size_t blocks = 0;
    for (;; blocks++) {
        errno = 0;
        void **block = malloc(size);
        if (!block) break;
        *block = first;
        first = block;
    }
    CHECK(errno == ENOMEM);
    while (first) {
        void **next = *first;
        free(first);
        first = next;
    }
    return blocks * size >> 20;
}

int main(void) {
    /* Large spans come first, because slabs keep the address space that they have used. */
    const size_t sizes[] = {1 << 20, 64, 1024, 20000, 100000, 5000, 16, 200000, 64};
    for (int i = 0; i < 9; i++) printf("%zu\n", exhaust(sizes[i]));
    void *block = malloc(100);
    CHECK(block);
    free(block);
    return 7;
}
