/* fork_in_handler SIGNALS HOW [THREADS]: a signal handler that interrupts the allocator, or fork,
   forks. HOW: "exit": the children end at once; "go_on": they return from the handler and continue
   the interrupted code, for thousands of calls; "nested": fork itself is interrupted most of the
   time. */
#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>

enum { BLOCKS = 512, CALLS_IN_CHILD = 6000 };

static atomic_int forks, done;
static atomic_int is_child;
static int goes_on;
static pthread_t forker;

static void fork_now(int signal) {
    (void)signal;
    if (is_child || !pthread_equal(pthread_self(), forker)) return;
    pid_t pid = fork();
    if (pid < 0) return;
    if (pid == 0) {
        if (!goes_on) _exit(0);
        is_child = 1;
        alarm(60);
        return;
    }
    int status;
    while (waitpid(pid, &status, 0) != pid) {}
    CHECK(status == 0);
    forks++;
}

static char *blocks[BLOCKS];
static size_t sizes[BLOCKS];

static void turn(unsigned *seed) {
    *seed = *seed * 1103515245 + 12345;
    unsigned at = *seed >> 8 & (BLOCKS - 1), value = *seed >> 4;
    size_t below = value % 64 == 0 ? 600000 : value % 16 == 0 ? 70000 : 1500;
    size_t size = 1 + value % below;
    CHECK(!blocks[at] || is_filled(blocks[at], sizes[at] < 200 ? sizes[at] : 200, at));
    if (value % 3 == 0) {
        blocks[at] = realloc(blocks[at], size);
    } else {
        free(blocks[at]);
        blocks[at] = malloc(size);
    }
    CHECK(blocks[at]);
    sizes[at] = size;
    fill(blocks[at], size < 200 ? size : 200, at);
}

/* All blocks hold the bytes that were written to them, so no block was handed out twice. */
static void end_child(void) {
    for (unsigned at = 0; at < BLOCKS; at++) {
        CHECK(!blocks[at] || is_filled(blocks[at], sizes[at] < 200 ? sizes[at] : 200, at));
        free(blocks[at]);
    }
    _exit(0);
}

static void *churn(void *argument) {
    unsigned seed = (unsigned)(size_t)argument;
    void *mine[100] = {0};
    while (!done) {
        seed = seed * 1103515245 + 12345;
        unsigned at = (seed >> 8) % 100;
        free(mine[at]);
        mine[at] = malloc((seed >> 12) % 100 == 0 ? 300000 : (seed >> 12) % 5000);
    }
    for (int i = 0; i < 100; i++) free(mine[i]);
    return NULL;
}

int main(int count, char **arguments) {
    CHECK(count >= 3);
    int wanted = atoi(arguments[1]), nested = strcmp(arguments[2], "nested") == 0;
    goes_on = strcmp(arguments[2], "go_on") == 0;
    forker = pthread_self();
    int others = count > 3 ? atoi(arguments[3]) : 0;
    pthread_t threads[8];
    sigset_t alarms;
    sigemptyset(&alarms);
    sigaddset(&alarms, SIGALRM);
    sigprocmask(SIG_BLOCK, &alarms, NULL);
    for (size_t i = 0; i < (size_t)others; i++)
        CHECK(pthread_create(&threads[i], NULL, churn, (void *)(i + 1)) == 0);
    sigprocmask(SIG_UNBLOCK, &alarms, NULL);
    /* The handler may interrupt itself, in the middle of fork. */
    struct sigaction action = {
        .sa_handler = fork_now,
        .sa_flags = SA_RESTART | SA_NODEFER * nested,
    };
    CHECK(sigaction(SIGPROF, &action, NULL) == 0);
    struct itimerval often = {{0, 300}, {0, 300}}, never = {{0, 0}, {0, 0}};
    CHECK(setitimer(ITIMER_PROF, &often, NULL) == 0);
    unsigned seed = 1;
    int calls = 0;
    while (forks < wanted) {
        turn(&seed);
        if (nested && (seed >> 16) % 64 == 0) {
            pid_t pid = fork();
            if (pid == 0) _exit(0);
            int status;
            if (pid > 0) while (waitpid(pid, &status, 0) != pid) {}
        }
        /* A child inherits no timers, so no signal interrupts it. */
        if (is_child && ++calls == CALLS_IN_CHILD) end_child();
    }
    CHECK(setitimer(ITIMER_PROF, &never, NULL) == 0);
    done = 1;
    for (int i = 0; i < others; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    return 0;
}
