/* conformance: the behaviour of every entry point in C, case by case, a line each: the case, a
   colon, and the result. The output must depend on the allocator only where the allocators really
   differ: a test compares the lines with those of the C library. */
#include "check.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

/* Functions of C23 that this C library may lack. */
void free_sized(void *pointer, size_t size) __attribute__((weak));
void free_aligned_sized(void *pointer, size_t alignment, size_t size) __attribute__((weak));

struct number {
    const char *name;
    size_t value;
};

#define NUMBER(value) {#value, value}
#define COUNT(array) (sizeof(array) / sizeof *(array))

static const struct number sizes[] = {
    NUMBER(0), NUMBER(1), NUMBER(8), NUMBER(9), NUMBER(1000), NUMBER(1024), NUMBER(100000),
    NUMBER(5000000), {"PTRDIFF_MAX", PTRDIFF_MAX}, {"PTRDIFF_MAX + 1", (size_t)PTRDIFF_MAX + 1},
    {"SIZE_MAX - 4096", SIZE_MAX - 4096}, {"SIZE_MAX - 100", SIZE_MAX - 100},
    {"SIZE_MAX", SIZE_MAX},
};

static const struct number alignments[] = {
    NUMBER(0), NUMBER(1), NUMBER(2), NUMBER(3), NUMBER(4), NUMBER(8), NUMBER(12), NUMBER(16),
    NUMBER(24), NUMBER(32), NUMBER(100), NUMBER(256), NUMBER(4095), NUMBER(4096), NUMBER(65536),
    NUMBER(1 << 20), NUMBER((size_t)1 << 62), NUMBER((size_t)1 << 63),
    NUMBER(((size_t)1 << 63) + 1), {"SIZE_MAX", SIZE_MAX},
};

/* Sizes at which allocators change their strategy. */
static const size_t steps[] = {1,     8,      9,      16,     100,     1023,    1024,    1025,
                               5000,  60000,  131072, 262144, 262145,  300000,  1 << 20, 5 << 20,
                               33 << 20};

/* Sets errno aside, so that a call that touches it shows. */
enum { UNTOUCHED = 77 };

static const char *error_name(int error) {
    switch (error) {
    case 0: return "0";
    case UNTOUCHED: return "untouched";
    case EINVAL: return "EINVAL";
    case ENOMEM: return "ENOMEM";
    }
    return "another error";
}

/* The result of a call in one word, with the error of a null; frees the block. */
static const char *outcome(unsigned char *block, size_t alignment, size_t size) {
    static char text[64];
    int error = errno;
    if (!block) {
        snprintf(text, sizeof text, "null, errno %s", error_name(error));
        return text;
    }
    const char *fault = error == UNTOUCHED ? "" : " that touched errno";
    if (alignment > 0 && (uintptr_t)block % alignment != 0) fault = " that is not aligned";
    if (malloc_usable_size(block) < size) fault = " that is too small";
    if (size > 0) block[0] = block[size - 1] = 1;
    free(block);
    snprintf(text, sizeof text, "block%s", fault);
    return text;
}

/* Writes a run of equal results once, with its last case. */
static void say_run(const char *case_name, const char *text, int is_last) {
    static char previous[64], name[64];
    if (previous[0] && (strcmp(previous, text) != 0 || is_last))
        printf(" up to %s %s;", name, previous);
    snprintf(previous, sizeof previous, "%s", is_last ? "" : text);
    snprintf(name, sizeof name, "%s", case_name);
    if (is_last) printf("\n");
}

/* The alignment that C promises for any type of that size. */
static size_t natural(size_t size) { return size <= 8 ? 8 : 16; }

/* Calls an entry point with each size. */
#define EACH_SIZE(title, multiple, call)                                                       \
    do {                                                                                       \
        printf("%s:", title);                                                                  \
        for (size_t at = 0; at < COUNT(sizes); at++) {                                         \
            size_t size = sizes[at].value;                                                     \
            errno = UNTOUCHED;                                                                 \
            unsigned char *block = call;                                                       \
            say_run(sizes[at].name, outcome(block, multiple, size), 0);                        \
        }                                                                                      \
        say_run("", "", 1);                                                                    \
    } while (0)

