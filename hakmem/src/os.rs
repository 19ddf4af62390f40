//! Every system call and libc function that the allocator uses.
//!
//! Preconditions, once for all: nothing here allocates through `malloc`, nothing keeps a file
//! descriptor open, and whatever changes `errno` is wrapped by its caller in
//! [`process::ErrnoGuard`]. Functions may be called before libc's constructors have run.

pub(crate) mod clock;
pub(crate) mod file;
pub(crate) mod futex;
pub(crate) mod memory;
pub(crate) mod message;
pub(crate) mod process;
pub(crate) mod thread_local;
