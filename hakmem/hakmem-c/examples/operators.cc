// operators: every form of operator new and delete is hakmem's, and fails as C++ demands.
#include <hakmem.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <new>

namespace {

struct alignas(64) Wide {
    char bytes[192];
};

// What a call of `make` and then of `remove` is counted as.
template <typename Make, typename Remove>
void expect_one(const char *form, Make make, Remove remove) {
    hakmem_counts before = HAKMEM_COUNTS_INIT, counts = HAKMEM_COUNTS_INIT;
    int status = hakmem_thread_counts(&before);
    auto *volatile object = make();
    remove(object);
    if (status == HAKMEM_OK) status = hakmem_thread_counts(&counts);
    hakmem_counts_since(&counts, &before);
    if (status == HAKMEM_OK && counts.allocations == 1 && counts.frees == 1) return;
    std::fprintf(stderr, "%s: %s; %ju allocations, %ju frees\n", form, hakmem_message(status),
                 static_cast<std::uintmax_t>(counts.allocations),
                 static_cast<std::uintmax_t>(counts.frees));
    std::exit(1);
}

int handled = 0;

void on_failure() {
    if (++handled == 3) std::set_new_handler(nullptr);
}

}  // namespace

int main() {
    hakmem_counts first = HAKMEM_COUNTS_INIT;
    hakmem_thread_counts(&first);
    const std::align_val_t aligned{64};
    expect_one("new", [] { return new long; }, [](long *it) { delete it; });
    expect_one("new[]", [] { return new long[9]; }, [](long *it) { delete[] it; });
    expect_one("new of an alignment", [] { return new Wide; }, [](Wide *it) { delete it; });
    expect_one("new[] of an alignment", [] { return new Wide[3]; }, [](Wide *it) { delete[] it; });
    expect_one("new (nothrow)", [] { return ::operator new(9, std::nothrow); },
               [](void *it) { ::operator delete(it, std::nothrow); });
    expect_one("new[] (nothrow)", [] { return ::operator new[](9, std::nothrow); },
               [](void *it) { ::operator delete[](it, std::nothrow); });
    expect_one("new (alignment, nothrow)", [=] { return ::operator new(9, aligned, std::nothrow); },
               [=](void *it) { ::operator delete(it, aligned, std::nothrow); });
    expect_one("new[] (alignment, nothrow)",
               [=] { return ::operator new[](9, aligned, std::nothrow); },
               [=](void *it) { ::operator delete[](it, aligned, std::nothrow); });
    expect_one("delete of a size", [] { return ::operator new(90); },
               [](void *it) { ::operator delete(it, 90); });
    expect_one("delete[] of a size and an alignment", [=] { return ::operator new[](90, aligned); },
               [=](void *it) { ::operator delete[](it, 90, aligned); });

    // More than any machine has: the handler runs until there is none, and then new throws.
    volatile std::size_t too_many = static_cast<std::size_t>(-1) / 4;
    std::set_new_handler(on_failure);
    try {
        void *volatile never = ::operator new(too_many);
        std::fprintf(stderr, "got %p\n", never);
        return 1;
    } catch (const std::bad_alloc &) {
    }
    if (handled != 3 || ::operator new(too_many, std::nothrow) != nullptr) {
        std::fprintf(stderr, "the handler ran %d times\n", handled);
        return 1;
    }
    std::puts("all forms of new and delete are hakmem's");
    return 0;
}
