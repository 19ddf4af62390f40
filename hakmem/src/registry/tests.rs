use std::collections::HashMap;
use std::thread;

use super::*;

/// First granule of this test's own range, far above the addresses that the system maps.
const FIRST: usize = 0x7000_0000;

fn address(granule: usize) -> usize {
    granule << GRANULE_SHIFT
}

#[test]
fn the_registry_is_a_map_that_readers_may_ask_while_it_grows() {
    let done = AtomicUsize::new(0);
    let known = AtomicUsize::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            // A slab that is known stays known, whichever table is current.
            while done.load(Ordering::Acquire) == 0 {
                let count = known.load(Ordering::Acquire);
                for granule in (0..count).step_by(7) {
                    assert_eq!(bin(address(FIRST + granule) + 99), granule % 50 + 1);
                }
            }
        });
        for granule in 0..40_000 {
            assert!(set(address(FIRST + granule), 1, (granule % 50 + 1) as u8));
            known.store(granule + 1, Ordering::Release);
        }
        done.store(1, Ordering::Release);
    });
    assert_eq!(bin(address(FIRST + 40_000)), 0);
    assert_eq!(bin(address(FIRST) - 1), 0);
}

#[test]
fn slabs_come_and_go_like_in_a_model() {
    let mut model = HashMap::new();
    let mut random = 1_u64;
    for _ in 0..20_000 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let granule = 0x7100_0000 + (random >> 40) as usize % 3000;
        let run = 1 + (random >> 33) as usize % 4;
        let bin = (random >> 20) as u8 % 64;
        assert!(set(address(granule), run, bin));
        for granule in granule..granule + run {
            model.insert(granule, bin);
        }
    }
    for granule in 0x7100_0000..0x7100_3010 {
        assert_eq!(bin(address(granule)), usize::from(model.get(&granule).copied().unwrap_or(0)));
    }
}

#[test]
fn a_repair_leaves_what_is_in_use_and_takes_out_the_rest() {
    let (used, unused) = (address(FIRST + 90_001), address(FIRST + 90_002));
    assert!(set(used, 1, 7) && set(unused, 1, 9));
    let before = *LENGTH.lock();
    *LENGTH.lock() = 3;
    repair(&|address| address != unused);
    assert_eq!((bin(used), bin(unused)), (7, 0));
    assert_eq!(*LENGTH.lock(), before, "the entries were counted");
}
