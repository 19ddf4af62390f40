/* allocate: a few calls of each kind, also from a thread; prints "done" and ends with code 7. */
#include "check.h"

#include <pthread.h>

static void *work(void *argument) {
    for (int i = 0; i < 1000; i++) {
        size_t size = (size_t)i * 321 % 5000;
        void *block = malloc(size);
        CHECK(block);
        fill(block, size, (unsigned)i);
        CHECK(is_filled(block, size, (unsigned)i));
        free(block);
    }
    void *large = malloc(700000);
    CHECK(large);
    fill(large, 700000, 1);
    free(large);
    return argument;
}

int main(void) {
    work(NULL);
    pthread_t threads[20];
    for (int i = 0; i < 20; i++) CHECK(pthread_create(&threads[i], NULL, work, NULL) == 0);
    for (int i = 0; i < 20; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    puts("done");
    return 7;
}
