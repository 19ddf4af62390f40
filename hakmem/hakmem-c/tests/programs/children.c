/* children COUNT: makes COUNT calls in the class mid, prints what hakmem counted, and starts a
   forked child that makes seven and an ordinary program. */
#include <hakmem.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void work(long count) {
    for (long i = 0; i < count; i++) {
        char *volatile block = malloc(100000);
        if (!block) abort();
        free(block);
    }
}

int main(int count, char **arguments) {
    hakmem_counts counts = HAKMEM_COUNTS_INIT;
    if (count != 2) return 2;
    work(atol(arguments[1]));
    int status = hakmem_process_counts(&counts);
    if (status != HAKMEM_OK) {
        fprintf(stderr, "%s\n", hakmem_message(status));
        return 1;
    }
    const hakmem_class_counts *mid = &counts.classes[HAKMEM_MID];
    /* Not by printf, which would allocate a buffer of this class. */
    char line[64];
    int length = snprintf(line, sizeof line, "%ju %ju\n", (uintmax_t)mid->allocations,
                          (uintmax_t)mid->frees);
    if (write(STDOUT_FILENO, line, (size_t)length) != length) return 1;
    if (fork() == 0) {
        work(7);
        _exit(0);
    }
    if (fork() == 0) {
        execlp("ls", "ls", "/dev/null", (char *)NULL);
        _exit(127);
    }
    while (wait(NULL) > 0) continue;
    return 0;
}