/* Distance between bytes that are written and checked: all bytes of small blocks, some of large
   ones. */
static size_t stride_of(size_t size) { return size <= 16384 ? 1 : 97; }

static void mark(void *block, size_t size, unsigned seed) {
    unsigned char *bytes = block;
    for (size_t at = 0; at < size; at += stride_of(size)) fill(bytes + at, 1, seed + at);
    bytes[size - 1] = (unsigned char)~seed;
}

/* Whether the first `kept` bytes of a block that was marked as one of `size` bytes are
   unchanged. */
static int is_marked(const void *block, size_t size, size_t kept, unsigned seed) {
    const unsigned char *bytes = block;
    for (size_t at = 0; at < kept && at < size - 1; at += stride_of(size))
        if (!is_filled(bytes + at, 1, seed + at)) return 0;
    return kept < size || bytes[size - 1] == (unsigned char)~seed;
}

static void *block_of(size_t size) {
    void *block = malloc(size);
    CHECK(block != NULL);
    if (size > 0) mark(block, size, 3);
    return block;
}

static void requests_of_each_size(void) {
    EACH_SIZE("malloc", natural(size), malloc(size));
    EACH_SIZE("calloc of one", natural(size), calloc(1, size));
    EACH_SIZE("calloc of bytes", natural(size), calloc(size, 1));
    EACH_SIZE("realloc of null", natural(size), realloc(NULL, size));
    EACH_SIZE("reallocarray of null", natural(size), reallocarray(NULL, size, 1));
    EACH_SIZE("valloc", 4096, valloc(size));
    EACH_SIZE("pvalloc", 4096, pvalloc(size));
}

/* The value that posix_memalign left in errno, which POSIX does not say that it sets. */
static int touched = UNTOUCHED;

static void *posix(size_t alignment, size_t size) {
    void *const before = (void *)0x1234;
    void *out = before;
    int error = posix_memalign(&out, alignment, size);
    CHECK((error == 0) == (out != before)); /* and it is left alone if there is an error */
    if (error == 0) return out;
    if (errno != UNTOUCHED) touched = errno;
    errno = error;
    return NULL;
}

static void requests_of_each_alignment(void) {
    for (size_t i = 0; i < COUNT(alignments); i++) {
        size_t alignment = alignments[i].value;
        int is_power = alignment != 0 && (alignment & (alignment - 1)) == 0;
        size_t least = is_power ? alignment : 8;
        char name[96];
        snprintf(name, sizeof name, "posix_memalign at %s", alignments[i].name);
        EACH_SIZE(name, least, posix(alignment, size));
        snprintf(name, sizeof name, "aligned_alloc at %s", alignments[i].name);
        EACH_SIZE(name, least, aligned_alloc(alignment, size));
        /* An alignment that is not a power of two is rounded up to one. */
        while (least < alignment && least < (size_t)1 << 63) least *= 2;
        snprintf(name, sizeof name, "memalign at %s", alignments[i].name);
        EACH_SIZE(name, least, memalign(alignment, size));
    }
    printf("errno after posix_memalign has failed: %s\n", error_name(touched));
}

static void products(void) {
    static const struct number counts[] = {
        NUMBER(0), NUMBER(1), NUMBER(3), NUMBER((size_t)1 << 32), NUMBER((size_t)1 << 63),
        {"SIZE_MAX / 2", SIZE_MAX / 2}, {"SIZE_MAX", SIZE_MAX},
    };
    for (size_t i = 0; i < COUNT(counts); i++)
        for (size_t j = 0; j < COUNT(counts); j++) {
            size_t one = counts[i].value, other = counts[j].value;
            errno = UNTOUCHED;
            void *block = calloc(one, other);
            printf("calloc(%s, %s): ", counts[i].name, counts[j].name);
            printf("%s\n", outcome(block, 8, one * other));
            errno = UNTOUCHED;
            block = reallocarray(NULL, one, other);
            printf("reallocarray(NULL, %s, %s): ", counts[i].name, counts[j].name);
            printf("%s\n", outcome(block, 8, one * other));
        }
}

