/* crowd THREADS: runs THREADS threads at the same time, each with blocks of its own. Prints how
   many there were. */
#include "check.h"

#include <limits.h>
#include <pthread.h>

static pthread_barrier_t all_here, all_done;
static int expected, arrived, failed;

static void *work(void *argument) {
    unsigned number = (unsigned)(size_t)argument;
    void *tiny = malloc(100), *mid = malloc(3000);
    fill(tiny, 100, number);
    fill(mid, 3000, number);
    __atomic_add_fetch(&arrived, 1, __ATOMIC_SEQ_CST);
    pthread_barrier_wait(&all_here);
    if (!is_filled(tiny, 100, number) || !is_filled(mid, 3000, number)) failed = 1;
    free(tiny);
    free(mid);
    pthread_barrier_wait(&all_done);
    return NULL;
}

int main(int count, char **arguments) {
    CHECK(count == 2);
    expected = atoi(arguments[1]);
    pthread_t *threads = calloc((size_t)expected, sizeof *threads);
    pthread_attr_t small;
    CHECK(pthread_attr_init(&small) == 0);
    CHECK(pthread_attr_setstacksize(&small, 64 * 1024) == 0);
    CHECK(pthread_barrier_init(&all_here, NULL, (unsigned)expected + 1) == 0);
    CHECK(pthread_barrier_init(&all_done, NULL, (unsigned)expected + 1) == 0);
    for (int i = 0; i < expected; i++)
        CHECK(pthread_create(&threads[i], &small, work, (void *)(size_t)i) == 0);
    pthread_barrier_wait(&all_here);
    CHECK(arrived == expected);
    pthread_barrier_wait(&all_done);
    for (int i = 0; i < expected; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(!failed);
    free(threads);
    return 0;
}
