/* After the program has begun, the allocator makes only the calls that every allocator needs: a
   filter answers all others with SIGSYS, also in threads that begin under it.

   Messages are let through, so that the program can print what stops it; the test checks that it
   printed nothing. */
#include "check.h"
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ALLOWED(name)                                        \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1),   \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static const struct sock_filter filter[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    /* The calls that COMPATIBILITY.md lists for the allocator; getpid at the end of the process. */
    ALLOWED(mmap), ALLOWED(munmap), ALLOWED(mremap), ALLOWED(madvise), ALLOWED(mprotect),
    ALLOWED(futex), ALLOWED(getpid),
    /* The calls that libc needs for threads, for sleeping, for printing, and to end. */
    ALLOWED(clone), ALLOWED(clone3), ALLOWED(set_robust_list), ALLOWED(rseq),
    ALLOWED(rt_sigprocmask), ALLOWED(clock_nanosleep), ALLOWED(restart_syscall),
    ALLOWED(write), ALLOWED(exit), ALLOWED(exit_group),
    /* The calls of the clocks, skipped where the vDSO reads them. */
    ALLOWED(clock_gettime),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
};

static void refuse_all_others(int clock_is_a_call) {
    struct sock_filter chosen[sizeof filter / sizeof *filter];
    size_t count = sizeof filter / sizeof *filter;
    memcpy(chosen, filter, sizeof filter);
    if (!clock_is_a_call) {
        chosen[count - 3] = chosen[count - 1];
        count -= 2;
    }
    struct sock_fprog program = {count, chosen};
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

/* Whether the vDSO makes a system call to read a clock, as it does if the kernel keeps time by
   other means than the processor's counter. A child tries it. */
static int clock_is_a_call(void) {
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        struct timespec time;
        refuse_all_others(0);
        syscall(SYS_exit_group, clock_gettime(CLOCK_MONOTONIC, &time));
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    return status != 0;
}

static void refused(int signal, siginfo_t *info, void *context) {
    char text[] = "system call 000 is not allowed\n";
    int number = info->si_syscall;
    for (int at = 14; at >= 12; at--, number /= 10) text[at] = (char)('0' + number % 10);
    syscall(SYS_write, 2, text, sizeof text - 1);
    syscall(SYS_exit_group, 1);
    (void)signal, (void)context;
}

static void milliseconds(long count) {
    struct timespec time = {count / 1000, count % 1000 * 1000000};
    nanosleep(&time, NULL);
}

static void use_everything(unsigned seed) {
    static _Thread_local char *blocks[8000];
    for (int round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 8000; i++) {
            size_t size = (i * 37 + seed) % (i % 100 ? 3000 : 200000);
            CHECK(blocks[i] = opaque(i % 3 ? malloc(size) : calloc(1, size)));
            if (size) blocks[i][size - 1] = 1;
        }
        for (unsigned i = 0; i < 8000; i++) free(blocks[i]);
    }
    char *spans[20];
    for (int i = 0; i < 20; i++) CHECK(spans[i] = opaque(malloc(300000 + 100000 * i)));
    for (int i = 0; i < 20; i++) CHECK(spans[i] = opaque(realloc(spans[i], 5000000 + i)));
    for (int i = 0; i < 20; i++) free(spans[i]);
    void *aligned = opaque(aligned_alloc(1 << 21, 1 << 21));
    CHECK(aligned && malloc_usable_size(aligned) >= 1 << 21);
    free(aligned);
    errno = 0;
    CHECK(opaque(malloc((size_t)1 << 60)) == NULL && errno == ENOMEM);
}

static void *work(void *seed) {
    use_everything((unsigned)(size_t)seed);
    return NULL;
}

int main(int count, char **arguments) {
    int threads = count > 1 ? atoi(arguments[1]) : 8;
    pthread_t all[256];
    CHECK(threads <= 256);
    /* libc obtains the memory that it needs for its first thread. */
    CHECK(pthread_create(&all[0], NULL, work, NULL) == 0 && pthread_join(all[0], NULL) == 0);
    struct sigaction action = {.sa_sigaction = refused, .sa_flags = SA_SIGINFO};
    int by_call = clock_is_a_call();
    CHECK(sigaction(SIGSYS, &action, NULL) == 0);
    refuse_all_others(by_call);
    for (int round = 0; round < 3; round++) {
        use_everything(round);
        /* Longer than the interval of housekeeping, and than freed memory is kept for reuse. */
        milliseconds(400);
    }
    malloc_trim(0);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < (size_t)threads; i++)
            CHECK(pthread_create(&all[i], NULL, work, (void *)i) == 0);
        for (int i = 0; i < threads; i++) CHECK(pthread_join(all[i], NULL) == 0);
        milliseconds(300);
    }
    exit(0);
}