/* A failure leaves the block unchanged; size 0 frees it. */
static void changes_of_size(void) {
    for (size_t i = 0; i < COUNT(steps); i++) {
        unsigned char *block = block_of(steps[i]);
        printf("block of %zu bytes:", steps[i]);
        for (size_t j = 8; j < COUNT(sizes); j++) {
            errno = UNTOUCHED;
            void *moved = realloc(block, sizes[j].value);
            CHECK(moved == NULL && is_marked(block, steps[i], steps[i], 3));
            say_run(sizes[j].name, error_name(errno), 0);
        }
        say_run("", "", 1);
        errno = UNTOUCHED;
        CHECK(reallocarray(block, SIZE_MAX / 4, 8) == NULL && errno == ENOMEM);
        CHECK(reallocarray(block, (size_t)1 << 32, (size_t)1 << 32) == NULL);
        CHECK(is_marked(block, steps[i], steps[i], 3));
        CHECK(realloc(block, steps[i]) == block);
        errno = UNTOUCHED;
        printf("realloc to 0 of %zu bytes: %s\n", steps[i], outcome(realloc(block, 0), 8, 0));
        errno = UNTOUCHED;
        block = reallocarray(block_of(steps[i]), i % 2, 1 - i % 2);
        printf("reallocarray to 0 of %zu bytes: %s\n", steps[i], outcome(block, 8, 0));
    }
}

/* From every size and alignment to every size; the usable bytes behind the size keep their contents
   too. */
static void contents_survive(void) {
    size_t moves = 0;
    for (size_t from = 0; from < COUNT(steps); from++)
        for (size_t to = 0; to < COUNT(steps); to++)
            for (size_t alignment = 8; alignment <= 65536; alignment *= 8) {
                void *block = alignment == 8 ? malloc(steps[from])
                                             : aligned_alloc(alignment, steps[from]);
                CHECK(block != NULL);
                size_t old = malloc_usable_size(block), size = steps[to];
                mark(block, old, (unsigned)from);
                errno = UNTOUCHED;
                block = realloc(block, size);
                CHECK(block != NULL && errno == UNTOUCHED && malloc_usable_size(block) >= size);
                CHECK((uintptr_t)block % natural(size) == 0);
                CHECK(is_marked(block, old, old < size ? old : size, (unsigned)from));
                mark(block, old = malloc_usable_size(block), 9);
                block = reallocarray(block, old, 2);
                CHECK(block != NULL && is_marked(block, old, old, 9));
                free(block);
                moves++;
            }
    printf("contents after realloc: kept, %zu times\n", moves);
}

static void calloc_is_zeroed(void) {
    for (int round = 0; round < 3; round++)
        for (size_t size = 1; size < 600000; size += size / 3 + 1) {
            unsigned char *blocks[8];
            for (int i = 0; i < 8; i++) {
                blocks[i] = malloc(size);
                memset(blocks[i], 0xff, malloc_usable_size(blocks[i]));
            }
            for (int i = 0; i < 8; i++) free(blocks[i]);
            for (int i = 0; i < 8; i++) {
                blocks[i] = i % 2 ? calloc(1, size) : calloc(size, 1);
                for (size_t at = 0; at < size; at++) CHECK(blocks[i][at] == 0);
                memset(blocks[i], 0xff, size);
            }
            for (int i = 0; i < 8; i++) free(blocks[i]);
        }
    printf("calloc over memory that was used: zeroed\n");
}

/* Every entry point, every size up to 4096: aligned, usable to the last byte, and disjoint from
   others. */
