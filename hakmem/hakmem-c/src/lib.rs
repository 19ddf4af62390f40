//! `libhakmem`, shared and static: what C and C++ programs link. `include/hakmem.h` declares
//! hakmem's own functions, `README.md` is for users, and `install` builds and installs it all.
//!
//! The allocation functions are the preload library's, from the same files. Nothing else may depend
//! on this crate: a program that links it gets its `malloc`.
//!
//! # Layers, bottom to top
//!
//! A module may use those above it in this list (the lower ones) and none below it; those of the
//! preload library lie between the two.
//!
//! - `variant`: what differs between this library and the preload library.
//! - `own`: hakmem's own functions by their names, and who answers them.

#[path = "../../hakmem-preload/src/aliases.rs"]
pub mod aliases;
#[path = "../../hakmem-preload/src/answers.rs"]
pub mod answers;
#[path = "../../hakmem-preload/src/c.rs"]
pub mod c;
#[path = "../../hakmem-preload/src/cache_line.rs"]
mod cache_line;
#[path = "../../hakmem-preload/src/cxx.rs"]
pub mod cxx;
#[path = "../../hakmem-preload/src/loading.rs"]
pub mod loading;
mod own;
#[path = "../../hakmem-preload/src/process.rs"]
pub mod process;
#[path = "../../hakmem-preload/src/reports.rs"]
pub mod reports;
mod variant;

pub(crate) use cache_line::begin_at_cache_line;

// In the static library this becomes part of the executable.
core::arch::global_asm!(hakmem::own_allocator_note!());
