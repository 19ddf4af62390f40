/* fork_and_stdio FORKS: forks while some threads read lines, so that they allocate with a stream
   locked, and one thread flushes all streams, so that it waits for them with the list of streams
   locked. fork locks the list after the handlers that prepare it. (glibc's bug 19431.) */
#include "check.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

static atomic_int done;

static void *read_lines(void *name) {
    FILE *file = fopen(name, "r");
    CHECK(file);
    while (!done) {
        char *line = NULL;
        size_t size = 0;
        rewind(file);
        CHECK(getline(&line, &size, file) == 20001);
        free(line);
        usleep(20);
    }
    fclose(file);
    return NULL;
}

static void *flush_all(void *argument) {
    while (!done) {
        fflush(NULL);
        usleep(20);
    }
    return argument;
}

int main(int count, char **arguments) {
    CHECK(count == 2);
    char name[] = "/tmp/fork_and_stdio_XXXXXX";
    FILE *file = fdopen(mkstemp(name), "w");
    CHECK(file);
    for (int i = 0; i < 20000; i++) fputc('x', file);
    fputc('\n', file);
    fclose(file);
    pthread_t threads[3];
    for (int i = 0; i < 2; i++) CHECK(pthread_create(&threads[i], NULL, read_lines, name) == 0);
    CHECK(pthread_create(&threads[2], NULL, flush_all, NULL) == 0);
    for (int turn = 0; turn < atoi(arguments[1]); turn++) {
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            void *block = malloc(1000 + (size_t)turn);
            fill(block, 1000, 1);
            CHECK(is_filled(block, 1000, 1));
            _exit(0);
        }
        int status;
        CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    }
    done = 1;
    for (int i = 0; i < 3; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    unlink(name);
    return 0;
}
