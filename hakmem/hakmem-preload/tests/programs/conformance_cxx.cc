// conformance_cxx: the behaviour of every form of operator new and delete, case by case, a line
// each: the case, a colon, and the result. A test compares the lines with those of the C++
// library's own forms.
#include "check.h"

#include <cerrno>
#include <cstdint>
#include <functional>
#include <malloc.h>
#include <new>
#include <string>
#include <sys/resource.h>
#include <vector>

enum { UNTOUCHED = 77 };

// A form of new, and the forms of delete that may free its blocks.
struct Form {
    const char *name;
    bool is_nothrow;
    std::function<void *(size_t)> allocate;
    std::vector<std::function<void(void *, size_t)>> release;
};

static std::vector<Form> plain_forms() {
    return {
        {"new", false, [](size_t size) { return ::operator new(size); },
         {[](void *block, size_t) { ::operator delete(block); },
          [](void *block, size_t size) { ::operator delete(block, size); }}},
        {"new[]", false, [](size_t size) { return ::operator new[](size); },
         {[](void *block, size_t) { ::operator delete[](block); },
          [](void *block, size_t size) { ::operator delete[](block, size); }}},
        {"nothrow new", true, [](size_t size) { return ::operator new(size, std::nothrow); },
         {[](void *block, size_t) { ::operator delete(block, std::nothrow); },
          [](void *block, size_t) { ::operator delete(block); }}},
        {"nothrow new[]", true, [](size_t size) { return ::operator new[](size, std::nothrow); },
         {[](void *block, size_t) { ::operator delete[](block, std::nothrow); },
          [](void *block, size_t) { ::operator delete[](block); }}},
    };
}

static std::vector<Form> aligned_forms(size_t bytes) {
    auto wide = std::align_val_t(bytes);
    return {
        {"aligned new", false, [=](size_t size) { return ::operator new(size, wide); },
         {[=](void *block, size_t) { ::operator delete(block, wide); },
          [=](void *block, size_t size) { ::operator delete(block, size, wide); }}},
        {"aligned new[]", false, [=](size_t size) { return ::operator new[](size, wide); },
         {[=](void *block, size_t) { ::operator delete[](block, wide); },
          [=](void *block, size_t size) { ::operator delete[](block, size, wide); }}},
        {"aligned nothrow new", true,
         [=](size_t size) { return ::operator new(size, wide, std::nothrow); },
         {[=](void *block, size_t) { ::operator delete(block, wide, std::nothrow); }}},
        {"aligned nothrow new[]", true,
         [=](size_t size) { return ::operator new[](size, wide, std::nothrow); },
         {[=](void *block, size_t) { ::operator delete[](block, wide, std::nothrow); }}},
    };
}

static size_t natural(size_t size) { return size <= 8 ? 8 : 16; }

// Blocks of all sizes are aligned, usable and disjoint, whichever form of delete frees them.
static void check_blocks(const Form &form, size_t alignment) {
    for (const auto &release : form.release) {
        std::vector<std::pair<void *, size_t>> blocks;
        for (size_t size = 0; size < 600000; size += size < 200 ? 1 : size / 4) {
            errno = UNTOUCHED;
            void *block = form.allocate(size);
            size_t least = alignment ? alignment : natural(size);
            CHECK(block != nullptr && errno == UNTOUCHED);
            CHECK(reinterpret_cast<uintptr_t>(block) % least == 0);
            CHECK(malloc_usable_size(block) >= size);
            fill(block, size, static_cast<unsigned>(size));
            blocks.emplace_back(block, size);
        }
        for (auto [block, size] : blocks)
            CHECK(is_filled(block, size, static_cast<unsigned>(size)));
        errno = UNTOUCHED;
        for (auto [block, size] : blocks) release(block, size);
        release(nullptr, 10);
        CHECK(errno == UNTOUCHED);
    }
}

struct OwnFailure {};
static int handled;
static void count_to_three() {
    if (++handled == 3) std::set_new_handler(nullptr);
}
static void throw_own() { throw OwnFailure(); }
static void throw_bad_alloc() {
    handled++;
    throw std::bad_alloc();
}

