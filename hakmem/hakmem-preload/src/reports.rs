//! Functions that report on the allocator and tune it.
//!
//! # Safety
//! Each function's duties are those that the C library documents for its name.
#![allow(unsafe_code, clippy::missing_safety_doc)]

use core::ffi::{c_int, c_void};
use core::fmt::{self, Write};
use core::ptr;

use hakmem::{entry, totals};

/// `malloc_trim(3)`; the padding is ignored.
#[unsafe(no_mangle)]
pub extern "C" fn malloc_trim(_padding: usize) -> c_int {
    entry::trim().into()
}

macro_rules! mallinfo {
    ($(#[$doc:meta])* $name:ident of $number:ty) => {
        $(#[$doc])*
        #[allow(missing_docs, reason = "mallinfo(3) documents them")]
        #[derive(Clone, Copy, Debug, Default)]
        #[repr(C)]
        pub struct $name {
            pub arena: $number,
            pub ordblks: $number,
            pub smblks: $number,
            pub hblks: $number,
            pub hblkhd: $number,
            pub usmblks: $number,
            pub fsmblks: $number,
            pub uordblks: $number,
            pub fordblks: $number,
            pub keepcost: $number,
        }
    };
}
mallinfo! {
    /// C's `struct mallinfo2`. Declared here because not every C library has it.
    Mallinfo2 of usize
}
mallinfo! {
    /// C's `struct mallinfo`.
    Mallinfo of c_int
}

/// `mallinfo2(3)`: `arena` is the memory of slabs, which splits into `uordblks`, held by the
/// program, and `fordblks`, the rest; `hblkhd` is the memory of large spans in use.
#[unsafe(no_mangle)]
pub extern "C" fn mallinfo2() -> Mallinfo2 {
    let live = entry::live_block_bytes();
    let totals = totals::totals();
    Mallinfo2 {
        arena: totals.slab_bytes,
        ordblks: entry::waiting_blocks().map(|waiting| waiting.blocks).sum(),
        hblkhd: totals.large_bytes,
        uordblks: live,
        fordblks: totals.slab_bytes.saturating_sub(live),
        keepcost: totals.slab_cached_bytes + totals.large_cached_bytes,
        ..Mallinfo2::default()
    }
}

/// `mallinfo(3)`: [`mallinfo2`] in narrower numbers. A value that does not fit becomes the largest
/// number.
#[unsafe(no_mangle)]
pub extern "C" fn mallinfo() -> Mallinfo {
    let wide = mallinfo2();
    let narrow = |number: usize| c_int::try_from(number).unwrap_or(c_int::MAX);
    Mallinfo {
        arena: narrow(wide.arena),
        ordblks: narrow(wide.ordblks),
        hblkhd: narrow(wide.hblkhd),
        uordblks: narrow(wide.uordblks),
        fordblks: narrow(wide.fordblks),
        keepcost: narrow(wide.keepcost),
        ..Mallinfo::default()
    }
}

/// `malloc_stats(3)`: one line on standard error.
#[unsafe(no_mangle)]
pub extern "C" fn malloc_stats() {
    entry::print_stats();
}

/// `mallopt(3)`: nothing that it tunes exists here, so each parameter is accepted and ignored,
/// except for the value that glibc refuses too: a size of fast bins beyond its range.
#[unsafe(no_mangle)]
pub extern "C" fn mallopt(parameter: c_int, value: c_int) -> c_int {
    const M_MXFAST: c_int = 1;
    /// In glibc, 20 times the size of a pointer.
    const FAST_MAX: c_int = 160;
    let is_accepted = parameter != M_MXFAST || (0..=FAST_MAX).contains(&value);
    is_accepted.into()
}

/// `malloc_get_state`, which glibc itself no longer supports: null, with `ENOSYS`.
#[unsafe(no_mangle)]
pub extern "C" fn malloc_get_state() -> *mut c_void {
    // SAFETY: the function has no precondition.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: libc's location is valid for the calling thread.
    unsafe { *errno = libc::ENOSYS };
    ptr::null_mut()
}

/// `malloc_set_state`: -1, because this library never saved a state.
#[unsafe(no_mangle)]
pub extern "C" fn malloc_set_state(_state: *mut c_void) -> c_int {
    -1
}

/// `malloc_info(3)`: XML in glibc's terms. The sizes of its one heap are the blocks that wait in
/// the central store, and its rest is the other free memory of slabs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn malloc_info(options: c_int, stream: *mut libc::FILE) -> c_int {
    if options != 0 {
        return libc::EINVAL;
    }
    // Counted before anything is written, because the stream may allocate.
    let (info, totals) = (mallinfo2(), totals::totals());
    let mut out = Stream(stream);
    // A stream that cannot be written keeps its own error, as under glibc.
    let _ = write_info(&mut out, &info, &totals);
    0
}

fn write_info(out: &mut Stream, info: &Mallinfo2, totals: &totals::Totals) -> fmt::Result {
    out.write_str("<malloc version=\"1\">\n<heap nr=\"0\">\n<sizes>\n")?;
    for waiting in entry::waiting_blocks() {
        let (from, to, count) = (waiting.smallest_bytes, waiting.block_bytes, waiting.blocks);
        let total = to * count;
        writeln!(out, "  <size from=\"{from}\" to=\"{to}\" total=\"{total}\" count=\"{count}\"/>")?;
    }
    out.write_str("</sizes>\n")?;
    write_account(out, info.ordblks, info.fordblks, info.arena)?;
    out.write_str("</heap>\n")?;
    let mapped = totals.large_bytes + totals.large_cached_bytes;
    write_account(out, info.ordblks, info.fordblks, info.arena + mapped)?;
    out.write_str("</malloc>\n")
}

fn write_account(out: &mut Stream, blocks: usize, free: usize, held: usize) -> fmt::Result {
    writeln!(out, "<total type=\"fast\" count=\"0\" size=\"0\"/>")?;
    writeln!(out, "<total type=\"rest\" count=\"{blocks}\" size=\"{free}\"/>")?;
    writeln!(out, "<system type=\"current\" size=\"{held}\"/>")?;
    writeln!(out, "<aspace type=\"total\" size=\"{held}\"/>")
}

/// A stream of the C library.
struct Stream(*mut libc::FILE);

impl Write for Stream {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // SAFETY: the stream is the caller's, and `text` has that many bytes.
        let written = unsafe { libc::fwrite(text.as_ptr().cast(), 1, text.len(), self.0) };
        if written == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}
