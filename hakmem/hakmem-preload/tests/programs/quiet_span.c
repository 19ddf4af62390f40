/* quiet_span: frees a span after a second without a call. The span counts as freed just now, like
   any other, and is kept for reuse. */
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
    /* Too large for the kept span. On the way, housekeeping looks twice whether it was kept long
       enough. */
    CHECK(malloc(3 * mib));
    usleep(30 * 1000);
    CHECK(malloc(5 * mib));
    CHECK(mallinfo2().keepcost >= 2 * mib);
    return 0;
}
