/* stack_use: runs every path of the allocator on a painted stack of 8 KiB, and on threads with the
   smallest stack that there is, in the parent and in a child, and prints how many bytes each path
   used beyond an empty function. It also measures the first call of the process, the end of a
   thread and the end of a process. */
#include "check.h"

#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>

enum { STACK = 8192, PAGE = 4096, PAINT = 0xa5, BLOCKS = 3000 };

static ucontext_t caller, callee;
static void (*path_to_run)(void);

static void run_path(void) {
    path_to_run();
    swapcontext(&callee, &caller);
}

/* A small painted stack in front of a page that cannot be touched. A child shares it with its
   parent. */
static char *painted_stack(void) {
    char *memory =
        mmap(NULL, PAGE + STACK, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED && mprotect(memory, PAGE, PROT_NONE) == 0);
    char *stack = memory + PAGE;
    for (int i = 0; i < STACK; i++) stack[i] = (char)PAINT;
    return stack;
}

static void run_on(char *stack, void (*path)(void)) {
    path_to_run = path;
    CHECK(getcontext(&callee) == 0);
    callee.uc_stack.ss_sp = stack;
    callee.uc_stack.ss_size = STACK;
    callee.uc_link = &caller;
    makecontext(&callee, run_path, 0);
    CHECK(swapcontext(&caller, &callee) == 0);
}

static size_t end_use(char *stack) {
    size_t untouched = 0;
    while (untouched < STACK && stack[untouched] == (char)PAINT) untouched++;
    CHECK(munmap(stack - PAGE, PAGE + STACK) == 0);
    return STACK - untouched;
}

/* Bytes of a small stack that a function uses. */
static size_t use_of(void (*path)(void)) {
    char *stack = painted_stack();
    run_on(stack, path);
    return end_use(stack);
}

static void *blocks[BLOCKS];

static void nothing(void) {}
static void first_call(void) { blocks[0] = malloc(100); }
static void first_large_call(void) { blocks[0] = malloc(1 << 20); }
static void free_first(void) { free(blocks[0]); }

static void allocate_small(void) { for (int i = 0; i < BLOCKS; i++) blocks[i] = malloc(200); }
static void allocate_mid(void) {
    for (int i = 0; i < BLOCKS; i++) blocks[i] = calloc(1, 1000 + (size_t)i * 20);
}
static void allocate_aligned(void) {
    for (int i = 0; i < BLOCKS; i++) blocks[i] = aligned_alloc(256, 256 * (1 + (size_t)i % 40));
}
static void allocate_large(void) {
    for (int i = 0; i < 40; i++) blocks[i] = malloc(300000 + (size_t)i * 5000);
}
static void resize(void) {
    for (int i = 0; i < BLOCKS; i++) blocks[i] = realloc(blocks[i], 1 + (size_t)i * 101);
}
static void free_all(void) {
    for (int i = 0; i < BLOCKS; i++) {
        free(blocks[i]);
        blocks[i] = NULL;
    }
}
static void trim(void) { malloc_trim(0); }
static void refuse(void) { CHECK(!malloc(PTRDIFF_MAX / 2) && !calloc(1 << 20, (size_t)1 << 50)); }
static void free_foreign(void) { free(opaque((char *)blocks + 8)); }

static void tell(const char *place, const char *name, void (*path)(void)) {
    size_t empty = use_of(nothing), used = use_of(path);
    CHECK(dprintf(1, "%s %s %zu\n", place, name, used > empty ? used - empty : 0) > 0);
}

static void tell_all(const char *place) {
    tell(place, "allocate_small", allocate_small);
    tell(place, "free_small", free_all);
    tell(place, "allocate_mid", allocate_mid);
    tell(place, "resize", resize);
    tell(place, "free_mid", free_all);
    tell(place, "allocate_aligned", allocate_aligned);
    tell(place, "free_aligned", free_all);
    tell(place, "allocate_large", allocate_large);
    tell(place, "free_large", free_all);
    tell(place, "trim", trim);
    tell(place, "refuse", refuse);
    tell(place, "free_foreign", free_foreign);
}

static void *in_thread(void *argument) {
    tell(argument, "first_call", first_call);
    tell(argument, "free_first", free_first);
    return NULL;
}

