/* misuse KIND SIZE: makes one wrong call, between the words "before" and "after" on standard error,
   and then allocates: exits with 3 if two blocks overlap. Runs under any allocator. */
#include "check.h"

#include <malloc.h>
#include <stdint.h>
#include <string.h>

enum { BLOCKS = 1000 };

static char *blocks[BLOCKS], *again[2 * BLOCKS];
static size_t size;
static int used;

/* Bytes of each block that are written and checked. */
static size_t looked_at(void) { return size < 32 ? size : 32; }
static _Alignas(16) char data[4096];

static void say(const char *word) { CHECK(write(2, word, strlen(word)) > 0); }

static void call_wrongly(const char *kind) {
    char *block = malloc(size), *other = malloc(size);
    char local[4096];
    void *volatile wrong = block;
    if (strcmp(kind, "double-at-once") == 0) {
        free(block);
    } else if (strcmp(kind, "double-after-one") == 0) {
        free(block);
        free(other);
    } else if (strcmp(kind, "double-after-many") == 0) {
        free(block);
        for (int i = 0; i < used / 2; i++) free(blocks[i]);
        memset(blocks, 0, used / 2 * sizeof *blocks);
    } else if (strcmp(kind, "interior") == 0) {
        wrong = block + 16;
    } else if (strcmp(kind, "unaligned") == 0) {
        wrong = block + 1;
    } else if (strcmp(kind, "stack") == 0) {
        wrong = local + 64;
    } else if (strcmp(kind, "static") == 0) {
        wrong = data + 64;
    } else if (strcmp(kind, "unused") == 0) {
        /* An address in the allocator's memory that it has not handed out. */
        wrong = (void *)(((uintptr_t)blocks[used - 1] | 0xffff) - 0xffff + 0xf000);
        for (int i = 0; i < used; i++) CHECK(blocks[i] != wrong);
    } else if (strcmp(kind, "realloc-dead") == 0 || strcmp(kind, "usable-size-dead") == 0) {
        free(block);
    } else {
        CHECK(!"a known kind of misuse");
    }
    say("before\n");
    if (strcmp(kind, "realloc-dead") == 0)
        wrong = realloc(wrong, size);
    else if (strcmp(kind, "usable-size-dead") == 0)
        size += malloc_usable_size(wrong);
    else
        free(wrong);
    say("after\n");
}

/* Whether any two of the blocks that are allocated now are the same block. */
static int overlap(void) {
    for (int i = 0; i < 2 * used; i++) {
        CHECK((again[i] = malloc(size)) != NULL);
        memcpy(again[i], &i, sizeof i);
    }
    for (int i = 0; i < 2 * used; i++) {
        int number;
        memcpy(&number, again[i], sizeof number);
        if (number != i) return 1;
    }
    for (int i = 0; i < used; i++)
        if (blocks[i] && !is_filled(blocks[i], looked_at(), i)) return 1;
    return 0;
}

int main(int count, char **arguments) {
    CHECK(count == 3);
    size = strtoul(arguments[2], NULL, 10);
    used = size < 4096 ? BLOCKS : 50;
    for (int i = 0; i < used; i++) {
        CHECK((blocks[i] = malloc(size)) != NULL);
        fill(blocks[i], looked_at(), i);
    }
    call_wrongly(arguments[1]);
    return overlap() ? 3 : 0;
}
