// Every form of operator new and delete, each with its own count of blocks.
#include "check.h"

#include <cstdint>
#include <new>

static void check(void *block, size_t alignment, size_t size) {
    CHECK(block != nullptr);
    CHECK(reinterpret_cast<uintptr_t>(block) % alignment == 0);
    fill(block, size, 3);
    CHECK(is_filled(block, size, 3));
}

int main() {
    for (size_t size = 0; size < 600000; size += size / 4 + 1) {
        size_t natural = size <= 8 ? 8 : 16;
        void *block;
        check(block = ::operator new(size), natural, size);
        ::operator delete(block);
        check(block = ::operator new[](size), natural, size);
        ::operator delete[](block);
        check(block = ::operator new(size, std::nothrow), natural, size);
        ::operator delete(block, std::nothrow);
        check(block = ::operator new[](size, std::nothrow), natural, size);
        ::operator delete[](block, std::nothrow);
        check(block = ::operator new(size), natural, size);
        ::operator delete(block, size);
        check(block = ::operator new[](size), natural, size);
        ::operator delete[](block, size);
        for (size_t bytes = 32; bytes <= 131072; bytes *= 4) {
            auto alignment = std::align_val_t(bytes);
            check(block = ::operator new(size, alignment), bytes, size);
            ::operator delete(block, alignment);
            check(block = ::operator new[](size, alignment), bytes, size);
            ::operator delete[](block, alignment);
            check(block = ::operator new(size, alignment, std::nothrow), bytes, size);
            ::operator delete(block, alignment, std::nothrow);
            check(block = ::operator new[](size, alignment, std::nothrow), bytes, size);
            ::operator delete[](block, alignment, std::nothrow);
            check(block = ::operator new(size, alignment), bytes, size);
            ::operator delete(block, size, alignment);
            check(block = ::operator new[](size, alignment), bytes, size);
            ::operator delete[](block, size, alignment);
        }
    }
    ::operator delete(nullptr);
    ::operator delete[](nullptr, 10);
    ::operator delete(nullptr, 10, std::align_val_t(64));
    // A new-expression of an over-aligned type, and what the compiler makes of its deletion.
    struct alignas(256) Wide { char bytes[256]; };
    for (int round = 0; round < 1000; round++) {
        auto *wide = new Wide[3];
        CHECK(reinterpret_cast<uintptr_t>(wide) % 256 == 0);
        delete[] wide;
        delete static_cast<Wide *>(opaque(new Wide));
    }
}
