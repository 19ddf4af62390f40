//! Publishes labels that the program sets while readers look.
//!
//! # Orderings
//! As those of a slot: the sequence is made odd (a relaxed store and a Release fence, so that no
//! later store overtakes it), the text is stored, and the sequence is made even with a Release
//! store, so that the text is seen first.
//!
//! # Safety
//! The fields belong to the mapped header, and are aligned.
#![allow(unsafe_code)]

use core::mem::offset_of;
use core::ptr::addr_of_mut;

use hakmem_segment::SegmentHeader;

use super::Live;
use crate::settings::Text;
use crate::sync::{AtomicU64, Ordering, fence};

const _: () = assert!(offset_of!(SegmentHeader, labels).is_multiple_of(8));

impl Live {
    /// Replaces the labels. One thread at a time calls this.
    pub(crate) fn labels(&self, text: &Text) {
        // SAFETY: a field of the mapped header.
        let sequence = unsafe { addr_of_mut!((*self.0.as_ptr()).labels_sequence) };
        // SAFETY: aligned, mapped, accessed atomically only.
        let sequence = unsafe { &*sequence.cast::<AtomicU64>() };
        // It is odd already if a signal handler jumped out of a change.
        let begun = sequence.load(Ordering::Relaxed) | 1;
        sequence.store(begun, Ordering::Relaxed);
        // Release: the stores below do not overtake the odd sequence.
        fence(Ordering::Release);
        // SAFETY: a field of the mapped header.
        let words = unsafe { addr_of_mut!((*self.0.as_ptr()).labels) }.cast::<AtomicU64>();
        let (chunks, _) = text.padded().as_chunks::<8>();
        for (at, chunk) in chunks.iter().enumerate() {
            // SAFETY: the field has as many words as the text.
            let word = unsafe { words.add(at) };
            // SAFETY: aligned and mapped; once the segment is ready, accessed atomically only.
            unsafe { &*word }.store(u64::from_le_bytes(*chunk), Ordering::Relaxed);
        }
        let bytes = text.as_bytes().len() as u32;
        // SAFETY: a field of the mapped header.
        self.word32(|header| unsafe { addr_of_mut!((*header).labels_bytes) }, bytes);
        // Release: the stores above are seen before the even sequence.
        sequence.store(begun.wrapping_add(1), Ordering::Release);
    }
}
