//! Counts the namespaces of the dynamic loader that the program has made. In each of them libraries
//! have a C library and a `malloc` of their own.
//!
//! # Orderings
//! Relaxed: the count orders nothing.
//!
//! # Safety
//! The field belongs to the mapped header.
#![allow(unsafe_code)]

use core::ptr::addr_of_mut;

use super::Live;
use crate::sync::{AtomicU64, Ordering};

static NAMESPACES: AtomicU64 = AtomicU64::new(0);

/// How many namespaces the program has made. A forked child starts with its parent's count.
pub(crate) fn namespaces() -> u64 {
    NAMESPACES.load(Ordering::Relaxed)
}

/// Counts one more namespace.
pub fn note_namespace() {
    let namespaces = NAMESPACES.fetch_add(1, Ordering::Relaxed) + 1;
    if let Some(header) = Live::current() {
        // SAFETY: a field of the mapped header.
        header.word64(|header| unsafe { addr_of_mut!((*header).namespaces_total) }, namespaces);
    }
}
