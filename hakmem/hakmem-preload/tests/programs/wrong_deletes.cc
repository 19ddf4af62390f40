// wrong_deletes WHAT: makes a wrong delete. The behaviour is undefined, but no other block may
// suffer.
#include "check.h"

#include <cstring>
#include <dlfcn.h>
#include <new>

enum { BLOCKS = 60 };

static const size_t sizes[] = {16, 100, 1000, 5000, 100000, 400000};

using Aligned = std::align_val_t;
static void (*free_sized)(void *, size_t);
static void (*free_aligned_sized)(void *, size_t, size_t);

// Each form that passes a size.
static void (*const forms[])(void *, size_t) = {
    [](void *block, size_t size) { ::operator delete(block, size); },
    [](void *block, size_t size) { ::operator delete[](block, size); },
    [](void *block, size_t size) { ::operator delete(block, size, Aligned(16)); },
    [](void *block, size_t size) { ::operator delete[](block, size, Aligned(16)); },
    [](void *block, size_t size) { free_sized(block, size); },
    [](void *block, size_t size) { free_aligned_sized(block, 16, size); },
};

// Frees a block of one size with another, as a base class without a virtual destructor does. Blocks
// of the other size that are allocated then must not overlap blocks of the first.
static void check_told(size_t size, size_t told, void (*form)(void *, size_t)) {
    static void *blocks[BLOCKS], *others[BLOCKS];
    size_t looked_at = size < 4096 ? size : 4096, written = told < 4096 ? told : 4096;
    for (int i = 0; i < BLOCKS; i++) fill(blocks[i] = malloc(size), looked_at, i);
    form(opaque(blocks[BLOCKS / 3]), told);
    for (int i = 0; i < BLOCKS; i++) memset(others[i] = malloc(told), 0xee, written);
    for (int i = 0; i < BLOCKS; i++) {
        if (i == BLOCKS / 3) continue;
        CHECK(is_filled(blocks[i], looked_at, i));
        free(blocks[i]);
    }
    for (int i = 0; i < BLOCKS; i++) free(others[i]);
}

static void check_all_told() {
    for (size_t size : sizes)
        for (size_t told : sizes)
            for (auto form : forms)
                if (size != told) check_told(size, told, form);
}

// Deletes a block twice in a row with the right size: the second delete is found at once.
static void delete_twice(size_t size) {
    void *volatile block = ::operator new(size);
    ::operator delete(block, size);
    ::operator delete(block, size);
    CHECK(::operator new(size) != ::operator new(size));
}

// Deletes often enough for a sampled check to look at some.
static void delete_often(size_t size, size_t told) {
    for (int i = 0; i < 5000; i++) ::operator delete(opaque(::operator new(size)), told);
}

int main(int count, char **arguments) {
    CHECK(count == 2);
    free_sized = reinterpret_cast<decltype(free_sized)>(dlsym(RTLD_DEFAULT, "free_sized"));
    free_aligned_sized = reinterpret_cast<decltype(free_aligned_sized)>(
        dlsym(RTLD_DEFAULT, "free_aligned_sized"));
    CHECK(free_sized && free_aligned_sized);
    if (strcmp(arguments[1], "told") == 0)
        check_all_told();
    else if (strcmp(arguments[1], "twice") == 0)
        delete_twice(100);
    else if (strcmp(arguments[1], "often") == 0)
        delete_often(100, 1000);
    else
        CHECK(!"a known way to be wrong");
}
