use core::cell::Cell;

use std::collections::HashSet;
use std::vec::Vec;

use super::*;
use crate::bins::{GRANULE, SMALL_SIZES};

const LAYOUTS: [Layout; 3] = [Layout::Plain, Layout::Mixed, Layout::Uniform];

/// Every address that a slab of this bin hands out, relative to the slab.
fn blocks(layout: Layout, bin: usize) -> impl Iterator<Item = usize> {
    let (first, stride) = (layout.first_offset(bin), bins::stride(bin));
    let capacity = (GRANULE * bins::slab_granules(bin) - first) / stride;
    (0..capacity).map(move |index| first + index * stride)
}

#[test]
fn every_request_gets_a_block_that_is_large_and_aligned_enough() {
    for layout in LAYOUTS {
        let table = [const { Cell::new(0) }; SMALL_SIZES];
        layout.write_small_bins(true, &table);
        let table = table.map(|bin| bin.get());
        for size in 0..=MID_MAX {
            let bin = layout.bin_of_size(size);
            assert!(layout.usable_bytes(bin) >= size, "{layout:?} {size}");
            assert!(layout.uses(bin), "{layout:?} {size}");
            if let Some(&entry) = table.get(size) {
                assert_eq!(usize::from(entry), bin, "{layout:?} {size}");
            }
            // The fast path guesses so, because it does not know the layout of mid sizes.
            let guess = if size <= bins::SMALL_MAX { bin } else { bins::of_size(size) };
            assert_eq!(layout.serving(guess), bin, "{layout:?} {size}");
        }
        assert_eq!(layout.bin_of_size(MID_MAX + 1), BIN_LARGE);
    }
}

#[test]
fn blocks_are_aligned_as_their_requests_ask() {
    for layout in LAYOUTS {
        for shift in 0..=16 {
            let alignment = 1_usize << shift;
            for size in (1..=4096).chain([5000, 65_536, 200_000]) {
                let bin = layout.bin_of_aligned(size, alignment);
                if bin == BIN_LARGE {
                    continue;
                }
                assert!(layout.usable_bytes(bin) >= size);
                let wanted = if size >= 16 { alignment.max(16) } else { alignment };
                assert!(
                    blocks(layout, bin).all(|at| at.is_multiple_of(wanted)),
                    "{layout:?}: {size} at {alignment}"
                );
            }
        }
    }
}

#[test]
fn only_blocks_without_a_header_and_some_of_16_bytes_lie_on_the_grid() {
    for layout in [Layout::Mixed, Layout::Uniform] {
        for bin in bins::in_use().filter(|&bin| layout.uses(bin)) {
            let on_grid = |&at: &usize| at.is_multiple_of(HEADERLESS_ALIGNMENT);
            let all = blocks(layout, bin).count();
            let found = blocks(layout, bin).filter(on_grid).count();
            if layout.header(bin).is_none() {
                assert_eq!(found, all, "{layout:?}, bin {bin}: every one is on the grid");
            } else if bins::stride(bin) == 16 {
                assert_eq!(found, 63, "{layout:?}: one in 64, less the header's place");
            } else {
                assert_eq!(found, 0, "{layout:?}, bin {bin}");
            }
        }
    }
}

#[test]
fn headers_lie_inside_the_slab_and_in_no_other_block() {
    for layout in [Layout::Mixed, Layout::Uniform] {
        for bin in bins::in_use().filter(|&bin| layout.uses(bin)) {
            let Some(_) = layout.header(bin) else { continue };
            let starts: Vec<usize> = blocks(layout, bin).collect();
            let headers: HashSet<usize> = starts.iter().map(|&at| at - HEADER_BYTES).collect();
            assert_eq!(headers.len(), starts.len());
            for at in starts {
                let own = at..at + layout.usable_bytes(bin);
                assert!(own.clone().all(|byte| !headers.contains(&byte)));
                assert!(own.end <= GRANULE * bins::slab_granules(bin));
            }
        }
    }
}

#[test]
fn no_free_blocks_link_reaches_a_header() {
    for layout in [Layout::Mixed, Layout::Uniform] {
        for bin in bins::in_use().filter(|&bin| layout.uses(bin)) {
            assert!(layout.usable_bytes(bin) >= size_of::<usize>(), "{layout:?}, bin {bin}");
        }
    }
}

#[test]
fn the_published_table_is_the_table() {
    for layout in LAYOUTS {
        let table = layout.published();
        assert_eq!(table[0].class, Class::None as u8);
        assert_eq!(table[BIN_LARGE].class, Class::Large as u8);
        for bin in bins::in_use() {
            let info = table[bin];
            if layout.uses(bin) {
                assert_eq!(info.stride_bytes as usize, bins::stride(bin));
                assert_eq!(info.class, bins::class(bin) as u8);
                assert_eq!(
                    usize::from(info.header_bytes),
                    bins::stride(bin) - layout.usable_bytes(bin)
                );
            } else {
                assert_eq!((info.stride_bytes, info.class), (0, Class::None as u8));
            }
        }
    }
    assert_eq!(Layout::Plain.fast_outcome(BIN_C7), Outcome::Map);
    assert_eq!(Layout::Uniform.fast_outcome(BIN_C7_HEADER), Outcome::Header);
    assert_eq!(Layout::Mixed.fast_outcome(BIN_C7), Outcome::Headerless);
}

#[test]
fn a_choice_survives_its_packing() {
    let before = Choice::current();
    for &routing in Routing::ALL {
        for on_error in [OnError::Report, OnError::Abort] {
            let choice = Choice { routing, push: Push::Boxed, check: Check::Full, on_error };
            let bytes = choice.packed();
            assert_eq!(Choice::unpacked(bytes), choice);
        }
    }
    assert_eq!(Choice::current(), before, "the test leaves the process's choice alone");
}
