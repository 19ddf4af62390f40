/* fork_storm HOW FORKS: forks while four threads allocate and free, large spans too. Each child
   verifies the blocks that it inherited and those that it allocates. HOW names the call: fork,
   _Fork, clone, vfork, or "again", a child of _Fork that forks. */
#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { THREADS = 4, BLOCKS = 400, INHERITED = 60, OWN = 1200 };

static atomic_int stop;

static void *churn(void *argument) {
    unsigned seed = (unsigned)(size_t)argument;
    char *blocks[BLOCKS] = {0};
    while (!stop) {
        seed = seed * 1103515245 + 12345;
        unsigned at = (seed >> 8) % BLOCKS, value = seed >> 4;
        free(blocks[at]);
        size_t size = value % 100 == 0 ? 300000 : value % 20 == 0 ? value % 100000 : value % 3000;
        blocks[at] = malloc(size + 1);
        blocks[at][0] = 1;
        if (value % 2000 == 0) usleep(20);
    }
    for (int i = 0; i < BLOCKS; i++) free(blocks[i]);
    return NULL;
}

static size_t inherited_size(int at) { return at == 7 ? 700000 : 10 + (size_t)at * at * 20; }
static size_t own_size(int at) { return at % 200 == 0 ? 400000 : 1 + (size_t)at * 37 % 5000; }
static size_t seen(size_t size) { return size < 300 ? size : 300; }

/* 0 if all is well, otherwise a number that names the error. */
static int live_on(char **inherited) {
    char *own[OWN];
    for (int i = 0; i < OWN; i++) {
        own[i] = malloc(own_size(i));
        if (!own[i]) return 2;
        fill(own[i], seen(own_size(i)), (unsigned)i);
    }
    for (int i = 0; i < INHERITED; i++)
        if (!is_filled(inherited[i], seen(inherited_size(i)), (unsigned)i)) return 3;
    for (int i = 0; i < INHERITED; i++) {
        inherited[i] = realloc(inherited[i], inherited_size(i) + 500);
        if (!is_filled(inherited[i], seen(inherited_size(i)), (unsigned)i)) return 4;
        free(inherited[i]);
    }
    for (int i = 0; i < OWN; i++) {
        if (!is_filled(own[i], seen(own_size(i)), (unsigned)i)) return 5;
        free(own[i]);
    }
    return 0;
}

static pid_t fork_by(const char *how) {
    if (strcmp(how, "clone") == 0) return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (strcmp(how, "_Fork") == 0 || strcmp(how, "again") == 0) return _Fork();
    CHECK(strcmp(how, "fork") == 0);
    return fork();
}

/* A child that runs in this process's memory until it ends. */
__attribute__((noinline)) static pid_t vfork_and_allocate(void) {
    pid_t pid = vfork();
    if (pid != 0) return pid;
    for (int i = 0; i < 500; i++) free(malloc(1 + (size_t)i * 700));
    _exit(0);
}

static void check_status(int status) {
    if (WIFSIGNALED(status)) dprintf(2, "signal %d\n", WTERMSIG(status));
    else if (status) dprintf(2, "code %d\n", WEXITSTATUS(status));
    CHECK(status == 0);
}

static int be_child(const char *how, char **inherited) {
    alarm(60);
    if (strcmp(how, "again") == 0) {
        pid_t pid = fork();
        if (pid == 0) {
            alarm(60);
            _exit(live_on(inherited));
        }
        int status;
        if (waitpid(pid, &status, 0) != pid || status) return 6;
    }
    return live_on(inherited);
}

int main(int count, char **arguments) {
    CHECK(count == 3);
    const char *how = arguments[1];
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, churn, (void *)(i + 1)) == 0);
    for (int turn = 0; turn < atoi(arguments[2]); turn++) {
        char *inherited[INHERITED];
        for (int i = 0; i < INHERITED; i++) {
            inherited[i] = malloc(inherited_size(i));
            fill(inherited[i], seen(inherited_size(i)), (unsigned)i);
        }
        pid_t pid = strcmp(how, "vfork") == 0 ? vfork_and_allocate() : fork_by(how);
        CHECK(pid >= 0);
        if (pid == 0) _exit(be_child(how, inherited));
        int status;
        CHECK(waitpid(pid, &status, 0) == pid);
        check_status(status);
        for (int i = 0; i < INHERITED; i++) {
            CHECK(is_filled(inherited[i], seen(inherited_size(i)), (unsigned)i));
            free(inherited[i]);
        }
    }
    stop = 1;
    for (int i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    return 0;
}