/* Its own stack is the smallest, and at its end the blocks on its lists are given back. */
static void *on_smallest_stack(void *argument) {
    (void)argument;
    void *mine[100];
    for (int i = 0; i < 100; i++) mine[i] = malloc(1 + (size_t)i * 300);
    void *large = realloc(malloc(1 << 20), 2 << 20);
    free(large);
    for (int i = 0; i < 100; i++) free(mine[i]);
    return NULL;
}

static void run_thread(void *(*work)(void *), void *argument, size_t stack) {
    pthread_attr_t attributes;
    pthread_t thread;
    CHECK(pthread_attr_init(&attributes) == 0);
    if (stack) CHECK(pthread_attr_setstacksize(&attributes, stack) == 0);
    CHECK(pthread_create(&thread, &attributes, work, argument) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(pthread_attr_destroy(&attributes) == 0);
}

/* The very first call: before any constructor runs, including that of the allocator. */
static size_t first_call_use, empty_use;
static void before_all(void) {
    empty_use = use_of(nothing);
    first_call_use = use_of(first_call);
}
__attribute__((section(".preinit_array"), used)) static void (*const before)(void) = before_all;

/* The end of a thread. The allocator's destructor gives the lists back in the third round; another
   destructor paints the stack below in the second round, and looks at it in the third. */
static pthread_key_t key;
static size_t rounds, thread_end_use;

static void paint_and_look(void *argument) {
    enum { ABOVE = 256, REACH = 6000 };
    volatile char *frame = __builtin_frame_address(0);
    if (++rounds < 3) CHECK(pthread_setspecific(key, argument) == 0);
    if (rounds == 2) for (int i = ABOVE; i < REACH; i++) frame[-i] = (char)PAINT;
    if (rounds != 3) return;
    int used = REACH - 1;
    while (used > ABOVE && frame[-used] == (char)PAINT) used--;
    thread_end_use = (size_t)used;
}

static void *end_with_lists(void *argument) {
    allocate_small();
    free_all();
    CHECK(pthread_setspecific(key, argument) == 0);
    return NULL;
}

/* The end of a process: of a child, whose stack can be seen from here. */
static void end_at_once(void) { _exit(0); }
static void end_well(void) { exit(0); }
static void end_quickly(void) { quick_exit(0); }

static void tell_end(const char *name, void (*path)(void)) {
    char *stack = painted_stack();
    pid_t pid = fork();
    if (pid == 0) {
        allocate_small();
        free_all();
        run_on(stack, path);
    }
    int status;
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
    CHECK(dprintf(1, "end %s %zu\n", name, end_use(stack) - empty_use) > 0);
}

static void be_child(void (*first)(void), const char *name) {
    tell("child", name, first);
    free(blocks[0]);
    blocks[0] = NULL;
    tell_all("child");
    run_thread(in_thread, "thread_of_child", 0);
    run_thread(on_smallest_stack, NULL, (size_t)sysconf(_SC_THREAD_STACK_MIN));
    _exit(0);
}

static void wait_for(pid_t pid) {
    int status;
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
}

int main(void) {
    CHECK(dprintf(1, "process first_call %zu\n", first_call_use - empty_use) > 0);
    free(blocks[0]);
    pid_t pid = fork();
    if (pid == 0) be_child(first_call, "first_call");
    wait_for(pid);
    pid = fork();
    if (pid == 0) be_child(first_large_call, "first_large_call");
    wait_for(pid);
    pid = _Fork();
    if (pid == 0) be_child(first_call, "first_call_past_libc");
    wait_for(pid);
    tell_all("parent");
    run_thread(in_thread, "thread", 0);
    run_thread(on_smallest_stack, NULL, (size_t)sysconf(_SC_THREAD_STACK_MIN));
    CHECK(pthread_key_create(&key, paint_and_look) == 0);
    run_thread(end_with_lists, &key, 0);
    CHECK(rounds == 3 && dprintf(1, "end thread %zu\n", thread_end_use) > 0);
    tell_end("_exit", end_at_once);
    tell_end("exit", end_well);
    tell_end("quick_exit", end_quickly);
    return 0;
}
