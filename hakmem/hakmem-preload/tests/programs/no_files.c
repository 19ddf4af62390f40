/* no_files THREADS: runs THREADS threads at once, in a sandbox that kills for any call about
   files. */
#include "check.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static pthread_barrier_t barrier;

static void *allocate(void *argument) {
    for (size_t size = 16; size < 5000; size += 100) {
        unsigned char *block = opaque(malloc(size));
        CHECK(block);
        fill(block, size, (unsigned)size);
        CHECK(is_filled(block, size, (unsigned)size));
        free(block);
    }
    pthread_barrier_wait(&barrier);
    return argument;
}

#define REFUSE(call) \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##call, 0, 1), \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)

int main(int count, char **arguments) {
    CHECK(count == 2);
    int threads = atoi(arguments[1]);
    CHECK(threads > 0 && threads <= 200);
    CHECK(pthread_barrier_init(&barrier, NULL, (unsigned)threads) == 0);
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        REFUSE(openat),
        REFUSE(ftruncate),
        REFUSE(fallocate),
        REFUSE(flock),
        REFUSE(close),
        REFUSE(fstat),
        REFUSE(newfstatat),
        REFUSE(statfs),
        REFUSE(fstatfs),
        REFUSE(getdents64),
        REFUSE(unlinkat),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
    pthread_t thread[200];
    for (int i = 0; i < threads; i++) CHECK(pthread_create(&thread[i], NULL, allocate, NULL) == 0);
    for (int i = 0; i < threads; i++) CHECK(pthread_join(thread[i], NULL) == 0);
    return 0;
}
