/* cancelled THREADS: a thread with a pending cancellation makes its first calls, and is not
   cancelled in them: no function of the allocator is a cancellation point. THREADS idle threads
   have heaps by then, so that the first call finds a free slot or has to map more slots. */
#include "check.h"
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>

static atomic_int idlers, passed;

static void *idle(void *unused) {
    free(opaque(malloc(100)));
    atomic_fetch_add(&idlers, 1);
    for (;;) pause();
    return unused;
}

static void use_everything(void) {
    char *blocks[3000];
    for (int i = 0; i < 3000; i++) CHECK(blocks[i] = opaque(malloc(1 + i * 37 % 9000)));
    for (int i = 0; i < 3000; i++) free(blocks[i]);
    char *span = opaque(malloc(1 << 20));
    CHECK(span);
    memset(span, 1, 1 << 20);
    CHECK(span = opaque(realloc(span, 3 << 20)));
    CHECK(span[(1 << 20) - 1] == 1);
    free(span);
    void *aligned = NULL;
    CHECK(posix_memalign(&aligned, 1 << 16, 1 << 20) == 0);
    free(aligned);
    CHECK(opaque(malloc((size_t)1 << 60)) == NULL);
    malloc_trim(0);
}

static void *cancelled(void *barrier) {
    int old;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
    pthread_barrier_wait(barrier);
    pthread_barrier_wait(barrier);
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &old);
    use_everything();
    atomic_fetch_add(&passed, 1);
    pthread_testcancel();
    CHECK(!"a cancellation point");
    return NULL;
}

int main(int count, char **arguments) {
    int threads = count > 1 ? atoi(arguments[1]) : 0;
    pthread_t thread;
    for (int i = 0; i < threads; i++) CHECK(pthread_create(&thread, NULL, idle, NULL) == 0);
    while (atomic_load(&idlers) < threads) usleep(1000);
    for (int round = 1; round <= 4; round++) {
        pthread_barrier_t barrier;
        void *result;
        CHECK(pthread_barrier_init(&barrier, NULL, 2) == 0);
        CHECK(pthread_create(&thread, NULL, cancelled, &barrier) == 0);
        pthread_barrier_wait(&barrier);
        CHECK(pthread_cancel(thread) == 0);
        pthread_barrier_wait(&barrier);
        CHECK(pthread_join(thread, &result) == 0);
        CHECK(result == PTHREAD_CANCELED && atomic_load(&passed) == round);
        CHECK(pthread_barrier_destroy(&barrier) == 0);
    }
    /* No lock was left behind. */
    use_everything();
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        use_everything();
        _exit(7);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 7);
    return 0;
}
