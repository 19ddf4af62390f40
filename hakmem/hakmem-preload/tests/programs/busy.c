/* busy HOW: four threads allocate, free and pass blocks to each other all the time. Meanwhile the
   program calls `exit`, or closes its `descriptors` and starts more threads. */
#include "check.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>

enum { THREADS = 4, SHARED = 64, LATER = 40 };

static _Atomic(void *) shared[SHARED];
static atomic_int is_over;
static atomic_int turns;

static void *work(void *argument) {
    unsigned random = (unsigned)(uintptr_t)argument;
    while (!is_over) {
        random = random * 1103515245 + 12345;
        const size_t size = (random >> 8) % 64 == 0 ? 300000 : 1 + (random >> 12) % 3000;
        char *block = opaque(malloc(size));
        CHECK(block != NULL);
        block[0] = block[size - 1] = 1;
        free(atomic_exchange(&shared[(random >> 20) % SHARED], block));
        turns++;
    }
    return NULL;
}

/* Works for a while and ends. */
static void *work_little(void *argument) {
    (void)argument;
    for (size_t size = 1; size < 100000; size *= 2) {
        char *block = opaque(malloc(size));
        CHECK(block != NULL);
        block[size - 1] = 1;
        free(block);
    }
    return NULL;
}

int main(int count, char **arguments) {
    CHECK(count == 2);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, work, (void *)(uintptr_t)(i + 1)) == 0);
    while (turns < 2000) usleep(500);
    if (strcmp(arguments[1], "exit") == 0) exit(3);

    CHECK(strcmp(arguments[1], "descriptors") == 0);
    const struct rlimit none = {3, 3};
    CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
    CHECK(open("/dev/null", O_RDONLY) < 0);
    for (int i = 0; i < LATER; i++) {
        pthread_t later;
        CHECK(pthread_create(&later, NULL, work_little, NULL) == 0);
        CHECK(pthread_join(later, NULL) == 0);
    }
    is_over = 1;
    for (int i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    return 0;
}
