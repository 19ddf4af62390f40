/* sizes: structures of earlier and later versions, and wrong ones; labels that are refused. */
#include <hakmem.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition) if (!(condition)) abort()

int main(void) {
    union {
        hakmem_counts counts;
        unsigned char bytes[2 * sizeof(hakmem_counts)];
    } later;
    hakmem_counts counts = HAKMEM_COUNTS_INIT;
    CHECK(hakmem_version() == HAKMEM_VERSION_NUMBER);
    CHECK(hakmem_thread_counts(&counts) == HAKMEM_OK && counts.size == sizeof counts);

    memset(&later, 0xff, sizeof later);
    later.counts.size = sizeof later;
    CHECK(hakmem_process_counts(&later.counts) == HAKMEM_OK);
    CHECK(later.counts.size == sizeof later);
    for (size_t i = sizeof counts; i < sizeof later; i++) CHECK(later.bytes[i] == 0);

    const size_t wrong[] = {0, 8, sizeof counts - 8, sizeof counts + 1, (size_t)-1};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        memset(&counts, 0xee, sizeof counts);
        counts.size = wrong[i];
        CHECK(hakmem_thread_counts(&counts) == HAKMEM_WRONG_SIZE);
        CHECK(counts.frees == 0xeeeeeeeeeeeeeeee);
    }
    CHECK(strstr(hakmem_message(HAKMEM_WRONG_SIZE), "HAKMEM_COUNTS_INIT"));

    CHECK(hakmem_set_label("phase", "serving") == HAKMEM_OK);
    CHECK(hakmem_set_label("phase", "") == HAKMEM_OK);
    CHECK(hakmem_set_label("", "x") == HAKMEM_BAD_KEY);
    CHECK(hakmem_set_label("a=b", "x") == HAKMEM_BAD_KEY);
    CHECK(hakmem_set_label(NULL, "x") == HAKMEM_BAD_KEY);
    CHECK(hakmem_set_label("a", "x,y") == HAKMEM_BAD_VALUE);
    CHECK(hakmem_set_label("a", "\xff") == HAKMEM_BAD_VALUE);
    char longest[600];
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = 0;
    CHECK(hakmem_set_label("a", longest) == HAKMEM_LABELS_FULL);

    char key[64], start[5];
    size_t length = hakmem_segment_key(key, sizeof key);
    CHECK(length == strlen(key) && length > sizeof start);
    CHECK(hakmem_segment_key(start, sizeof start) == length);
    CHECK(strlen(start) == sizeof start - 1 && strncmp(start, key, sizeof start - 1) == 0);
    CHECK(hakmem_segment_key(NULL, 0) == length);
    return 0;
}