// The result of a request that cannot be served.
static std::string outcome(const Form &form, size_t size, void (*handler)()) {
    std::string said;
    handled = 0;
    std::set_new_handler(handler);
    try {
        void *volatile block = form.allocate(size);
        said = block ? "block" : "null";
        if (block) form.release[0](block, size);
    } catch (const OwnFailure &) {
        said = "the handler's exception";
    } catch (const std::bad_array_new_length &) {
        said = "bad_array_new_length";
    } catch (const std::bad_alloc &) {
        said = "bad_alloc";
    }
    std::set_new_handler(nullptr);
    if (handled > 0) said += " after " + std::to_string(handled) + " calls of the handler";
    return said;
}

static void say_failures(const Form &form, const std::string &where) {
    const std::pair<const char *, size_t> sizes[] = {
        {"PTRDIFF_MAX", PTRDIFF_MAX},
        {"PTRDIFF_MAX + 1", static_cast<size_t>(PTRDIFF_MAX) + 1},
        {"SIZE_MAX - 100", SIZE_MAX - 100},
        {"SIZE_MAX", SIZE_MAX},
    };
    for (auto [name, size] : sizes) {
        printf("%s%s of %s: %s; ", form.name, where.c_str(), name,
               outcome(form, size, nullptr).c_str());
        printf("%s; ", outcome(form, size, count_to_three).c_str());
        printf("%s", outcome(form, size, throw_bad_alloc).c_str());
        // Through a form that must not throw, another exception ends the program.
        if (!form.is_nothrow) printf("; %s", outcome(form, size, throw_own).c_str());
        printf("\n");
    }
}

// A handler may make room, and then the request is served. Last, because it leaves little address
// space.
static void *reserve;
static void free_reserve() {
    handled++;
    std::set_new_handler(nullptr);
    ::operator delete(reserve);
}

static void say_handler_makes_room() {
    const size_t piece = 16 << 20, spare = 128 << 20;
    long kib = 0;
    FILE *status = fopen("/proc/self/status", "r");
    char line[256];
    while (status && fgets(line, sizeof line, status)) sscanf(line, "VmSize: %ld", &kib);
    CHECK(kib > 0 && fclose(status) == 0);
    struct rlimit limit = {static_cast<rlim_t>(kib) * 1024 + 2 * spare, RLIM_INFINITY};
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    std::vector<Form> forms = plain_forms();
    for (const Form &form : aligned_forms(64)) forms.push_back(form);
    for (const Form &form : forms) {
        reserve = ::operator new(spare);
        void *blocks[64];
        size_t count = 0;
        handled = 0;
        std::set_new_handler(free_reserve);
        while (handled == 0 && count < 64)
            CHECK((blocks[count++] = form.allocate(piece)) != nullptr);
        CHECK(handled == 1 && count > 1);
        while (count > 0) form.release[0](blocks[--count], piece);
    }
    printf("a handler that makes room: each form is served\n");
}

static void check_new_expressions() {
    struct alignas(256) Wide { char bytes[256]; };
    for (int round = 0; round < 1000; round++) {
        auto *wide = new Wide[3];
        CHECK(reinterpret_cast<uintptr_t>(wide) % 256 == 0);
        delete[] wide;
        delete static_cast<Wide *>(opaque(new Wide));
        delete new (std::nothrow) int;
    }
    volatile size_t count = SIZE_MAX / 2;
    const char *said = "no exception";
    try {
        delete[] static_cast<int *>(opaque(new int[count]));
    } catch (const std::bad_array_new_length &) {
        said = "bad_array_new_length";
    } catch (const std::bad_alloc &) {
        said = "bad_alloc";
    }
    printf("new-expression of a type too large: %s\n", said);
}

int main() {
    for (const Form &form : plain_forms()) {
        check_blocks(form, 0);
        printf("%s: blocks are aligned, usable, disjoint\n", form.name);
        say_failures(form, "");
    }
    for (size_t alignment = 1; alignment <= 1 << 17; alignment *= 2)
        for (const Form &form : aligned_forms(alignment)) check_blocks(form, alignment);
    printf("aligned forms: blocks are aligned, usable, disjoint\n");
    for (size_t alignment : {static_cast<size_t>(64), static_cast<size_t>(1) << 20})
        for (const Form &form : aligned_forms(alignment))
            say_failures(form, " at " + std::to_string(alignment));
    // Invalid alignments: an error of the request that no handler can remedy.
    for (size_t alignment : {0, 3, 24, 100})
        for (const Form &form : aligned_forms(alignment))
            printf("%s at %zu of 10: %s; %s\n", form.name, alignment,
                   outcome(form, 10, nullptr).c_str(), outcome(form, 10, count_to_three).c_str());
    check_new_expressions();
    say_handler_makes_room();
    return 0;
}
