/* loading LIBRARY TIMES: loads, uses and unloads a library TIMES times, also from a thread. */
#include "check.h"

#include <dlfcn.h>
#include <pthread.h>

static __thread char wide[1 << 20];

static void use(const char *path) {
    void *library = dlopen(path, RTLD_NOW);
    if (!library) dprintf(2, "%s\n", dlerror());
    CHECK(library);
    int (*work)(void) = (int (*)(void))dlsym(library, "plugin_work");
    CHECK(work && work() == 0);
    CHECK(dlsym(library, "no_such_symbol") == NULL && dlerror() != NULL);
    CHECK(dlclose(library) == 0);
    wide[sizeof wide - 1]++;
}

static void *work(void *path) {
    use(path);
    return NULL;
}

int main(int count, char **arguments) {
    CHECK(count == 3);
    for (int i = 0; i < atoi(arguments[2]); i++) {
        use(arguments[1]);
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, work, arguments[1]) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
    }
    CHECK(dlopen("/no/such/library.so", RTLD_NOW) == NULL && dlerror() != NULL);
    return 0;
}
