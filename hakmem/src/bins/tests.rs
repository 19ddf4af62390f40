use hakmem_segment::{BIN_LARGE, Class};

use super::*;

#[test]
fn strides_rise_and_satisfy_the_c_rule() {
    assert_eq!(stride(1), 8);
    for bin in in_use().skip(1) {
        assert!(stride(bin) > stride(bin - 1) || bin == BIN_C7_HEADER);
        assert_eq!(stride(bin) % 16, 0, "bin {bin}");
    }
}

#[test]
fn every_size_gets_the_smallest_bin_that_fits() {
    for size in 0..=MID_MAX {
        let bin = of_size(size);
        assert!(in_use().contains(&bin), "{size}");
        assert!(stride(bin) >= size, "{size} in {}", stride(bin));
        assert!(bin == 1 || stride(bin - 1) < size.max(1), "{size} fits in bin {}", bin - 1);
    }
    assert_eq!(of_size(MID_MAX + 1), BIN_LARGE);
    assert_eq!(of_size(usize::MAX), BIN_LARGE);
}

#[test]
fn at_most_a_quarter_is_wasted_and_an_eighth_on_average() {
    // Below 64 bytes, the alignment of 16 bytes wastes more.
    let mut wasted = 0.0;
    for size in 65..=MID_MAX {
        let waste = (stride(of_size(size)) - size) as f64 / stride(of_size(size)) as f64;
        assert!(waste <= 0.25, "{size} B: {waste}");
        wasted += waste;
    }
    let average = wasted / (MID_MAX - 64) as f64;
    assert!(average <= 0.125, "{average} on average");
}

#[test]
fn aligned_requests_get_blocks_that_are_aligned() {
    let sizes = (0..5000).chain((5000..MID_MAX + 5000).step_by(509));
    for size in sizes {
        for shift in 4..=18 {
            let alignment = 1_usize << shift;
            let bin = of_aligned(size, alignment);
            if bin == BIN_LARGE {
                assert!(size.next_power_of_two() > MID_MAX || alignment > GRANULE);
                continue;
            }
            assert!(stride(bin) >= size, "{size} at {alignment}");
            // Slabs begin at granules, so this aligns every block.
            assert_eq!(stride(bin) % alignment, 0, "{size} at {alignment}");
            assert!(alignment <= GRANULE);
        }
    }
}

#[test]
fn classes_are_those_of_the_vocabulary() {
    let ends = [8, 16, 32, 64, 128, 256, 512, 1024];
    let mut start = 0;
    for (&class_, end) in Class::ALL.iter().zip(ends) {
        for size in start..=end {
            assert_eq!(class(of_size(size)), class_, "{size}");
        }
        start = end + 1;
    }
    assert_eq!(class(of_size(1025)), Class::Mid);
    assert_eq!(class(of_size(MID_MAX)), Class::Mid);
    assert_eq!(class(of_size(MID_MAX + 1)), Class::Large);
    assert_eq!(class(0), Class::None);
}

#[test]
fn slabs_hold_eight_blocks_and_lists_stay_far_from_the_words_limit() {
    for bin in in_use() {
        assert!(slab_granules(bin) * GRANULE >= 8 * stride(bin), "bin {bin}");
        assert!(slab_granules(bin).ilog2() as usize <= SLAB_ORDER_MAX);
        assert!(capacity_first(bin) >= 1 && capacity_first(bin) <= capacity_max(bin));
        assert!(capacity_max(bin) <= 4096, "bin {bin}");
    }
}

/// The index, found by division.
fn index(bin: usize, offset: u32) -> Option<usize> {
    let offset = offset as usize;
    offset.is_multiple_of(stride(bin)).then(|| offset / stride(bin))
}

#[test]
fn every_block_of_a_slab_is_found_and_nothing_between() {
    for bin in in_use() {
        let (divider, slab_bytes) = (Divider::of(bin), slab_granules(bin) * GRANULE);
        for offset in (0..GRANULE as u32).chain((0..slab_bytes as u32).step_by(8)) {
            assert_eq!(divider.index(offset), index(bin, offset), "bin {bin}, {offset}");
        }
    }
}

#[test]
fn no_offset_outside_of_a_slab_gets_an_index_that_is_wrong() {
    for bin in in_use() {
        let divider = Divider::of(bin);
        let near = (0..4096).map(|at| at * 16);
        let steps = (0..4096).map(|at| at * (u32::MAX / 4096));
        let powers = (0..u32::BITS).map(|bit| 1_u32 << bit);
        for offset in near.clone().chain(near.map(u32::wrapping_neg)).chain(steps).chain(powers) {
            assert_eq!(divider.index(offset), index(bin, offset), "bin {bin}, {offset}");
        }
    }
}
