/* idle_child HOW: a child that makes no call to the allocator ends in the way that HOW names. */
#include "check.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

int main(int count, char **arguments) {
    CHECK(count == 2);
    free(malloc(100));
    pid_t pid = strcmp(arguments[1], "vfork") == 0 ? vfork() : fork();
    if (pid == 0) {
        if (strcmp(arguments[1], "kill") != 0 && strcmp(arguments[1], "exit") != 0) _exit(9);
        if (strcmp(arguments[1], "exit") == 0) exit(9);
        if (strcmp(arguments[1], "kill") == 0) raise(SIGKILL);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    /* The parent still runs, and its segment must say so. */
    show_and_wait();
    return 0;
}
