/* closing LIBRARY: loads a library with an allocator of its own and closes it, again and again.
   Then threads that used it end, and a child is forked. */
#include "check.h"

#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/wait.h>

enum { THREADS = 8, LOADS = 100 };

typedef unsigned long (*Work)(unsigned rounds);

static const char *path;
static sem_t worked, closed;

static void *load(Work *work) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) dprintf(2, "%s\n", dlerror());
    CHECK(library != NULL);
    *work = (Work)dlsym(library, "plugin_work");
    CHECK(*work != NULL);
    return library;
}

/* Loads the library, uses it and closes it. */
static void use(void) {
    Work work;
    void *library = load(&work);
    CHECK(work(20) == 20 * 64);
    CHECK(dlclose(library) == 0);
}

/* Ends after all others have closed the library. */
static void *use_and_outlive(void *unused) {
    use();
    sem_post(&worked);
    while (sem_wait(&closed) != 0);
    return unused;
}

static long address_space_kib(void) {
    char line[256];
    long kib = -1;
    FILE *status = fopen("/proc/self/status", "r");
    CHECK(status != NULL);
    while (fgets(line, sizeof line, status)) sscanf(line, "VmSize: %ld", &kib);
    fclose(status);
    return kib;
}

static int free_keys(void) {
    enum { MANY = 2000 };
    static pthread_key_t keys[MANY];
    int count = 0, made;
    while (count < MANY && pthread_key_create(&keys[count], NULL) == 0) count++;
    made = count;
    while (count > 0) CHECK(pthread_key_delete(keys[--count]) == 0);
    return made;
}

static void fork_a_child(void) {
    pid_t child = fork();
    int status;
    if (child == 0) {
        use();
        free(malloc(100));
        exit(3);
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 3);
}

int main(int count, char **arguments) {
    CHECK(count == 2);
    path = arguments[1];
    use();
    long kib = address_space_kib();
    int keys = free_keys();
    for (int i = 1; i < LOADS; i++) use();
    CHECK(address_space_kib() - kib < 16 << 10);
    CHECK(free_keys() == keys);
    fork_a_child();
    pthread_t threads[THREADS];
    CHECK(sem_init(&worked, 0, 0) == 0 && sem_init(&closed, 0, 0) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, use_and_outlive, NULL) == 0);
    for (int i = 0; i < THREADS; i++)
        while (sem_wait(&worked) != 0);
    for (int i = 0; i < THREADS; i++) sem_post(&closed);
    for (int i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    fork_a_child();
    return 0;
}