static void blocks_are_disjoint(void) {
    enum { KINDS = 9, SIZES = 4097 };
    static unsigned char *blocks[SIZES][KINDS];
    for (size_t size = 0; size < SIZES; size++) {
        unsigned char **block = blocks[size];
        size_t alignment = (size_t)8 << size % 12;
        size_t whole = (size + 4095) / 4096 * 4096;
        block[0] = malloc(size);
        block[1] = calloc(1, size);
        block[2] = realloc(NULL, size);
        block[3] = realloc(malloc(size / 2 + 1), size + 1);
        block[4] = aligned_alloc(alignment, size);
        block[5] = memalign(alignment, size);
        block[6] = (errno = UNTOUCHED, posix(alignment, size));
        block[7] = valloc(size);
        block[8] = pvalloc(size);
        for (int kind = 0; kind < KINDS; kind++) {
            size_t needed = kind == 8 ? whole : size + (kind == 3);
            size_t least = kind >= 7 ? 4096 : kind >= 4 ? alignment : natural(needed);
            size_t usable = malloc_usable_size(block[kind]);
            CHECK(block[kind] != NULL && usable >= needed && (uintptr_t)block[kind] % least == 0);
            fill(block[kind], usable, (unsigned)(size * KINDS + (size_t)kind));
        }
    }
    for (size_t size = 0; size < SIZES; size++)
        for (int kind = 0; kind < KINDS; kind++) {
            void *block = blocks[size][kind];
            unsigned seed = (unsigned)(size * KINDS + (size_t)kind);
            CHECK(is_filled(block, malloc_usable_size(block), seed));
            free(block);
        }
    printf("every entry, every size to 4096: aligned, usable, disjoint\n");
    for (size_t alignment = 8; alignment <= (size_t)64 << 20; alignment *= 2) {
        size_t size = 3 * alignment / 2;
        void *block = aligned_alloc(alignment, size);
        CHECK(block != NULL && (uintptr_t)block % alignment == 0);
        mark(block, size, 1);
        free(block);
    }
    printf("alignments to 64 MiB: kept\n");
}

static void nothing_is_something(void) {
    enum { MANY = 1000 };
    void *blocks[MANY];
    for (int i = 0; i < MANY; i++) {
        blocks[i] = i % 3 == 0 ? malloc(0) : i % 3 == 1 ? calloc(0, 8) : realloc(NULL, 0);
        CHECK(blocks[i] != NULL);
        for (int j = 0; j < i; j++) CHECK(blocks[i] != blocks[j]);
    }
    for (int i = 0; i < MANY; i++) free(blocks[i]);
    printf("blocks of 0 bytes: distinct\n");
    printf("malloc_usable_size(NULL): %zu\n", malloc_usable_size(NULL));
}

/* free never changes errno and the others do not on success, whatever paths they take inside. */
static void errno_is_left_alone(void) {
    enum { BLOCKS = 5000 };
    static void *blocks[BLOCKS];
    errno = UNTOUCHED;
    free(NULL);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < BLOCKS; i++) blocks[i] = malloc(1 + (size_t)i * 7 % 30000);
        for (int i = 0; i < 20; i++) free(malloc((size_t)300000 * (size_t)(i + 1)));
        for (int i = 0; i < BLOCKS; i++) blocks[i] = realloc(blocks[i], 1 + (size_t)i * 11 % 40000);
        CHECK(malloc_usable_size(blocks[0]) >= 1);
        for (int i = 0; i < BLOCKS; i++) free(blocks[i]);
    }
    malloc_trim(0);
    mallinfo2();
    printf("errno after a hundred thousand calls: %s\n", error_name(errno));
}

static void sized_frees(void) {
    printf("free_sized: %s\n", free_sized ? "there" : "missing");
    printf("free_aligned_sized: %s\n", free_aligned_sized ? "there" : "missing");
    if (!free_sized || !free_aligned_sized) return;
    errno = UNTOUCHED;
    for (size_t size = 0; size < 3000000; size += size / 5 + 1) {
        free_sized(block_of(size), size);
        free_sized(calloc(1, size), size);
        free_sized(realloc(malloc(size / 2 + 1), size + 1), size + 1);
        for (size_t alignment = 1; alignment <= 1 << 17; alignment *= 2) {
            void *block = aligned_alloc(alignment, size);
            CHECK(block != NULL && (uintptr_t)block % alignment == 0);
            if (size > 0) mark(block, size, 1);
            free_aligned_sized(block, alignment, size);
        }
    }
    free_sized(NULL, 10);
    free_aligned_sized(NULL, 64, 10);
    CHECK(errno == UNTOUCHED);
}

static void *allocate_and_end(void *blocks) {
    for (size_t i = 0; i < COUNT(steps); i++) ((void **)blocks)[i] = block_of(steps[i]);
    return NULL;
}

