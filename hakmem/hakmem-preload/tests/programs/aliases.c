/* aliases: the C library's other names for malloc and its family, each mixed with each of the usual
   names. */
#include "check.h"

#include <malloc.h>
#include <stdint.h>
#include <string.h>

/* Programs call this if they were linked before cfree went out of use. */
void old_cfree(void *pointer);
#ifdef __aarch64__
__asm__(".symver old_cfree,cfree@GLIBC_2.17");
#else
__asm__(".symver old_cfree,cfree@GLIBC_2.2.5");
#endif

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *pointer, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void *__libc_valloc(size_t size);
void *__libc_pvalloc(size_t size);
void __libc_free(void *pointer);
int __libc_mallopt(int parameter, int value);
/* Some versions of the C library have it. */
int __posix_memalign(void **out, size_t alignment, size_t size) __attribute__((weak));

enum { WAYS = 9 };

static void *allocate(int way, size_t size) {
    void *block = NULL;
    switch (way) {
    case 0: return malloc(size);
    case 1: return __libc_malloc(size);
    case 2: return __libc_calloc(size, 1);
    case 3: return __libc_realloc(NULL, size);
    case 4: return __libc_realloc(malloc(size / 2 + 1), size);
    case 5: return __libc_memalign(64, size);
    case 6: return __libc_valloc(size);
    case 7: return __libc_pvalloc(size);
    }
    if (!__posix_memalign) return malloc(size);
    return __posix_memalign(&block, 64, size) == 0 ? block : NULL;
}

static void release(int way, void *block) {
    switch (way) {
    case 0: free(block); return;
    case 1: __libc_free(block); return;
    case 2: old_cfree(block); return;
    case 3: CHECK(realloc(block, 0) == NULL); return;
    case 4: CHECK(__libc_realloc(block, 0) == NULL); return;
    }
    block = realloc(block, malloc_usable_size(block) + 1);
    CHECK(block != NULL);
    free(block);
}

int main(void) {
    for (size_t size = 1; size < 3000000; size += size / 2 + 1)
        for (int from = 0; from < WAYS; from++)
            for (int to = 0; to < 6; to++) {
                unsigned char *block = allocate(from, size);
                CHECK(block != NULL && malloc_usable_size(block) >= size);
                if (from >= 5) CHECK((uintptr_t)block % (from == 6 || from == 7 ? 4096 : 64) == 0);
                if (from == 2) CHECK(block[0] == 0 && block[size - 1] == 0);
                memset(block, 0xff, size);
                release(to, block);
            }
    old_cfree(NULL);
    __libc_free(NULL);
    CHECK(__libc_mallopt(M_MMAP_MAX, 100) == 1);
    return 0;
}
