/* obtain: takes blocks of a size until a request fails; prints how many KiB they are. */
#include "check.h"

int main(int count, char **arguments) {
    CHECK(count == 2);
    size_t size = strtoul(arguments[1], NULL, 10), blocks = 0;
    void **last = NULL;
    for (void **block; (block = malloc(size)); blocks++) {
        *block = last;
        last = block;
    }
    printf("%zu\n", blocks * size >> 10);
    return 0;
}
