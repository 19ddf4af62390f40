/* long_lists: frees more blocks at a time than a list holds, so that lists grow to their full
   length. */
#include "check.h"

enum { BLOCKS = 20000, TURNS = 3 };

int main(void) {
    static void *blocks[BLOCKS];
    for (int turn = 0; turn < TURNS; turn++) {
        for (int i = 0; i < BLOCKS; i++) CHECK(blocks[i] = opaque(malloc(64)));
        for (int i = 0; i < BLOCKS; i++) free(blocks[i]);
    }
    return 0;
}
