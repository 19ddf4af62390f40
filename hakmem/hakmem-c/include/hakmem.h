/* hakmem: a memory allocator that counts what it does, exactly and at no cost.
 *
 * A program that links libhakmem gets its malloc, and operator new, without a change. This header
 * declares what the program can ask and set beside that. Nothing here allocates. All functions may
 * be called by any thread at any time, except in signal handlers.
 */
#ifndef HAKMEM_H
#define HAKMEM_H

#include <stddef.h>
#include <stdint.h>

/* Version of this header; hakmem_version() is that of the library. */
#define HAKMEM_VERSION_MAJOR 0
#define HAKMEM_VERSION_MINOR 1
#define HAKMEM_VERSION_PATCH 0
#define HAKMEM_VERSION "0.1.0"
#define HAKMEM_VERSION_NUMBER                                                                      \
    (HAKMEM_VERSION_MAJOR * 10000 + HAKMEM_VERSION_MINOR * 100 + HAKMEM_VERSION_PATCH)

#ifdef __cplusplus
extern "C" {
#endif

/* Settings that the program gives itself: lines of NAME=value with the names and values of the
 * environment's variables, which win where they are set. The program may define it, once:
 *
 *     const char *hakmem_settings = "HAKMEM_LABELS=service=api\nHAKMEM_CHECK=full";
 *
 * It is read at the first allocation, before main, so it must be a constant. */
extern const char *hakmem_settings;

/* What an answer says; hakmem_message() has it in words. */
enum hakmem_status {
    HAKMEM_OK = 0,
    /* The size in the structure is wrong. */
    HAKMEM_WRONG_SIZE = 1,
    /* Another allocator serves the program's malloc. */
    HAKMEM_NOT_SERVING = 2,
    /* A label's key or value is not UTF-8, contains a comma or a control character, or has a space
     * at an end; or the key is empty or contains =. */
    HAKMEM_BAD_KEY = 3,
    HAKMEM_BAD_VALUE = 4,
    /* All labels together would have more than 511 bytes. */
    HAKMEM_LABELS_FULL = 5
};

/* Sizes of requests, in bytes. */
enum hakmem_class {
    HAKMEM_C0 = 0,   /* up to 8 */
    HAKMEM_C1 = 1,   /* up to 16 */
    HAKMEM_C2 = 2,   /* up to 32 */
    HAKMEM_C3 = 3,   /* up to 64 */
    HAKMEM_C4 = 4,   /* up to 128 */
    HAKMEM_C5 = 5,   /* up to 256 */
    HAKMEM_C6 = 6,   /* up to 512 */
    HAKMEM_C7 = 7,   /* up to 1024 */
    HAKMEM_MID = 8,  /* up to 262144 */
    HAKMEM_LARGE = 9 /* more */
};

/* Why an allocation took the slow path. */
enum hakmem_alloc_reason {
    HAKMEM_ALLOC_REFILL_CENTRAL = 0, /* list empty, blocks came from the central store */
    HAKMEM_ALLOC_REFILL_SLAB = 1,    /* list empty, blocks came from a slab in use */
    HAKMEM_ALLOC_NEW_SLAB = 2,       /* list empty, blocks came from a new slab */
    HAKMEM_ALLOC_LARGE_MAP = 3,      /* the request needs a span of its own */
    HAKMEM_ALLOC_ALIGNED = 4,        /* aligned more strictly than any block */
    HAKMEM_ALLOC_FIRST_USE = 5,      /* the thread's first allocation */
    HAKMEM_ALLOC_OUT_OF_MEMORY = 6,  /* failed; not one of the allocations */
    HAKMEM_ALLOC_REFILL_SPARE = 7    /* list empty, the thread's spare took its place */
};

/* Why a free took the slow path. */
enum hakmem_free_reason {
    HAKMEM_FREE_FLUSH_FULL = 0,  /* list and spare full, blocks went to the central store */
    HAKMEM_FREE_LARGE_UNMAP = 1, /* a span of its own */
    HAKMEM_FREE_ROUTED = 2,      /* the routing wants it */
    HAKMEM_FREE_CHECK = 3,       /* chosen for checking */
    HAKMEM_FREE_LATE = 4,        /* after the thread's end */
    HAKMEM_FREE_REJECTED = 5,    /* wrong; not one of the frees */
    HAKMEM_FREE_FLUSH_SPARE = 6  /* list full, it became the thread's spare */
};

/* Counts of one class. Bytes are those of blocks, which are as large as a request or larger. */
typedef struct hakmem_class_counts {
    uint64_t allocations;     /* without those of reallocations */
    uint64_t frees;           /* without those of reallocations */
    uint64_t allocated_bytes; /* reallocations included */
    uint64_t freed_bytes;     /* reallocations included */
} hakmem_class_counts;

/* Exact counts. Later versions may have more members at the end. */
typedef struct hakmem_counts {
    size_t size; /* bytes of this structure: HAKMEM_COUNTS_INIT sets it */
    uint64_t allocations;
    uint64_t frees;
    uint64_t reallocations_in_place;
    uint64_t reallocations_moved;
    uint64_t allocated_bytes;
    uint64_t freed_bytes;
    hakmem_class_counts classes[10]; /* by hakmem_class */
    uint64_t slow_allocations[8];    /* by hakmem_alloc_reason; reallocations included */
    uint64_t slow_frees[8];          /* by hakmem_free_reason; reallocations included */
} hakmem_counts;

#ifdef __cplusplus
#define HAKMEM_COUNTS_INIT {sizeof(hakmem_counts), 0, 0, 0, 0, 0, 0, {}, {}, {}}
#else
#define HAKMEM_COUNTS_INIT {.size = sizeof(hakmem_counts)}
#endif

/* The library's version: 10000 * major + 100 * minor + patch. */
int hakmem_version(void);

/* What the calling thread's calls added up to since it first called this; that call gives zeros. */
int hakmem_thread_counts(hakmem_counts *counts);

/* What the calls of all threads, ended ones included, added up to since the process began or was
 * forked. A call that another thread is just making may be counted in part. */
int hakmem_process_counts(hakmem_counts *counts);

/* Writes the name of the process's segment, by which hakmem-top finds it, with a null at the end,
 * cut to size bytes. Returns the length of the whole name; 0 if nothing is published. 64 bytes are
 * enough. */
size_t hakmem_segment_key(char *buffer, size_t size);

/* Notes that the process ends normally. Only a program that ends by a system call of its own needs
 * this: exit, _exit and a return from main are noted without it. */
void hakmem_mark_exit(int code);

/* Sets a label of the process, which readers show; replaces the one with this key, unless the user
 * set that by HAKMEM_LABELS. */
int hakmem_set_label(const char *key, const char *value);

/* A status in words, without an end of line. */
const char *hakmem_message(int status);

/* Leaves in counts what was counted after earlier. */
static inline void hakmem_counts_since(hakmem_counts *counts, const hakmem_counts *earlier) {
    uint64_t *to = &counts->allocations;
    const uint64_t *from = &earlier->allocations;
    for (size_t i = 0; i < (sizeof(hakmem_counts) - offsetof(hakmem_counts, allocations)) / 8; i++)
        to[i] -= from[i];
}

#ifdef __cplusplus
}
#endif

#endif
