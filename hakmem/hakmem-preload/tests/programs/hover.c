/* hover: fills the lists of one size, and then needs only one block at a time for some seconds. */
#include "check.h"

enum { BLOCKS = 100000, SIZE = 200 };

int main(void) {
    static void *blocks[BLOCKS];
    for (int i = 0; i < BLOCKS; i++) CHECK(blocks[i] = malloc(SIZE));
    for (int i = 0; i < BLOCKS; i++) free(blocks[i]);
    for (int turn = 0; turn < 2500; turn++) {
        for (int i = 0; i < 100; i++) {
            void *volatile block = malloc(SIZE);
            free(block);
        }
        usleep(1000);
    }
    return 0;
}
