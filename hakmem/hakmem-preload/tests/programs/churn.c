/* churn THREADS AT_ONCE: runs short threads, each of which allocates, passes half of its blocks to
   the next thread, and frees the blocks that it received. */
#include "check.h"

#include <pthread.h>

enum { BLOCKS = 40 };

static void *handed[64][BLOCKS];

static void *work(void *argument) {
    void **mine = argument;
    for (int i = 0; i < BLOCKS; i++) {
        free(mine[i]);
        size_t size = 16 + (size_t)i * 25;
        mine[i] = malloc(size);
        fill(mine[i], size, (unsigned)i);
        void *own = malloc(size);
        CHECK(own != mine[i]);
        free(own);
    }
    return NULL;
}

int main(int count, char **arguments) {
    CHECK(count == 3);
    int threads = atoi(arguments[1]), at_once = atoi(arguments[2]);
    CHECK(at_once <= 64);
    pthread_t running[64];
    for (int started = 0; started < threads; started += at_once) {
        for (int i = 0; i < at_once; i++)
            CHECK(pthread_create(&running[i], NULL, work, handed[i]) == 0);
        for (int i = 0; i < at_once; i++) CHECK(pthread_join(running[i], NULL) == 0);
    }
    for (int i = 0; i < at_once; i++)
        for (int j = 0; j < BLOCKS; j++) {
            CHECK(is_filled(handed[i][j], 16 + (size_t)j * 25, (unsigned)j));
            free(handed[i][j]);
        }
    return 0;
}
