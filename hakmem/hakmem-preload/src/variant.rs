//! What differs between the preload library and `libhakmem`.

use hakmem::entry::{self, CxxRuntime};

use crate::front;

/// Does not count reallocations, because nobody in the process can ask for them, and in place they
/// cost nothing then.
pub(crate) use hakmem::entry::realloc;

/// The C++ runtime that this library is linked with: none.
pub(crate) fn cxx_runtime() -> Option<CxxRuntime> {
    None
}

/// Starts the allocator, and warns a program with malloc hooks that they are never called.
pub(crate) fn start() {
    entry::start();
    entry::tell_of_hooks();
    front::answer();
}
