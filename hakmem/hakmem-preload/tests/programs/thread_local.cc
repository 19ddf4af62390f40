// Destructors of thread-local objects free memory that the thread allocated.
#include "check.h"

#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

struct Holder {
    std::vector<std::string> texts;
    ~Holder() {
        for (auto &text : texts) CHECK(text.size() == 100 && text[50] == 'x');
        // A thread may also allocate while it is ending.
        std::vector<std::string> copy = texts;
        CHECK(copy == texts);
    }
};

static thread_local Holder holder;

int main() {
    for (int round = 0; round < 200; round++) {
        std::vector<std::thread> threads;
        for (int i = 0; i < 4; i++)
            threads.emplace_back([] {
                for (int j = 0; j < 50; j++) holder.texts.emplace_back(100, 'x');
            });
        for (auto &thread : threads) thread.join();
    }
}
