/* wrong_frees WHAT: makes a wrong free, and continues. */
#include "check.h"

#include <dlfcn.h>
#include <malloc.h>
#include <stdint.h>
#include <string.h>

enum { BLOCKS = 64 };

static char *blocks[BLOCKS];

static void allocate_all(size_t size) {
    for (int i = 0; i < BLOCKS; i++) CHECK((blocks[i] = malloc(size)) != NULL);
}

/* Frees all blocks but `kept`. */
static void free_all_but(int kept) {
    for (int i = 0; i < BLOCKS; i++)
        if (i != kept) free(blocks[i]);
}

/* No block is handed out twice: a block that was freed twice must not be on two lists. */
static void check_disjoint(size_t size) {
    static char *again[4 * BLOCKS];
    for (int i = 0; i < 4 * BLOCKS; i++) {
        CHECK((again[i] = malloc(size)) != NULL);
        memcpy(again[i], &i, sizeof i);
    }
    for (int i = 0; i < 4 * BLOCKS; i++) {
        int number;
        memcpy(&number, again[i], sizeof number);
        CHECK(number == i);
    }
    for (int i = 0; i < 4 * BLOCKS; i++) free(again[i]);
}

static void free_sized(void *pointer, size_t size) {
    void (*function)(void *, size_t) = (void (*)(void *, size_t))dlsym(RTLD_DEFAULT, "free_sized");
    CHECK(function != NULL);
    function(pointer, size);
}

/* Writes one byte too many into a block that has another right behind it, and returns that one. */
static char *overflow(size_t size) {
    allocate_all(size);
    size_t usable = malloc_usable_size(blocks[0]);
    for (int i = 0; i < BLOCKS; i++)
        for (int j = 0; j < BLOCKS; j++)
            if (blocks[j] == blocks[i] + usable + 1) {
                blocks[i][usable] = 'x';
                return blocks[j];
            }
    CHECK(!"no two blocks are neighbours");
    return NULL;
}

enum { MANY = 100000 };
static char *many[MANY];

static void allocate_many(void) {
    for (int i = 0; i < MANY; i++) CHECK((many[i] = malloc(100)) != NULL);
}

/* A wrong free that passes unchecked is found when the block comes back to its slab: when lists are
   full, and at the latest when all lists are given back. */
static int later(const char *what) {
    if (strcmp(what, "double-full") == 0) {
        allocate_many();
        for (int i = 2; i < MANY / 2; i++) free(many[i]);
        free(many[0]);
        free(many[1]);
        free(opaque(many[0]));
        for (int i = MANY / 2; i < MANY; i++) free(many[i]);
    } else if (strcmp(what, "double-apart-trim") == 0) {
        allocate_many();
        for (int i = 0; i < 40; i++) free(many[i]);
        free(opaque(many[20]));
        malloc_trim(0);
    } else if (strcmp(what, "interior-trim") == 0) {
        allocate_many();
        free(opaque(many[20] + 16));
        malloc_trim(0);
    } else if (strcmp(what, "double-exit") == 0) {
        allocate_many();
        free(many[20]);
        free(many[21]);
        free(opaque(many[20]));
    } else {
        return 0;
    }
    return 1;
}

int main(int count, char **arguments) {
    CHECK(count == 2);
    const char *what = arguments[1];
    if (later(what)) return 0;
    if (strcmp(what, "double") == 0) {
        allocate_all(100);
        free_all_but(-1);
        free(opaque(blocks[BLOCKS - 1]));
        check_disjoint(100);
    } else if (strcmp(what, "double-later") == 0) {
        allocate_all(100);
        free_all_but(-1);
        free(opaque(blocks[3]));
        check_disjoint(100);
    } else if (strcmp(what, "double-c7") == 0) {
        allocate_all(1000);
        free(blocks[3]);
        free(opaque(blocks[3]));
        free_all_but(3);
        check_disjoint(1000);
    } else if (strcmp(what, "double-span") == 0) {
        char *span = malloc(1 << 20);
        free(span);
        free(opaque(span));
    } else if (strcmp(what, "interior") == 0) {
        allocate_all(600);
        free(opaque(blocks[5] + 16));
        free_all_but(-1);
    } else if (strcmp(what, "interior-span") == 0) {
        char *span = malloc(1 << 20);
        free(opaque(span + 8192));
        free(span);
    } else if (strcmp(what, "realloc-dead") == 0) {
        allocate_all(100);
        free_all_but(-1);
        CHECK(realloc(opaque(blocks[3]), 5000) == NULL);
    } else if (strcmp(what, "size") == 0) {
        allocate_all(100);
        free_sized(opaque(blocks[5]), 400);
        free_all_but(5);
        check_disjoint(100);
    } else if (strcmp(what, "overflow") == 0) {
        char *victim = overflow(100);
        free(victim);
        char *again = malloc(100);
        free(again);
    } else {
        CHECK(!"a known way to be wrong");
    }
    return 0;
}
