// A plugin in C++ for a program that is not: the plugin's own handlers deal with a failed request.
#include "check.h"

#include <new>

static int handled;

static void give_up_after_three() {
    if (++handled == 3) std::set_new_handler(nullptr);
}

struct OwnFailure {};
static void throw_own_failure() { throw OwnFailure(); }

template <typename Failure, typename Call> static bool throws(Call call) {
    try {
        void *volatile block = call();
        (void)block;
    } catch (const Failure &) {
        return true;
    }
    return false;
}

// Each form throws, or returns null; each calls the new-handler first.
template <typename Call> static void check(bool is_nothrow, Call call) {
    auto fails = [&] { return is_nothrow ? call() == nullptr : throws<std::bad_alloc>(call); };
    CHECK(fails());
    handled = 0;
    std::set_new_handler(give_up_after_three);
    CHECK(fails());
    CHECK(handled == 3);
    if (is_nothrow) return;
    std::set_new_handler(throw_own_failure);
    CHECK(throws<OwnFailure>(call));
    std::set_new_handler(nullptr);
}

extern "C" int plugin_work() {
    volatile size_t size = ~(size_t)0 / 2;
    auto wide = std::align_val_t(64);
    check(false, [&] { return ::operator new(size); });
    check(false, [&] { return ::operator new[](size); });
    check(false, [&] { return ::operator new(size, wide); });
    check(false, [&] { return ::operator new[](size, wide); });
    check(true, [&] { return ::operator new(size, std::nothrow); });
    check(true, [&] { return ::operator new[](size, std::nothrow); });
    check(true, [&] { return ::operator new(size, wide, std::nothrow); });
    check(true, [&] { return ::operator new[](size, wide, std::nothrow); });
    delete[] new int[100];
    return 0;
}
