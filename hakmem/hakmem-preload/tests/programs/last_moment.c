/* last_moment THREADS: the threads make their first call in the last round of thread-exit
   destructors, or end by a system call of their own: no destructor of the allocator runs. */
#include "check.h"

#include <limits.h>
#include <pthread.h>
#include <sys/syscall.h>

static pthread_key_t key;
static __thread int rounds;

static void destroy(void *argument) {
    if (++rounds < PTHREAD_DESTRUCTOR_ITERATIONS) {
        CHECK(pthread_setspecific(key, argument) == 0);
        return;
    }
    for (int i = 0; i < 10; i++) free(malloc(100));
}

static void *work(void *argument) {
    CHECK(pthread_setspecific(key, argument) == 0);
    return NULL;
}

static void *vanish(void *done) {
    for (int i = 0; i < 10; i++) free(malloc(100));
    __atomic_store_n((int *)done, 1, __ATOMIC_RELEASE);
    syscall(SYS_exit, 0);
    return NULL;
}

int main(int count, char **arguments) {
    CHECK(count == 2);
    CHECK(pthread_key_create(&key, destroy) == 0);
    for (int i = 0; i < atoi(arguments[1]); i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, work, &key) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
        int done = 0;
        CHECK(pthread_create(&thread, NULL, vanish, &done) == 0);
        /* The kernel wakes the thread that joins, also if the other ends by a system call. */
        CHECK(pthread_join(thread, NULL) == 0);
        CHECK(done);
    }
    return 0;
}
