/* fork_counts HOW: allocates 1000 blocks of 1024 bytes and forks; then parent and child each make
   their own calls, in one class each. HOW names the call that forks: fork, raw, clone, or vfork. */
#include "check.h"

#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static pid_t fork_by(const char *how) {
    if (strcmp(how, "fork") == 0) return fork();
    if (strcmp(how, "raw") == 0) return (pid_t)syscall(SYS_fork);
    if (strcmp(how, "clone") == 0) return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    CHECK(!"a known way to fork");
    return -1;
}

int main(int count, char **arguments) {
    CHECK(count == 2);
    void *blocks[1000];
    for (int i = 0; i < 1000; i++) {
        blocks[i] = malloc(1024);
        fill(blocks[i], 1024, (unsigned)i);
    }
    pid_t pid = fork_by(arguments[1]);
    CHECK(pid >= 0);
    if (pid == 0) {
        /* Frees half of the blocks that the parent allocated, and allocates 5000 blocks of C0. */
        for (int i = 0; i < 500; i++) {
            CHECK(is_filled(blocks[i], 1024, (unsigned)i));
            free(blocks[i]);
        }
        for (int i = 0; i < 5000; i++) free(malloc(8));
        for (int i = 500; i < 1000; i++) CHECK(is_filled(blocks[i], 1024, (unsigned)i));
        _exit(3);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 3);
    for (int i = 0; i < 1000; i++) {
        CHECK(is_filled(blocks[i], 1024, (unsigned)i));
        free(blocks[i]);
    }
    for (int i = 0; i < 300; i++) free(malloc(512));
    return 0;
}
