/* turns N SIZE: calls malloc(SIZE) and free N times. */
#include "check.h"

int main(int count, char **arguments) {
    CHECK(count == 3);
    long turns = atol(arguments[1]);
    size_t size = (size_t)atol(arguments[2]);
    for (long i = 0; i < turns; i++) free(opaque(malloc(size)));
    return 0;
}
