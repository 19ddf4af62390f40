/* A shared library that allocates when it is loaded and frees when it is unloaded. Its static
   thread-local storage is nearly all that libc sets aside for libraries that are loaded late. */
#include <stdlib.h>
#include <string.h>

static void *kept;
static __thread char buffer[1024] __attribute__((tls_model("initial-exec")));
static __thread char *lazy;

__attribute__((constructor)) static void load(void) { kept = malloc(1000); }
__attribute__((destructor)) static void unload(void) { free(kept); }

int plugin_work(void) {
    lazy = realloc(lazy, 300);
    if (!lazy || !kept) return 1;
    memset(lazy, 1, 300);
    buffer[0]++;
    free(lazy);
    lazy = NULL;
    return 0;
}
