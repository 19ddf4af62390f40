/* closer: closes all descriptors from 3 on, opens its own, and continues. In between it waits for
   the end of its input, so that the test can look at it. */
#include "check.h"

#include <pthread.h>

static void *work(void *argument) {
    free(malloc(5000));
    return argument;
}

int main(void) {
    free(malloc(10));
    closefrom(3);
    int own = open("/dev/zero", O_RDONLY);
    CHECK(own == 3);
    show_and_wait();
    for (int i = 0; i < 100; i++) {
        pthread_t threads[20];
        for (int j = 0; j < 20; j++) CHECK(pthread_create(&threads[j], NULL, work, NULL) == 0);
        for (int j = 0; j < 20; j++) CHECK(pthread_join(threads[j], NULL) == 0);
    }
    char byte = 1;
    CHECK(read(own, &byte, 1) == 1 && byte == 0);
    CHECK(open("/dev/null", O_RDONLY) == 4);
    return 7;
}
