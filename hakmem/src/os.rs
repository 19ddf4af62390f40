//! Every system call and libc function that the allocator uses.
//!
//! Preconditions of the whole layer: no function here allocates through `malloc`, none keeps a file
//! descriptor open, and all may be called before libc's constructors have run.
//!
//! Only [`syscall`] makes system calls, so they are not cancellation points, run no wrapper of
//! another library and leave `errno` as it was. The following libc functions remain; none of them
//! is called with a lock held once a second thread exists:
//!
//! - `__errno_location`: an address that belongs to the thread; takes no lock, and no library wraps
//!   it.
//! - `hakmem_settings`, at the first call: a variable that a C program may define.
//! - `environ` and `getauxval`: data that libc keeps from the start of the process.
//! - `pthread_key_create`, at the first call: the kernel has no way to report a thread exit.
//! - `pthread_setspecific`, at a thread's first and last call, outside of locks: glibc allocates in
//!   it when the key is high, which is why the thread has its heap by then.
//! - `pthread_atfork`, `on_exit` and `__cxa_at_quick_exit`, once, outside of locks.
//! - `dladdr` and `dlopen`, once, outside of locks, to stay loaded where the allocator is part of a
//!   plugin; `dladdr` and `dlvsym`, in the preload library's constructor, to see what the program
//!   uses.
//! - `dladdr`, `dlsym`, `dlopen` and the unwinder, outside of locks, only when `operator new` runs
//!   out of memory.
//!
//! Callers of these functions, which may change `errno`, hold a [`errno::ErrnoGuard`].

pub(crate) mod auxiliary_vector;
pub(crate) mod clock;
pub(crate) mod errno;
pub(crate) mod file;
pub(crate) mod fork_word;
pub(crate) mod futex;
pub(crate) mod limits;
pub(crate) mod loader;
pub(crate) mod memory;
pub(crate) mod message;
pub(crate) mod process;
pub(crate) mod program_text;
pub(crate) mod signal;
pub(crate) mod syscall;
pub(crate) mod thread_id;
pub(crate) mod thread_local;
mod vdso;
