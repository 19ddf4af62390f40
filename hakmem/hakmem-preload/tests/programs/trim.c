/* trim: measures how much malloc_trim returns from sparse slabs, from other threads' lists, and
   from threads that have ended. Prints resident KiB before and after each. */
#include "check.h"

#include <malloc.h>
#include <pthread.h>
#include <string.h>

enum { THREADS = 16, SPARSE = 60000, KEPT = 16 };

static pthread_barrier_t step;

/* One block in sixteen stays: none of their slabs is empty, but most of their pages are. */
static void trim_sparse_slabs(void) {
    static char *blocks[SPARSE];
    for (int i = 0; i < SPARSE; i++) memset(blocks[i] = malloc(1000), i, 1000);
    for (int i = 0; i < SPARSE; i++)
        if (i % KEPT != 0) free(blocks[i]);
    printf("%ld ", resident_kib());
    CHECK(malloc_trim(0) == 1);
    printf("%ld\n", resident_kib());
    CHECK(malloc_trim(0) == 0);
    for (int i = 0; i < SPARSE; i += KEPT) {
        CHECK(blocks[i][0] == (char)i && blocks[i][999] == (char)i);
        free(blocks[i]);
    }
}

/* Fills lists of many sizes, up to their greatest length. */
static void fill_lists(void) {
    enum { BLOCKS = 400 };
    char *blocks[BLOCKS];
    for (int round = 0; round < 8; round++)
        for (size_t size = 700; size < 9000; size += size / 5) {
            for (int i = 0; i < BLOCKS; i++) memset(blocks[i] = malloc(size), 1, size);
            for (int i = 0; i < BLOCKS; i++) free(blocks[i]);
        }
}

static void *work(void *unused) {
    fill_lists();
    pthread_barrier_wait(&step); /* the lists are full */
    pthread_barrier_wait(&step); /* malloc_trim was called */
    usleep(100000);
    free(malloc(1 << 20));
    pthread_barrier_wait(&step); /* all have made a call */
    pthread_barrier_wait(&step); /* and may end */
    return unused;
}

int main(void) {
    pthread_t threads[THREADS];
    trim_sparse_slabs();
    malloc_trim(0);
    CHECK(pthread_barrier_init(&step, NULL, THREADS + 1) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, work, NULL) == 0);
    pthread_barrier_wait(&step);
    malloc_trim(0);
    printf("%ld ", resident_kib());
    pthread_barrier_wait(&step);
    pthread_barrier_wait(&step);
    printf("%ld\n", resident_kib());
    pthread_barrier_wait(&step);
    for (int i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    printf("%ld ", resident_kib());
    malloc_trim(0);
    printf("%ld\n", resident_kib());
    return 0;
}
