/* deep LIBRARY base|space: loads a library so that it finds its functions in its own surroundings
   first, or loads it into a namespace of its own, and shares memory with it. */
#include "check.h"

#include <dlfcn.h>
#include <string.h>

static void *library;

static void *function(const char *name) {
    void *found = dlsym(library, name);
    CHECK(found != NULL);
    return found;
}

static void share(void) {
    void *(*allocate)(size_t) = (void *(*)(size_t))function("plugin_allocate");
    void *(*resize)(void *, size_t) = (void *(*)(void *, size_t))function("plugin_resize");
    void (*release)(void *) = (void (*)(void *))function("plugin_release");
    for (size_t size = 1; size < 3000000; size += size / 2 + 1) {
        char *ours = malloc(size), *theirs = allocate(size);
        CHECK(ours != NULL && theirs != NULL);
        memset(ours, 1, size);
        memset(theirs, 2, size);
        CHECK((ours = resize(ours, size + 100)) != NULL && ours[size - 1] == 1);
        CHECK((theirs = realloc(theirs, size + 100)) != NULL && theirs[size - 1] == 2);
        release(ours);
        free(theirs);
    }
    char **kept = function("plugin_kept");
    free(*kept); /* allocated by the constructor */
    *kept = NULL;
}

/* The loader searches for a library along the path of the library that loads it, with its flags. */
static void keep_the_callers_place(const char *path) {
    void *(*load)(const char *, int) = (void *(*)(const char *, int))function("plugin_load");
    const char *name = strrchr(path, '/') + 1;
    CHECK(dlopen(name, RTLD_NOW) == NULL && dlerror() != NULL);
    void *again = load(name, RTLD_NOW);
    CHECK(again == library);
    CHECK(load("/no/such/library.so", RTLD_NOW | RTLD_DEEPBIND) == NULL);
    CHECK(strstr(dlerror(), "/no/such/library.so") != NULL);
    CHECK(load(path, RTLD_NOW | RTLD_NOLOAD) == library && load(NULL, RTLD_NOW) != NULL);
}

int main(int count, char **arguments) {
    CHECK(count == 3);
    const char *path = arguments[1];
    if (strcmp(arguments[2], "space") == 0) {
        library = dlmopen(LM_ID_NEWLM, path, RTLD_NOW);
        CHECK(library != NULL);
        void *(*allocate)(size_t) = (void *(*)(size_t))function("plugin_allocate");
        void (*release)(void *) = (void (*)(void *))function("plugin_release");
        void *theirs = allocate(100);
        CHECK(theirs != NULL);
        free(theirs); /* another C library's */
        release(theirs);
        CHECK(dlclose(library) == 0);
        return 0;
    }
    library = dlopen(path, RTLD_NOW | RTLD_DEEPBIND);
    if (!library) dprintf(2, "%s\n", dlerror());
    CHECK(library != NULL);
    share();
    keep_the_callers_place(path);
    CHECK(dlmopen(LM_ID_BASE, path, RTLD_LAZY | RTLD_DEEPBIND) == library);
    share();
    return 0;
}
