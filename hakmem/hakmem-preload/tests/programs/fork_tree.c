/* fork_tree DEPTH: each process forks the next one, which frees the blocks of all its ancestors. */
#include "check.h"

#include <sys/wait.h>

int main(int count, char **arguments) {
    CHECK(count == 2);
    int depth = atoi(arguments[1]);
    void *blocks[64];
    for (int level = 0; level < depth; level++) {
        blocks[level] = malloc(600);
        fill(blocks[level], 600, (unsigned)level);
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid > 0) {
            int status;
            CHECK(waitpid(pid, &status, 0) == pid);
            CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
            return 0;
        }
    }
    for (int level = 0; level < depth; level++) {
        CHECK(is_filled(blocks[level], 600, (unsigned)level));
        free(blocks[level]);
    }
    return 0;
}