static void *change_and_free(void *blocks) {
    for (size_t i = 0; i < COUNT(steps); i++) {
        void *block = ((void **)blocks)[i];
        CHECK(is_marked(block, steps[i], steps[i], 3));
        CHECK((block = realloc(block, steps[i] + 5)) != NULL);
        CHECK(is_marked(block, steps[i], steps[i], 3));
        free(block);
    }
    return NULL;
}

static void run_thread(void *(*work)(void *), void *argument) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, work, argument) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
}

static void blocks_outlive_threads_and_forks(void) {
    void *blocks[COUNT(steps)];
    run_thread(allocate_and_end, blocks);
    run_thread(change_and_free, blocks);
    allocate_and_end(blocks);
    fflush(stdout);
    pid_t child = fork();
    int status;
    if (child == 0) {
        change_and_free(blocks);
        _exit(0);
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
    change_and_free(blocks);
    printf("blocks of other threads and of the parent: whole\n");
}

static void reports(void) {
    struct mallinfo2 before = mallinfo2();
    void *small = malloc(1000), *large = malloc(40 << 20);
    struct mallinfo2 with = mallinfo2();
    printf("uordblks with a block more: %s\n",
           with.uordblks >= before.uordblks + 1000 ? "more" : "not");
    printf("hblkhd with a span more: %s\n",
           with.hblkhd >= before.hblkhd + (40 << 20) ? "more" : "not");
    printf("mallinfo: %s\n", mallinfo().uordblks == (int)with.uordblks ? "the same" : "another");
    free(large);
    free(small);
    printf("hblkhd after the free: %s\n",
           mallinfo2().hblkhd == before.hblkhd ? "as before" : "not");
    enum { BLOCKS = 20000 };
    static void *blocks[BLOCKS];
    for (int i = 0; i < BLOCKS; i++) blocks[i] = block_of(1000);
    for (int i = 0; i < BLOCKS; i++) free(blocks[i]);
    printf("malloc_trim with something to give back: %d\n", malloc_trim(0));
    FILE *nowhere = fopen("/dev/null", "w");
    CHECK(nowhere != NULL);
    printf("malloc_info: %d\n", malloc_info(0, nowhere));
    printf("malloc_info with an option: %s\n", error_name(malloc_info(1, nowhere)));
    fclose(nowhere);
}

/* Called last, because it changes the behaviour of some allocators. */
static void options(void) {
    static const struct number parameters[] = {
        {"M_MXFAST", M_MXFAST}, {"M_TRIM_THRESHOLD", (size_t)M_TRIM_THRESHOLD},
        {"M_TOP_PAD", (size_t)M_TOP_PAD}, {"M_MMAP_THRESHOLD", (size_t)M_MMAP_THRESHOLD},
        {"M_MMAP_MAX", (size_t)M_MMAP_MAX}, {"M_CHECK_ACTION", (size_t)M_CHECK_ACTION},
        {"M_PERTURB", (size_t)M_PERTURB}, {"M_ARENA_TEST", (size_t)M_ARENA_TEST},
        {"M_ARENA_MAX", (size_t)M_ARENA_MAX}, {"100", 100}, {"-100", (size_t)-100},
    };
    static const int values[] = {-1, 0, 1, 160, 161, 32 << 20, (32 << 20) + 1};
    for (size_t i = 0; i < COUNT(parameters); i++) {
        printf("mallopt(%s):", parameters[i].name);
        for (size_t j = 0; j < COUNT(values); j++) {
            errno = UNTOUCHED;
            printf(" %d: %d", values[j], mallopt((int)parameters[i].value, values[j]));
            CHECK(errno == UNTOUCHED);
        }
        printf("\n");
    }
}

int main(void) {
    requests_of_each_size();
    requests_of_each_alignment();
    products();
    changes_of_size();
    contents_survive();
    calloc_is_zeroed();
    blocks_are_disjoint();
    nothing_is_something();
    errno_is_left_alone();
    sized_frees();
    blocks_outlive_threads_and_forks();
    reports();
    options();
    return 0;
}
