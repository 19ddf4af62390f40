#![allow(unsafe_code)]

use std::cell::Cell;
use std::thread_local;
use std::vec::Vec;

use crate::entry;
use crate::os::memory::faults;
use crate::tests::alone;

thread_local! {
    /// How often the calling thread gave back all memory kept for reuse.
    pub(super) static RECLAIMS: Cell<usize> = const { Cell::new(0) };
}

fn free(block: *mut u8) {
    // SAFETY: the block is live, and the test forgets it.
    unsafe { entry::free(block) }
}

/// Allocates until there is no memory.
fn exhaust(size: usize) -> Vec<*mut u8> {
    core::iter::from_fn(|| Some(entry::malloc(size)).filter(|block| !block.is_null())).collect()
}

#[test]
fn a_program_that_goes_on_at_its_limit_does_not_reclaim_at_each_request() {
    alone!();
    let plenty: Vec<_> = (0..400).map(|_| entry::malloc(16 << 10)).collect();
    faults::with(libc::SYS_mmap, 0, usize::MAX, || {
        let blocks = exhaust(16 << 10);
        let before = RECLAIMS.get();
        for _ in 0..10_000 {
            assert!(entry::malloc(16 << 10).is_null());
        }
        // One reclaim per interval, of which 10 000 failures take one or two.
        let often = RECLAIMS.get() - before;
        assert!(often < 1_000, "{often} times");
        // Memory that the program frees in answer is found at once: whole slabs, for another size.
        plenty.into_iter().for_each(free);
        let other = entry::malloc(3_000);
        assert!(!other.is_null(), "what was freed is lost to other sizes");
        free(other);
        blocks.into_iter().for_each(free);
    });
}
