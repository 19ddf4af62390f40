/* bus_error HOW: a SIGBUS of the program's own making. */
#include "check.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>

static void *page;

static void on_bus_error(int signal, siginfo_t *information, void *context) {
    (void)context;
    CHECK(signal == SIGBUS && information->si_addr == page);
    _exit(9);
}

int main(int count, char **arguments) {
    CHECK(count == 2);
    free(opaque(malloc(100)));
    if (strcmp(arguments[1], "sent") == 0) {
        kill(getpid(), SIGBUS);
        return 1;
    }
    char name[] = "/dev/shm/hakmem-test-bus-XXXXXX";
    int file = mkstemp(name);
    CHECK(file >= 0 && unlink(name) == 0 && ftruncate(file, 4096) == 0);
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    CHECK(page != MAP_FAILED && ftruncate(file, 0) == 0);
    if (strcmp(arguments[1], "handled") == 0) {
        struct sigaction action = {.sa_flags = SA_SIGINFO};
        action.sa_sigaction = on_bus_error;
        CHECK(sigaction(SIGBUS, &action, NULL) == 0);
    }
    *(volatile char *)page = 1;
    return 1;
}
