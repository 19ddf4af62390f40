/* any_pointer: passes addresses of all kinds that no allocator handed out to free and its family:
   small ones, some around the end of 47, 48 and 57 bits, some that no processor accepts, and the
   kernel's. */
#include "check.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>

/* A function of C23 that the C library may lack. */
static void (*free_sized)(void *, size_t);

enum { BLOCKS = 200 };

static unsigned wrong;

static void hand_over(uintptr_t address) {
    char *pointer = opaque((char *)address);
    errno = 5;
    free(pointer);
    free_sized(pointer, 64);
    CHECK(errno == 5);
    CHECK(malloc_usable_size(pointer) == 0);
    CHECK(realloc(pointer, 100) == NULL && errno == ENOMEM);
    CHECK(realloc(pointer, 1 << 20) == NULL && errno == ENOMEM);
    wrong += 4;
}

/* Memory above 47 bits. The kernel maps it only on request, and only if the processor supports
   it. */
static void hand_over_high_memory(void) {
    char *hint = (char *)((uintptr_t)1 << 52);
    char *memory = mmap(hint, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    fill(memory, 1 << 20, 9);
    for (size_t offset = 0; offset < 1 << 20; offset += 65536 - 16)
        hand_over((uintptr_t)memory + offset);
    CHECK(is_filled(memory, 1 << 20, 9));
    CHECK(munmap(memory, 1 << 20) == 0);
}

int main(void) {
    char *blocks[BLOCKS];
    free_sized = (void (*)(void *, size_t))dlsym(RTLD_DEFAULT, "free_sized");
    CHECK(free_sized);
    for (size_t i = 0; i < BLOCKS; i++) {
        size_t size = 1 + i * i * 20;
        CHECK((blocks[i] = malloc(size)));
        fill(blocks[i], size, (unsigned)i);
    }
    for (uintptr_t address = 1; address < 1024; address *= 2) hand_over(address);
    for (unsigned bit = 11; bit < 64; bit++) {
        uintptr_t edge = (uintptr_t)1 << bit;
        for (intptr_t offset = -1024; offset <= 1024; offset += 1008)
            hand_over(edge + (uintptr_t)offset);
    }
    for (uintptr_t top = 0xffff; top > 0; top >>= 1) hand_over(top << 48 | 0x7f1234560040);
    /* An address that differs from a block's only in the bits that no processor looks up. */
    for (unsigned bit = 47; bit < 64; bit++)
        hand_over((uintptr_t)blocks[bit] | (uintptr_t)1 << bit);
    hand_over(UINTPTR_MAX);
    hand_over(UINTPTR_MAX - 15);
    hand_over_high_memory();
    for (size_t i = 0; i < BLOCKS; i++) {
        size_t size = 1 + i * i * 20;
        CHECK(is_filled(blocks[i], size, (unsigned)i));
        CHECK(malloc_usable_size(blocks[i]) >= size);
        free(blocks[i]);
    }
    CHECK(dprintf(1, "%u\n", wrong) > 0);
    return 0;
}
