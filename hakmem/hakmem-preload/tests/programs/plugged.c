/* plugged FUNCTION LIBRARY...: loads libraries that no other code sees, and calls a function of
   each. */
#include "check.h"

#include <dlfcn.h>

int main(int count, char **arguments) {
    CHECK(count >= 3);
    for (int i = 2; i < count; i++) {
        void *library = dlopen(arguments[i], RTLD_NOW | RTLD_LOCAL);
        if (!library) dprintf(2, "%s\n", dlerror());
        CHECK(library != NULL);
        int (*work)(void) = (int (*)(void))dlsym(library, arguments[1]);
        CHECK(work != NULL && work() == 0);
    }
    return 0;
}
