/* A plugin that allocates when it is loaded, and on behalf of its program. */
#include <dlfcn.h>
#include <stdlib.h>

char *plugin_kept;

__attribute__((constructor)) static void load(void) { plugin_kept = calloc(1, 1000); }

void *plugin_allocate(size_t size) { return malloc(size); }

void *plugin_resize(void *block, size_t size) { return realloc(block, size); }

void plugin_release(void *block) { free(block); }

/* Loads a library that only this library's own path leads to. */
void *plugin_load(const char *name, int flags) { return dlopen(name, flags); }
