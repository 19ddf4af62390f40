// Memory that cannot be had, in C++: the new-handler first, std::bad_alloc then, null if asked for.
#include "check.h"

#include <cstdint>
#include <new>

static const size_t impossible = SIZE_MAX / 2 + 1;
static int handled = 0;

static void give_up_after_three() {
    if (++handled == 3) std::set_new_handler(nullptr);
}

struct MyFailure {};
static void throw_my_failure() { throw MyFailure(); }

template <typename Failure, typename Call> static bool throws(Call call) {
    try {
        void *volatile block = call();
        (void)block;
    } catch (const Failure &) {
        return true;
    }
    return false;
}

int main() {
    volatile size_t size = impossible;
    auto alignment = std::align_val_t(64);
    CHECK(throws<std::bad_alloc>([&] { return ::operator new(size); }));
    CHECK(throws<std::bad_alloc>([&] { return ::operator new[](size); }));
    CHECK(throws<std::bad_alloc>([&] { return ::operator new(size, alignment); }));
    CHECK(throws<std::bad_alloc>([&] { return ::operator new[](size, alignment); }));
    CHECK(::operator new(size, std::nothrow) == nullptr);
    CHECK(::operator new[](size, std::nothrow) == nullptr);
    CHECK(::operator new(size, alignment, std::nothrow) == nullptr);
    CHECK(::operator new[](size, alignment, std::nothrow) == nullptr);
    std::set_new_handler(give_up_after_three);
    CHECK(throws<std::bad_alloc>([&] { return ::operator new(size); }));
    CHECK(handled == 3);
    // The nothrow forms call the handler, too: they are defined by the throwing ones.
    handled = 0;
    std::set_new_handler(give_up_after_three);
    CHECK(::operator new(size, std::nothrow) == nullptr);
    CHECK(handled == 3);
    std::set_new_handler(throw_my_failure);
    CHECK(throws<MyFailure>([&] { return ::operator new(size); }));
    std::set_new_handler(nullptr);
    // A type that is too large in total: the compiler itself throws.
    CHECK(throws<std::bad_alloc>([&] { return static_cast<void *>(new int[size]); }));
    void *block = ::operator new(100);
    ::operator delete(block, 100);
    return 0;
}
