#![allow(unsafe_code)]

use super::*;

#[test]
fn the_silent_allocator_serves_as_the_other_one_does() {
    crate::tests::start();
    for (size, alignment) in [(0, 1), (1, 1), (100, 8), (100, 256), (5_000, 16), (1 << 20, 4096)] {
        let layout = Layout::from_size_align(size.max(1), alignment).expect("a valid one");
        // SAFETY: the layout's size is at least one byte.
        let block = unsafe { Silent.alloc_zeroed(layout) };
        assert!(!block.is_null() && block.addr().is_multiple_of(alignment));
        // SAFETY: the block has at least one byte.
        assert_eq!(unsafe { block.read() }, 0);
        // SAFETY: the block has at least one byte.
        unsafe { block.write(7) };
        // SAFETY: a live block of this layout.
        let block = unsafe { Silent.realloc(block, layout, 2 * layout.size() + 500) };
        // SAFETY: a live block of at least one byte, which `realloc` has initialised.
        assert_eq!(unsafe { block.read() }, 7);
        let layout = Layout::from_size_align(2 * layout.size() + 500, alignment).expect("valid");
        // SAFETY: a live block of the new layout.
        unsafe { Silent.dealloc(block, layout) };
        // SAFETY: the layout's size is at least one byte.
        let other = unsafe { Silent.alloc(layout) };
        // SAFETY: a live block of this layout.
        unsafe { Silent.dealloc(other, layout) };
    }
}
