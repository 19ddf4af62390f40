//! The front gate: what a freed pointer is.
//!
//! This is the only place that classifies pointers. Under the routing `direct` one load from the
//! class map names the bin of every pointer into a slab; whatever it does not name is the start of
//! a large span, or foreign. Routings with headers will have their own function here, and nothing
//! outside this file may read a header.

use crate::class_map::ClassMap;
use crate::large;

/// The bin of a pointer into a slab; 0 or `None` for every other. `map` is the copy in the calling
/// thread's heap.
#[inline(always)]
pub(crate) fn bin(map: &ClassMap, pointer: *mut u8) -> Option<usize> {
    map.bin(pointer as usize)
}

/// The same with the process's own map, for slow paths: the thread may have no heap.
pub(crate) fn bin_slow(pointer: *mut u8) -> usize {
    bin(&ClassMap::current(), pointer).unwrap_or(0)
}

/// Bytes that the block or span at a pointer has room for; `None` for a foreign pointer.
pub(crate) fn usable_bytes(pointer: *mut u8) -> Option<usize> {
    match bin_slow(pointer) {
        0 => large::bytes(pointer as usize),
        bin => Some(crate::bins::stride(bin)),
    }
}
