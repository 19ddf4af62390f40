/* late_free THREADS: in every round of thread-exit destructors that POSIX guarantees, frees a block
   and allocates another. The last round only frees, because nothing may be left behind. */
#include "check.h"

#include <limits.h>
#include <pthread.h>

struct Load {
    int rounds;
    void *block;
};

static pthread_key_t key;

static void destroy(void *argument) {
    struct Load *load = argument;
    CHECK(is_filled(load->block, 200, (unsigned)load->rounds));
    free(load->block);
    load->rounds++;
    if (load->rounds == PTHREAD_DESTRUCTOR_ITERATIONS) {
        /* The last promised round: nothing may stay behind. */
        free(load);
        return;
    }
    load->block = malloc(200);
    fill(load->block, 200, (unsigned)load->rounds);
    void *large = malloc(500000);
    fill(large, 10, 1);
    free(large);
    CHECK(pthread_setspecific(key, load) == 0);
}

static void *work(void *argument) {
    struct Load *load = malloc(sizeof *load);
    load->rounds = 0;
    load->block = malloc(200);
    fill(load->block, 200, 0);
    CHECK(pthread_setspecific(key, load) == 0);
    return argument;
}

int main(int count, char **arguments) {
    CHECK(count == 2);
    CHECK(pthread_key_create(&key, destroy) == 0);
    for (int i = 0; i < atoi(arguments[1]); i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, work, NULL) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
    }
    return 0;
}
