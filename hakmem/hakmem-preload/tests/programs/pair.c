/* pair TURNS: allocates and frees 64 bytes so many times. */
#include <stdlib.h>

int main(int count, char **arguments) {
    long turns = count > 1 ? strtol(arguments[1], 0, 10) : 0;
    while (turns-- > 0) {
        void *volatile block = malloc(64);
        free(block);
    }
    return 0;
}
