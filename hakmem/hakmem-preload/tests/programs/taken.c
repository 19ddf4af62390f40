/* taken WHICH: maps the addresses into which the allocator would grow: those behind its first slab
   (`behind`), or all room below the libraries (`everywhere`). Blocks must then come from elsewhere,
   and any thread that frees one must find it again. */
#include "check.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

enum { BLOCKS = 60000, SIZE = 2000 };
static unsigned char *blocks[BLOCKS];

static int take(uintptr_t start, uintptr_t end) {
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
    void *found = mmap((void *)start, end - start, PROT_NONE, flags, -1, 0);
    CHECK(found == MAP_FAILED ? errno == EEXIST : found == (void *)start);
    return found != MAP_FAILED;
}

static void *free_half(void *unused) {
    (void)unused;
    for (int i = 0; i < BLOCKS; i += 2) free(blocks[i]);
    return NULL;
}

int main(int count, char **arguments) {
    CHECK(count == 2);
    const uintptr_t libraries = (uintptr_t)32 << 40, step = 64 << 20;
    uintptr_t first = (uintptr_t)malloc(100), next = (first + step) & -step;
    int is_everywhere = strcmp(arguments[1], "everywhere") == 0, taken = 0;
    /* Takes address space piece by piece: the piece in which the allocator has memory stays free,
       and the allocator's room ends with it. */
    const uintptr_t most = (uintptr_t)1 << 38;
    for (uintptr_t at = is_everywhere ? (uintptr_t)4 << 30 : next; at < most; at += step)
        taken += take(at, at + step);
    CHECK(taken > 1000 && take(most, libraries));
    int far = 0;
    for (int i = 0; i < BLOCKS; i++) {
        CHECK((blocks[i] = malloc(SIZE)));
        fill(blocks[i], SIZE, (unsigned)i);
        far += (uintptr_t)blocks[i] > libraries;
    }
    printf("%d\n", far);
    pthread_t thread;
    CHECK(!pthread_create(&thread, NULL, free_half, NULL));
    CHECK(!pthread_join(thread, NULL));
    for (int i = 1; i < BLOCKS; i += 2) {
        CHECK(is_filled(blocks[i], SIZE, (unsigned)i));
        free(blocks[i]);
    }
    /* Foreign pointers are recognised as usual. */
    static char data[64];
    free(opaque(data + 16));
    return 0;
}
