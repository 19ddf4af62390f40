/* spawn HOW: starts itself again as `spawn leaf`, in the way that HOW names. */
#include "check.h"

#include <spawn.h>
#include <string.h>
#include <sys/wait.h>

extern char **environ;

static void leaf(void) {
    for (int i = 0; i < 700; i++) free(malloc(1024));
    exit(5);
}

int main(int count, char **arguments) {
    CHECK(count == 2);
    const char *how = arguments[1];
    if (strcmp(how, "leaf") == 0) leaf();
    char *call[] = {arguments[0], (char *)"leaf", NULL};
    void *kept = malloc(1024);
    pid_t pid = 0;
    if (strcmp(how, "exec") == 0) execv("/proc/self/exe", call);
    if (strcmp(how, "fork") == 0 && (pid = fork()) == 0) {
        free(malloc(2000));
        execv("/proc/self/exe", call);
    }
    if (strcmp(how, "vfork") == 0 && (pid = vfork()) == 0) {
        execv("/proc/self/exe", call);
        _exit(1);
    }
    if (strcmp(how, "posix_spawn") == 0)
        CHECK(posix_spawn(&pid, "/proc/self/exe", NULL, NULL, call, environ) == 0);
    if (strcmp(how, "vfork_exit") == 0 && (pid = vfork()) == 0) _exit(5);
    CHECK(pid > 0);
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 5);
    free(kept);
    return 0;
}
