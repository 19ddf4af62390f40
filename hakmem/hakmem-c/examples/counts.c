/* counts [THREADS]: makes calls whose number it knows, in each thread, and compares that with what
   hakmem counted. */
#include <hakmem.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* Settings of the program's own; HAKMEM_LABELS in the environment would win. */
const char *hakmem_settings = "HAKMEM_LABELS=example=counts";

enum { ROUNDS = 1000, GROWTHS = 9 };

static void expect(const char *what, uint64_t counted, uint64_t known) {
    if (counted == known) return;
    fprintf(stderr, "%s: counted %ju and not %ju\n", what, (uintmax_t)counted,
            (uintmax_t)known);
    exit(1);
}

static void demand(int status) {
    if (status == HAKMEM_OK) return;
    fprintf(stderr, "hakmem: %s\n", hakmem_message(status));
    exit(1);
}

static void allocate_and_free(size_t bytes) {
    char *volatile block = malloc(bytes);
    if (!block) abort();
    free(block);
}

static void *work(void *unused) {
    hakmem_counts before = HAKMEM_COUNTS_INIT, counts = HAKMEM_COUNTS_INIT;
    demand(hakmem_thread_counts(&before));

    for (int i = 0; i < ROUNDS; i++) {
        allocate_and_free(100);    /* C4 */
        allocate_and_free(100000); /* mid */
        allocate_and_free(300000); /* large */
    }
    size_t bytes = 10;
    char *volatile buffer = malloc(bytes);
    for (int i = 0; i < GROWTHS; i++) buffer = realloc(buffer, bytes *= 2);
    buffer = realloc(buffer, bytes - 1);
    free(buffer);

    demand(hakmem_thread_counts(&counts));
    hakmem_counts_since(&counts, &before);
    expect("allocations", counts.allocations, 3 * ROUNDS + 1);
    expect("frees", counts.frees, 3 * ROUNDS + 1);
    expect("allocations of C4", counts.classes[HAKMEM_C4].allocations, ROUNDS);
    expect("allocations of mid", counts.classes[HAKMEM_MID].allocations, ROUNDS);
    expect("frees of large", counts.classes[HAKMEM_LARGE].frees, ROUNDS);
    expect("slow allocations of large", counts.slow_allocations[HAKMEM_ALLOC_LARGE_MAP], ROUNDS);
    expect("moved reallocations", counts.reallocations_moved, GROWTHS);
    expect("reallocations in place", counts.reallocations_in_place, 1);
    expect("freed bytes", counts.freed_bytes, counts.allocated_bytes);
    return unused;
}

int main(int count, char **arguments) {
    enum { THREADS_MAX = 1000 };
    int threads = count > 1 ? atoi(arguments[1]) : 1;
    pthread_t thread[THREADS_MAX];
    if (threads < 1 || threads > THREADS_MAX) {
        fprintf(stderr, "usage: counts [THREADS], at most %d\n", THREADS_MAX);
        return 2;
    }
    demand(hakmem_set_label("threads", threads == 1 ? "one" : "many"));
    hakmem_counts before = HAKMEM_COUNTS_INIT, counts = HAKMEM_COUNTS_INIT;
    demand(hakmem_process_counts(&before));
    for (int i = 0; i < threads; i++)
        if (pthread_create(&thread[i], NULL, work, NULL) != 0) return 1;
    for (int i = 0; i < threads; i++) pthread_join(thread[i], NULL);
    demand(hakmem_process_counts(&counts));
    hakmem_counts_since(&counts, &before);
    expect("large of all threads", counts.classes[HAKMEM_LARGE].allocations,
           (uint64_t)threads * ROUNDS);
    /* The buffer had grown to 5 KiB when it was freed. */
    expect("mid of all threads", counts.classes[HAKMEM_MID].frees,
           (uint64_t)threads * (ROUNDS + 1));

    char key[64];
    printf("%d threads: all counts agree; segment %s\n", threads,
           hakmem_segment_key(key, sizeof key) ? key : "not published");
    return 0;
}
