/* nth_call N once|always PROGRAM [ARGUMENT]...: runs a program under the library that NTH_PRELOAD
   names, and makes system calls of the library fail. Of all calls that the library's own code
   makes, in any process or thread, the Nth fails, or that one and all later ones; with N = 0 none
   fails. Prints how many calls there were; ends as the program does.

   The tracer sees each call of the program by ptrace, and recognises the library's own by the
   address of the instruction. Calls that the kernel does not refuse are left alone, such as waking
   a sleeper and ending. */
#include "check.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>

/* Number of programs that may be traced at a time, and those whose current call is to fail. */
enum { TRACED_MAX = 64 };
static struct {
    pid_t task;
    int fails_with;
} failing[TRACED_MAX];

/* Addresses of the library's code: equal in all processes, because they are forked. */
static unsigned long code_begin, code_end;

static void find_code(pid_t task) {
    char path[64], line[512];
    snprintf(path, sizeof path, "/proc/%d/maps", task);
    FILE *maps = fopen(path, "r");
    while (maps && fgets(line, sizeof line, maps)) {
        unsigned long begin, end;
        char rights[8];
        if (strstr(line, "libhakmem_preload.so") &&
            sscanf(line, "%lx-%lx %7s", &begin, &end, rights) == 3 && rights[2] == 'x') {
            code_begin = begin;
            code_end = end;
        }
    }
    if (maps) fclose(maps);
}

/* The error with which the kernel refuses a call; 0 for calls that it cannot refuse. */
static int refusal(unsigned long number) {
    switch (number) {
    case SYS_futex:
    case SYS_exit_group:
    case SYS_write:
    case SYS_tgkill:
    case SYS_rt_sigaction:
    case SYS_rt_sigprocmask:
    case SYS_gettid:
    case SYS_getpid:
    case SYS_close: return 0;
    /* A refusal leaves a half-made segment, which cannot be read; agents remove such segments. */
    case SYS_unlinkat: return 0;
    case SYS_mmap:
    case SYS_munmap:
    case SYS_mremap:
    case SYS_mprotect: return ENOMEM;
    case SYS_madvise: return EINVAL;
    case SYS_openat: return EMFILE;
    case SYS_fallocate: return ENOSPC;
    case SYS_read: return EIO;
    default: return EPERM;
    }
}

static int *failing_slot(pid_t task) {
    int empty = -1;
    for (int i = 0; i < TRACED_MAX; i++) {
        if (failing[i].task == task) return &failing[i].fails_with;
        if (failing[i].task == 0) empty = i;
    }
    CHECK(empty >= 0);
    failing[empty].task = task;
    failing[empty].fails_with = 0;
    return &failing[empty].fails_with;
}

static void set_register(pid_t task, size_t offset, long value) {
    CHECK(ptrace(PTRACE_POKEUSER, task, offset, value) == 0);
}

int main(int count, char **arguments) {
    CHECK(count >= 4);
    const long wanted = atol(arguments[1]);
    const int always = strcmp(arguments[2], "always") == 0;
    const pid_t first = fork();
    CHECK(first >= 0);
    if (first == 0) {
        CHECK(setenv("LD_PRELOAD", getenv("NTH_PRELOAD"), 1) == 0);
        CHECK(ptrace(PTRACE_TRACEME, 0, 0, 0) == 0);
        raise(SIGSTOP);
        execv(arguments[3], arguments + 3);
        _exit(126);
    }
    int status;
    CHECK(waitpid(first, &status, 0) == first && WIFSTOPPED(status));
    const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL | PTRACE_O_TRACECLONE |
                         PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC;
    CHECK(ptrace(PTRACE_SETOPTIONS, first, 0, options) == 0);
    CHECK(ptrace(PTRACE_SYSCALL, first, 0, 0) == 0);
    long calls = 0;
    int end = 0;
    for (;;) {
        const pid_t task = waitpid(-1, &status, __WALL);
        if (task < 0 && errno == ECHILD) break;
        CHECK(task > 0);
        if (WIFEXITED(status) || WIFSIGNALED(status)) {
            if (task == first) end = status;
            *failing_slot(task) = 0;
            continue;
        }
        int signal = WSTOPSIG(status);
        if (signal == (SIGTRAP | 0x80)) {
            struct __ptrace_syscall_info call;
            int *fails_with = failing_slot(task);
            if (ptrace(PTRACE_GET_SYSCALL_INFO, task, sizeof call, &call) <= 0) continue;
            if (call.op == PTRACE_SYSCALL_INFO_ENTRY) {
                if (code_end == 0) find_code(task);
                const unsigned long at = call.instruction_pointer;
                if (at >= code_begin && at < code_end && refusal(call.entry.nr) != 0) {
                    calls++;
                    if (wanted > 0 && (calls == wanted || (always && calls > wanted))) {
                        *fails_with = refusal(call.entry.nr);
                        set_register(task, offsetof(struct user_regs_struct, orig_rax), -1);
                    }
                }
            } else if (*fails_with != 0) {
                set_register(task, offsetof(struct user_regs_struct, rax), -*fails_with);
                *fails_with = 0;
            }
            signal = 0;
        } else if (signal == SIGTRAP || signal == SIGSTOP) {
            /* An event of ptrace, or the first stop of a new task. */
            signal = 0;
        }
        ptrace(PTRACE_SYSCALL, task, 0, signal);
    }
    printf("%ld calls\n", calls);
    if (WIFSIGNALED(end)) {
        dprintf(2, "ended by signal %d\n", WTERMSIG(end));
        return 125;
    }
    return WEXITSTATUS(end);
}
