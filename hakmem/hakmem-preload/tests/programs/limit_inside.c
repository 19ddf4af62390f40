/* limit_inside: limits its own address space, takes all memory that there is, gives it back, and
   then has room for all other sizes again. Prints how many KiB were left below the limit, and how
   many it got. */
#include "size.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/resource.h>

enum { BLOCK = 1024 };

static void *allocate(void *unused) {
    (void)unused;
    void *block = malloc(5000);
    CHECK(block);
    fill(block, 5000, 1);
    CHECK(is_filled(block, 5000, 1));
    free(block);
    return NULL;
}

static void use_everything(void) {
    void *span = malloc(1 << 20), *block = malloc(1000);
    CHECK(span && block);
    free(span);
    free(block);
    pthread_t thread;
    CHECK(!pthread_create(&thread, NULL, allocate, NULL));
    CHECK(!pthread_join(thread, NULL));
    void *library = dlopen("libm.so.6", RTLD_NOW);
    CHECK(library);
    CHECK(!dlclose(library));
}

int main(int count, char **arguments) {
    CHECK(count == 2);
    free(malloc(10));
    rlim_t bytes = strtoul(arguments[1], NULL, 10) << 20;
    struct rlimit limit = {bytes, bytes};
    CHECK(!setrlimit(RLIMIT_AS, &limit));
    use_everything();
    printf("%ld\n", (long)(bytes >> 10) - status_kib("VmSize:"));
    void **last = NULL;
    size_t blocks = 0;
    errno = 0;
    for (void **block; (block = malloc(BLOCK)); blocks++) {
        *block = last;
        last = block;
    }
    CHECK(errno == ENOMEM);
    printf("%zu\n", blocks * BLOCK >> 10);
    while (last) {
        void *next = *last;
        free(last);
        last = next;
    }
    malloc_trim(0);
    use_everything();
    return 0;
}
