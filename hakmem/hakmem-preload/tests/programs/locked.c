/* locked: a freed block that the program has locked in memory keeps its contents, whatever the
   allocator asks of the system. The next block there must read as zeros nevertheless. */
#include "check.h"

#include <string.h>
#include <sys/mman.h>
#include <time.h>

enum { BYTES = 1 << 20 };

static void rest(void) {
    nanosleep(&(struct timespec){.tv_nsec = 600000000}, NULL);
    free(malloc(4 * BYTES));
}

int main(void) {
    char *block = malloc(BYTES);
    CHECK(block && mlock(block, BYTES) == 0);
    memset(block, 7, BYTES);
    free(block);
    rest();
    rest();
    for (int round = 0; round < 8; round++) {
        char *zeros = calloc(1, BYTES - 4096 * round);
        CHECK(zeros);
        for (int i = 0; i < BYTES - 4096 * round; i++) CHECK(zeros[i] == 0);
        memset(zeros, 9, BYTES - 4096 * round);
        free(zeros);
        rest();
    }
    return 0;
}
