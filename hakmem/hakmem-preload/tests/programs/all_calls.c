/* Calls every entry point with sizes of every class, in two threads and in a child, and continues
   when a request is refused: a refusal is a null with ENOMEM, and live blocks keep their
   contents. */
#include "check.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>

enum { WAYS = 8, LIVE = 48 };

struct live {
    unsigned char *block;
    size_t size;
    unsigned seed;
};

static const size_t SIZES[] = {1, 16, 100, 700, 1024, 3000, 40000, 200000, 300000, 3000000};

static void *allocate(unsigned way, size_t size) {
    void *block = NULL;
    errno = 0;
    switch (way % WAYS) {
    case 0: block = malloc(size); break;
    case 1: block = calloc(1, size); break;
    case 2: block = realloc(NULL, size); break;
    case 3: block = aligned_alloc(64, size); break;
    case 4: block = memalign(4096, size); break;
    case 5: block = valloc(size); break;
    case 6: block = reallocarray(NULL, 1, size); break;
    default: {
        void *untouched = &block;
        const int error = posix_memalign(&untouched, 256, size);
        CHECK(error == 0 || (error == ENOMEM && untouched == &block));
        return opaque(error == 0 ? untouched : NULL);
    }
    }
    CHECK(block != NULL || errno == ENOMEM);
    if (block && way % WAYS == 1)
        CHECK(((unsigned char *)block)[0] == 0 && ((unsigned char *)block)[size - 1] == 0);
    return opaque(block);
}

/* Only the start of a large block is checked. */
static size_t looked_at(size_t size) { return size < 2000 ? size : 2000; }

static void check_and_free(struct live *live) {
    if (!live->block) return;
    CHECK(is_filled(live->block, looked_at(live->size), live->seed));
    CHECK(malloc_usable_size(live->block) >= live->size);
    errno = 77;
    free(live->block);
    CHECK(errno == 77);
    live->block = NULL;
}

static void resize(struct live *live, size_t size) {
    if (!live->block) return;
    const size_t kept = live->size < size ? live->size : size;
    errno = 0;
    unsigned char *block = realloc(live->block, size);
    if (!block) {
        CHECK(errno == ENOMEM);
        return;
    }
    live->block = block;
    CHECK(is_filled(block, looked_at(kept), live->seed));
    live->size = size;
    fill(block, looked_at(size), live->seed);
}

static void *work(void *argument) {
    struct live live[LIVE] = {0};
    unsigned random = (unsigned)(uintptr_t)argument;
    for (unsigned turn = 0; turn < 1500; turn++) {
        random = random * 1103515245 + 12345;
        struct live *each = &live[(random >> 16) % LIVE];
        const size_t size = SIZES[(random >> 22) % (sizeof SIZES / sizeof SIZES[0])];
        if (each->block && (random >> 8) % 4 == 0) {
            resize(each, size);
            continue;
        }
        check_and_free(each);
        *each = (struct live){allocate(turn, size), size, random};
        if (each->block) fill(each->block, looked_at(size), random);
        if (turn % 500 == 499) malloc_trim(0);
        if (turn % 400 == 399) usleep(30000);
    }
    for (unsigned i = 0; i < LIVE; i++) check_and_free(&live[i]);
    malloc_trim(0);
    return NULL;
}

int main(void) {
    pthread_t thread;
    /* If no memory can be allocated, there is no second thread. */
    const int error = pthread_create(&thread, NULL, work, (void *)3);
    CHECK(error == 0 || error == EAGAIN || error == ENOMEM);
    work((void *)5);
    if (error == 0) CHECK(pthread_join(thread, NULL) == 0);
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        work((void *)7);
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        dprintf(2, "the child's status is %#x\n", status);
        return 1;
    }
    return 0;
}
