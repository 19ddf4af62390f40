// calls CASE TURNS: makes the calls of one case TURNS times. The function of a case defines its
// turn.
#include <cstdlib>
#include <cstring>
#include <malloc.h>
#include <new>

// Each case has a loop of its own, so that only the calls are counted with it.
template <size_t SIZE> static void pairs(long turns) {
    while (turns-- > 0) {
        void *volatile block = malloc(SIZE);
        free(block);
    }
}

static void cleared(long turns) {
    while (turns-- > 0) {
        void *volatile block = calloc(1, 64);
        free(block);
    }
}

static void aligned(long turns) {
    while (turns-- > 0) {
        void *volatile block = aligned_alloc(64, 200);
        free(block);
    }
}

static void sized_delete(long turns) {
    while (turns-- > 0) {
        void *volatile block = ::operator new(64);
        ::operator delete(block, size_t{64});
    }
}

// Both sizes are of one bin, so the block stays where it is.
static void in_place(long turns) {
    void *volatile block = malloc(100);
    while (turns-- > 0)
        block = realloc(block, turns & 1 ? 100 : 104);
    free(block);
}

static void usable_size(long turns) {
    size_t bytes = 0;
    while (turns-- > 0) {
        void *volatile block = malloc(64);
        bytes += malloc_usable_size(block);
        free(block);
    }
    if (bytes == 0)
        abort();
}

// A turn is the whole life of a block: 16 bytes, doubled eight times to 4096.
static void growth(long turns) {
    while (turns-- > 0) {
        void *volatile block = malloc(16);
        for (size_t size = 32; size <= 4096; size *= 2)
            block = realloc(block, size);
        free(block);
    }
}

// Frees the oldest of 128 blocks and allocates another in its place.
static void held(long turns) {
    static void *blocks[128];
    while (turns-- > 0) {
        void **place = &blocks[turns % 128];
        free(*place);
        *place = malloc(64);
    }
    for (void *block : blocks)
        free(block);
}

// Lists run empty and full: allocates 128 blocks and frees them, the last one first. A turn is one
// block.
static void stacked(long turns) {
    static void *blocks[128];
    for (; turns >= 128; turns -= 128) {
        for (int i = 0; i < 128; i++)
            blocks[i] = malloc(64);
        for (int i = 127; i >= 0; i--)
            free(blocks[i]);
    }
}

static const struct {
    const char *name;
    void (*run)(long turns);
} cases[] = {
    {"malloc-16", pairs<16>},
    {"malloc-64", pairs<64>},
    {"malloc-1024", pairs<1024>},
    {"malloc-4096", pairs<4096>},
    {"malloc-65536", pairs<65536>},
    {"calloc-64", cleared},
    {"aligned-200", aligned},
    {"sized-delete-64", sized_delete},
    {"realloc-in-place", in_place},
    {"growth-to-4096", growth},
    {"held-128", held},
    {"stacked-128", stacked},
    {"usable-size-64", usable_size},
};

int main(int count, char **arguments) {
    if (count != 3)
        return 64;
    for (const auto &one : cases)
        if (strcmp(one.name, arguments[1]) == 0) {
            one.run(strtol(arguments[2], nullptr, 10));
            return 0;
        }
    return 64;
}
