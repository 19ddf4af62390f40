/* fork_threaded FORKS: forks while three threads allocate and free. Each child frees the blocks
   that it inherited, allocates, starts a thread, and ends. */
#include "check.h"

#include <pthread.h>
#include <string.h>
#include <sys/wait.h>

static volatile int done;
static void *volatile shared[64];

static void *work(void *argument) {
    unsigned seed = (unsigned)(size_t)argument;
    void *blocks[256] = {0};
    for (int turn = 1; !done; turn++) {
        if (turn % 2000 == 0) usleep(50); /* the forking thread wants a processor, too */
        seed = seed * 1103515245 + 12345;
        unsigned at = seed >> 8 & 255;
        free(blocks[at]);
        size_t size = (seed >> 16) % 50 == 0 ? 300000 : (seed >> 12) % 3000;
        blocks[at] = malloc(size);
        if (size) memset(blocks[at], 1, size < 100 ? size : 100);
    }
    for (int i = 0; i < 256; i++) free(blocks[i]);
    return NULL;
}

static void *work_in_child(void *argument) {
    void *block = malloc(5000);
    fill(block, 5000, 4);
    CHECK(is_filled(block, 5000, 4));
    free(block);
    return argument;
}

static void child(void **inherited) {
    for (int i = 0; i < 100; i++) {
        CHECK(is_filled(inherited[i], 100 + (size_t)i * 40, (unsigned)i));
        free(inherited[i]);
    }
    for (int i = 0; i < 2000; i++) {
        size_t size = 1 + (size_t)i * 37 % 9000;
        void *block = malloc(size);
        fill(block, size, (unsigned)i);
        shared[i % 64] = block;
        CHECK(is_filled(block, size, (unsigned)i));
        free(block);
    }
    void *large = malloc(1 << 20);
    fill(large, 1 << 20, 3);
    free(large);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, work_in_child, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    _exit(42);
}

int main(int count, char **arguments) {
    CHECK(count == 2);
    pthread_t threads[3];
    for (size_t i = 0; i < 3; i++)
        CHECK(pthread_create(&threads[i], NULL, work, (void *)(i + 1)) == 0);
    for (int turn = 0; turn < atoi(arguments[1]); turn++) {
        void *inherited[100];
        for (int i = 0; i < 100; i++) {
            inherited[i] = malloc(100 + (size_t)i * 40);
            fill(inherited[i], 100 + (size_t)i * 40, (unsigned)i);
        }
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) child(inherited);
        int status;
        CHECK(waitpid(pid, &status, 0) == pid);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 42);
        for (int i = 0; i < 100; i++) {
            CHECK(is_filled(inherited[i], 100 + (size_t)i * 40, (unsigned)i));
            free(inherited[i]);
        }
    }
    done = 1;
    for (int i = 0; i < 3; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    return 0;
}
