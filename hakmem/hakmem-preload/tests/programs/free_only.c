/* free_only THREADS: a thread's first and only call is `free`. */
#include "check.h"

#include <pthread.h>

static void *work(void *argument) {
    free(argument);
    return NULL;
}

int main(int count, char **arguments) {
    CHECK(count == 2);
    for (int i = 0; i < atoi(arguments[1]); i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, work, malloc(777)) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
    }
    return 0;
}
