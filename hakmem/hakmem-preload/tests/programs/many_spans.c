/* many_spans: allocates 140 000 large blocks side by side and frees every second one. The system
   allows a process 65 530 mappings by default: the program must still get threads, blocks, mappings
   of its own, and blocks that grow, both now and after the freed ones have lost their memory. */
#include "check.h"

#include <malloc.h>
#include <pthread.h>
#include <sys/mman.h>
#include <time.h>

enum { SPANS = 140000, BYTES = 300000, SMALL = 20000 };

static char *spans[SPANS];

static int mappings(void) {
    FILE *file = fopen("/proc/self/maps", "r");
    CHECK(file);
    int lines = 0;
    for (int c; (c = getc(file)) != EOF;) lines += c == '\n';
    fclose(file);
    return lines;
}

static void *idle(void *argument) { return argument; }

static void live_on(void) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, idle, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    for (int i = 0; i < SMALL; i++) CHECK(malloc(472));
    /* Neighbouring mappings that the system cannot join. */
    for (int i = 0; i < 1000; i++) CHECK(mmap(NULL, 4096, i % 2 ? PROT_READ : PROT_NONE,
                                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
    for (int i = 1; i < 600; i += 2) {
        spans[i] = realloc(spans[i], BYTES + 40 * i + (i % 3) * BYTES);
        CHECK(spans[i] && spans[i][0] == (char)i && spans[i][BYTES - 1] == 0);
        spans[i][BYTES + 40 * i - 1] = 1;
        spans[i] = realloc(spans[i], BYTES);
        CHECK(spans[i] && spans[i][0] == (char)i && spans[i][BYTES - 1] == 0);
    }
    char *zeros = calloc(1, 4 * BYTES);
    CHECK(zeros);
    for (int i = 0; i < 4 * BYTES; i += 512) CHECK(zeros[i] == 0);
    for (int i = 0; i < 4 * BYTES; i += 512) zeros[i] = 1;
    free(zeros);
}

int main(void) {
    int before = mappings();
    for (int i = 0; i < SPANS; i++) {
        spans[i] = malloc(BYTES);
        CHECK(spans[i]);
        spans[i][0] = (char)i;
    }
    for (int i = 0; i < SPANS; i += 2) free(spans[i]);
    live_on();
    nanosleep(&(struct timespec){.tv_nsec = 700000000}, NULL);
    live_on();
    printf("%d\n", mappings() - before - 2000);
    for (int i = 1; i < SPANS; i += 2) {
        CHECK(spans[i][0] == (char)i);
        free(spans[i]);
    }
    nanosleep(&(struct timespec){.tv_nsec = 700000000}, NULL);
    free(malloc(BYTES));
    malloc_trim(0);
    printf("%d\n", mappings() - before - 2000);
    return 0;
}
