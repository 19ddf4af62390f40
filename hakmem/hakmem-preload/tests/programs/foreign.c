/* foreign: frees pointers that no allocator handed out. The only effect may be a message. */
#include "check.h"

#include <errno.h>
#include <malloc.h>
#include <sys/mman.h>

static char data[64];

int main(void) {
    char local[64];
    char *mapped = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(mapped != MAP_FAILED);
    fill(local, 64, 1);
    fill(data, 64, 2);
    fill(mapped, 1 << 20, 3);
    errno = 5;
    for (int i = 0; i < 10; i++) {
        free(opaque(local));
        free(opaque(data + 16));
        free(opaque(mapped));
        free(opaque(mapped + (1 << 16)));
    }
    CHECK(errno == 5);
    CHECK(malloc_usable_size(opaque(local)) == 0);
    CHECK(realloc(opaque(data), 100) == NULL && errno == ENOMEM);
    CHECK(is_filled(local, 64, 1) && is_filled(data, 64, 2) && is_filled(mapped, 1 << 20, 3));
    void *block = malloc(64);
    CHECK(block != local && block != data);
    free(block);
    return 0;
}
