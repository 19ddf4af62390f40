//! Every system call and libc function that the allocator uses.
//!
//! Preconditions, once for all: nothing here allocates through `malloc` or keeps a file descriptor
//! open, and functions may be called before libc's constructors have run.
//!
//! System calls are made by [`syscall`] alone, so they are no cancellation points, run no wrapper
//! of another library and leave `errno` as it was.
//! Of libc this remains, and none of it is called with a lock held once a second thread exists:
//!
//! - `__errno_location`: an address of the thread; takes no lock and is wrapped by nobody.
//! - `environ` and `getauxval`: data that libc keeps from the start.
//! - `pthread_key_create`, at the first call: the kernel has no way to tell of a thread's end.
//! - `pthread_setspecific`, at a thread's first call and last one, outside of locks: glibc
//!   allocates in it when the key is high, which is why the thread has its heap by then.
//! - `pthread_atfork`, `on_exit` and `__cxa_at_quick_exit`, once, outside of locks.
//! - `dladdr` and `dlopen`, once, outside of locks, to stay loaded where this is part of a plugin;
//!   `dladdr` and `dlvsym`, in the preload library's constructor, to see what the program uses.
//! - `dladdr`, `dlsym`, `dlopen` and the unwinder, outside of locks, only when `operator new` is
//!   out of memory.
//!
//! Those may change `errno`: their callers hold a [`process::ErrnoGuard`].

pub(crate) mod clock;
pub(crate) mod file;
pub(crate) mod fork_word;
pub(crate) mod futex;
pub(crate) mod loader;
pub(crate) mod memory;
pub(crate) mod message;
pub(crate) mod process;
pub(crate) mod signal;
pub(crate) mod syscall;
pub(crate) mod thread_id;
pub(crate) mod thread_local;
mod vdso;
