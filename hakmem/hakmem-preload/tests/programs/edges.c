/* edges: pointers at which, or in front of which, a read would crash the program. */
#include "check.h"

#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>

enum { PAGE = 4096 };

/* Makes a read of the byte in front of a span fault, unless that byte belongs to a mapping. */
static int guard_front(char *span) {
    unsigned char there;
    if (mincore(span - PAGE, PAGE, &there) == 0 || errno != ENOMEM) return 0;
    void *guard = mmap(span - PAGE, PAGE, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    CHECK(guard == span - PAGE);
    return 1;
}

/* Spans with nothing in front of them. */
static void free_guarded_spans(void) {
    int guarded = 0;
    for (size_t size = 300000; size < 40 << 20; size += size / 2) {
        char *span = malloc(size);
        CHECK(span != NULL);
        guarded += guard_front(span);
        CHECK(malloc_usable_size(span) >= size);
        CHECK((span = realloc(span, size + 5000)) != NULL);
        guarded += guard_front(span);
        free(span);
    }
    CHECK(guarded > 0);
}

/* Foreign pointers whose pages, or the pages in front, must not be touched. */
static void free_untouchable(void) {
    char *pages = mmap(NULL, 4 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(pages != MAP_FAILED);
    CHECK(mprotect(pages + 2 * PAGE, PAGE, PROT_READ | PROT_WRITE) == 0);
    /* The end of user memory: any read in front of the third page would fault. */
    free(opaque(pages + 2 * PAGE));
    free(opaque(pages + 16));
    free(opaque(pages + PAGE + 1024));
    free(opaque(pages + 3 * PAGE + 1));
    free(opaque((char *)16));
    free(opaque((char *)(UINTPTR_MAX - 15)));
    CHECK(malloc_usable_size(opaque(pages + 32)) == 0);
}

int main(void) {
    /* The very first block may be the first of the first slab, with nothing mapped in front of
       it. */
    free(malloc(1000));
    for (size_t size = 1; size < 300000; size += 1 + size / 7) {
        char *block = malloc(size);
        CHECK(block != NULL);
        fill(block, size, (unsigned)size);
        CHECK((block = realloc(block, size * 2)) != NULL && is_filled(block, size, (unsigned)size));
        free(block);
    }
    free_guarded_spans();
    free_untouchable();
    return 0;
}
