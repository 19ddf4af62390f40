/* killed_parent: a process that is killed while its child, which has made no call to the allocator,
   waits until its input ends. */
#include "check.h"

#include <signal.h>

int main(void) {
    free(opaque(malloc(100)));
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        /* The test waits until both have ended. */
        close(1);
        close(2);
        char byte;
        _exit(read(0, &byte, 1) == 0 ? 9 : 10);
    }
    kill(getpid(), SIGKILL);
    return 1;
}
