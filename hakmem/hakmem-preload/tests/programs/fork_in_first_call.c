/* fork_in_first_call STEP: threads make their first call to the allocator, and a signal handler
   that forks interrupts each after another instruction, STEP apart. Parent and child finish the
   call, and make others. Prints how many instructions a first call has. */
#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <ucontext.h>

enum { TRAP = 0x100, BLOCKS = 100 };

static volatile long count, target;
static volatile int is_child;

/* Runs after every instruction of the code that is being stepped through. */
static void on_step(int signal, siginfo_t *information, void *context) {
    (void)signal;
    (void)information;
    if (++count != target) return;
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] &= ~TRAP;
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        is_child = 1;
        alarm(60);
        return;
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    /* CHECK allocates, which an interrupted call may not survive. */
    if (status) _exit(status > 255 ? status >> 8 : status);
}

static void set_trap(int on) {
    unsigned long flags = __builtin_ia32_readeflags_u64();
    __builtin_ia32_writeeflags_u64(on ? flags | TRAP : flags & ~(unsigned long)TRAP);
}

static size_t size_of(size_t i) { return 1 + i * i * 40; }
static size_t head(size_t size) { return size < 100 ? size : 100; }

static void use(void) {
    static __thread void *blocks[BLOCKS];
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < BLOCKS; i++) {
            CHECK((blocks[i] = malloc(size_of(i))));
            fill(blocks[i], head(size_of(i)), (unsigned)i);
        }
        for (size_t i = 0; i < BLOCKS; i++) {
            CHECK(is_filled(blocks[i], head(size_of(i)), (unsigned)i));
            free(blocks[i]);
        }
    }
}

static void *begin(void *argument) {
    (void)argument;
    count = 0;
    set_trap(1);
    char *volatile block = malloc(100);
    set_trap(0);
    CHECK(block);
    fill(block, 100, 7);
    use();
    CHECK(is_filled(block, 100, 7));
    free(block);
    if (is_child) _exit(0);
    return NULL;
}

int main(int arguments, char **argument) {
    CHECK(arguments == 2);
    struct sigaction action = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO | SA_NODEFER};
    CHECK(sigaction(SIGTRAP, &action, NULL) == 0);
    long step = atol(argument[1]);
    for (target = 1;; target += step) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, begin, NULL) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
        if (count < target) break;
    }
    CHECK(dprintf(1, "%ld\n", count) > 0);
    return 0;
}
