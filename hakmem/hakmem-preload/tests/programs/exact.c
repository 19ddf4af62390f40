/* exact TURNS SIZE HOW: makes TURNS allocations of SIZE bytes and TURNS frees, holding 100 blocks
   at a time. HOW: malloc, calloc, aligned (to 64), posix, or realloc (of a null pointer). */
#include "check.h"

#include <string.h>

static void *allocate(const char *how, size_t size) {
    void *out = NULL;
    if (strcmp(how, "malloc") == 0) return malloc(size);
    if (strcmp(how, "calloc") == 0) return calloc(1, size);
    if (strcmp(how, "aligned") == 0) return aligned_alloc(64, size);
    if (strcmp(how, "posix") == 0) return posix_memalign(&out, 8, size) == 0 ? out : NULL;
    if (strcmp(how, "realloc") == 0) return realloc(NULL, size);
    CHECK(!"a known way to allocate");
    return NULL;
}

int main(int count, char **arguments) {
    CHECK(count == 4);
    void *held[100] = {0};
    long turns = atol(arguments[1]);
    size_t size = (size_t)atol(arguments[2]);
    for (long i = 0; i < turns; i++) {
        if (held[i % 100]) free(held[i % 100]);
        held[i % 100] = allocate(arguments[3], size);
        CHECK(held[i % 100]);
    }
    for (int i = 0; i < 100; i++)
        if (held[i]) free(held[i]);
    return 0;
}
