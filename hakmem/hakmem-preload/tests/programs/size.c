/* size THREADS: prints the size of its address space, in KiB, while THREADS threads hold a block
   each. */
#include "size.h"

#include <pthread.h>

static pthread_barrier_t begun, seen;

static void *hold(void *unused) {
    (void)unused;
    void *block = malloc(100);
    CHECK(block);
    pthread_barrier_wait(&begun);
    pthread_barrier_wait(&seen);
    free(block);
    return NULL;
}

int main(int count, char **arguments) {
    CHECK(count == 2);
    unsigned threads = (unsigned)strtoul(arguments[1], NULL, 10);
    pthread_t ids[200];
    CHECK(threads <= 200);
    pthread_barrier_init(&begun, NULL, threads + 1);
    pthread_barrier_init(&seen, NULL, threads + 1);
    for (unsigned i = 0; i < threads; i++) CHECK(!pthread_create(&ids[i], NULL, hold, NULL));
    void *block = malloc(1000);
    CHECK(block);
    pthread_barrier_wait(&begun);
    printf("%ld\n", status_kib("VmSize:"));
    pthread_barrier_wait(&seen);
    for (unsigned i = 0; i < threads; i++) CHECK(!pthread_join(ids[i], NULL));
    free(block);
    return 0;
}
