/* hooks: uses a hook, like a program that was linked when glibc still called one for each
   malloc. */
#include "check.h"

typedef void *(*Hook)(size_t size, const void *caller);

extern Hook volatile old_malloc_hook;
#ifdef __aarch64__
__asm__(".symver old_malloc_hook,__malloc_hook@GLIBC_2.17");
#else
__asm__(".symver old_malloc_hook,__malloc_hook@GLIBC_2.2.5");
#endif

static void *never_called(size_t size, const void *caller) {
    (void)size, (void)caller;
    CHECK(!"called");
    return NULL;
}

int main(void) {
    old_malloc_hook = never_called;
    free(malloc(100));
    return 0;
}
