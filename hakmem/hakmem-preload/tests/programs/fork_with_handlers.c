/* fork_with_handlers FORKS: forks under the handlers of fork_handlers.c, with threads that
   allocate. The children verify the blocks that they inherited, allocate, fork again, and end. */
#include "check.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

enum { BLOCKS = 200 };

static atomic_int done;

static void *work(void *argument) {
    void *blocks[64] = {0};
    for (unsigned turn = 1; !done; turn++) {
        unsigned at = turn * 7 % 64;
        free(blocks[at]);
        blocks[at] = malloc(turn * 331 % 9000);
        if (turn % 500 == 0) usleep(50);
    }
    for (int i = 0; i < 64; i++) free(blocks[i]);
    return argument;
}

static size_t size_of(int at) { return 20 + (size_t)at * 300; }

static void check_and_renew(void **blocks) {
    for (int i = 0; i < BLOCKS; i++) {
        CHECK(is_filled(blocks[i], size_of(i), (unsigned)i));
        free(blocks[i]);
        blocks[i] = malloc(size_of(i));
        fill(blocks[i], size_of(i), (unsigned)i);
    }
}

static void wait_for(pid_t pid) {
    int status;
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
}

int main(int count, char **arguments) {
    CHECK(count == 2);
    void *blocks[BLOCKS];
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(size_of(i));
        fill(blocks[i], size_of(i), (unsigned)i);
    }
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) CHECK(pthread_create(&threads[i], NULL, work, NULL) == 0);
    for (int turn = 0; turn < atoi(arguments[1]); turn++) {
        pid_t pid = fork();
        if (pid == 0) {
            if (turn % 2) check_and_renew(blocks);
            pid_t inner = fork();
            if (inner == 0) {
                check_and_renew(blocks);
                _exit(0);
            }
            wait_for(inner);
            check_and_renew(blocks);
            _exit(0);
        }
        wait_for(pid);
        check_and_renew(blocks);
    }
    done = 1;
    for (int i = 0; i < 2; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    return 0;
}
