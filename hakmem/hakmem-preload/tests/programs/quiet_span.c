/* quiet_span: frees a span after a second without a call. It is as fresh as any other then, and
   waits for reuse. */
#include "check.h"

#include <malloc.h>
#include <string.h>

int main(void) {
    const size_t mib = 1 << 20;
    char *span = malloc(2 * mib);
    CHECK(span);
    memset(span, 1, 2 * mib);
    usleep(900 * 1000);
    free(span);
    CHECK(mallinfo2().keepcost >= 2 * mib);
    /* Too large for what waits; on the way housekeeping looks twice whether it has waited for long. */
    CHECK(malloc(3 * mib));
    usleep(30 * 1000);
    CHECK(malloc(5 * mib));
    CHECK(mallinfo2().keepcost >= 2 * mib);
    return 0;
}
