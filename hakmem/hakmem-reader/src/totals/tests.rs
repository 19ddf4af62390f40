use super::*;
use crate::Segment;
use crate::fixture::{FixtureProcess, ProcessNumbers, SegmentWriter, SlotWriter, bin_of};

/// The sums over a segment after one thread did `work`.
fn totals_after(work: impl FnOnce(&mut SegmentWriter, usize)) -> [ClassTotals; CLASSES] {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = SegmentWriter::create(directory.path(), &FixtureProcess::new("/bin/a"));
    let slot = writer.take_slot(7, "main");
    work(&mut writer, slot);
    let sample = Segment::open(writer.path()).unwrap().sample().unwrap();
    sample.check_identity().unwrap();
    sample.check_conservation().unwrap();
    let classes = sample.classes();
    for class in &classes {
        assert_eq!(class.frees, class.outcomes.iter().sum::<u64>(), "{:?}", class.class);
        assert_eq!(class.frees, class.frees_fast + class.slow_frees(), "{:?}", class.class);
        let bins = sample.bins_of(class.class);
        let sum = |of: &dyn Fn(&BinTotals) -> u64| bins.iter().map(of).sum::<u64>();
        assert_eq!(sum(&|bin| bin.allocations), class.allocations, "{:?}", class.class);
        assert_eq!(sum(&|bin| bin.frees), class.frees, "{:?}", class.class);
        for reason in 0..8 {
            assert_eq!(sum(&|bin| bin.alloc_reasons[reason]), class.alloc_reasons[reason]);
            assert_eq!(sum(&|bin| bin.free_reasons[reason]), class.free_reasons[reason]);
        }
    }
    let threads = sample.threads();
    let sum = |of: fn(&ThreadTotals) -> u64| threads.iter().map(of).sum::<u64>();
    assert_eq!(sum(|t| t.allocations), classes.iter().map(|c| c.allocations).sum::<u64>());
    assert_eq!(sum(|t| t.frees), classes.iter().map(|c| c.frees).sum::<u64>());
    classes
}

fn totals_of(class: Class, work: impl FnOnce(&mut SlotWriter, usize)) -> ClassTotals {
    let all = totals_after(|writer, slot| work(writer.slot(slot), bin_of(class)));
    all[class as usize].clone()
}

#[test]
fn fast_allocations_follow_from_the_identity() {
    let totals = totals_of(Class::C7, |slot, bin| {
        slot.allocate_slow(bin, AllocReason::RefillCentral, 31);
        slot.allocate_fast(bin, 20);
        slot.free_fast(bin, 5, false);
        slot.free_fast(bin, 2, true);
        slot.free_slow(bin, FreeReason::FlushFull, Outcome::Map, 8);
        slot.spare(bin);
    });
    assert_eq!((totals.allocations, totals.allocations_fast), (21, 20));
    assert_eq!((totals.frees, totals.frees_fast), (8, 7));
    assert_eq!((totals.depth_blocks, totals.spare_blocks), (10, 10));
    assert_eq!((totals.live_blocks, totals.live_bytes), (13, 13 * 1024));
    let outcomes: Vec<_> = totals.frees_by_outcome().filter(|&(_, all, _)| all > 0).collect();
    assert_eq!(outcomes, [(Outcome::Sized, 2, 2), (Outcome::Map, 6, 5)]);
    assert_eq!(totals.capacity_blocks, 2 * 64);
}

#[test]
fn fast_frees_are_counted_over_many_checks() {
    let totals = totals_of(Class::C2, |slot, bin| {
        slot.allocate(bin, 10_000);
        for _ in 0..10_000 {
            slot.free_fast(bin, 1, false);
            slot.allocate_fast(bin, 1);
        }
    });
    assert_eq!((totals.frees, totals.frees_fast), (10_000, 10_000));
    assert_eq!((totals.allocations, totals.live_blocks), (20_000, 10_000));
}

#[test]
fn failed_requests_and_rejected_frees_change_nothing_that_lives() {
    let totals = totals_of(Class::C1, |slot, bin| {
        slot.allocate_slow(bin, AllocReason::NewSlab, 3);
        slot.allocate_slow(bin, AllocReason::OutOfMemory, 0);
        slot.free_slow(bin, FreeReason::Rejected, Outcome::DoubleFree, 0);
    });
    assert_eq!((totals.allocations, totals.failed_allocations()), (1, 1));
    assert_eq!(totals.slow_allocations(), 1);
    assert_eq!((totals.frees, totals.anomalies()), (1, 1));
    assert_eq!((totals.live_blocks, totals.live_bytes), (1, 16));
}

#[test]
fn foreign_pointers_count_in_no_class_and_leave_nothing_owed() {
    let totals = totals_of(Class::None, |slot, bin| {
        slot.free_slow(bin, FreeReason::Rejected, Outcome::Foreign, 0);
    });
    assert_eq!((totals.frees, totals.live_blocks), (1, 0));
    assert_eq!(totals.outcomes[Outcome::Foreign as usize], 1);
}

#[test]
fn large_blocks_have_the_bytes_they_asked_for() {
    let totals = totals_of(Class::Large, |slot, _| {
        slot.allocate_large(1 << 20);
        slot.allocate_large(3 << 20);
        slot.free_large(1 << 20);
    });
    assert_eq!((totals.live_blocks, totals.live_bytes), (1, 3 << 20));
    assert_eq!(totals.alloc_reasons[AllocReason::LargeMap as usize], 2);
}

#[test]
fn a_forked_process_begins_with_what_its_parent_allocated() {
    let classes = totals_after(|writer, slot| {
        let bin = bin_of(Class::C2);
        writer.set_inherited_blocks(bin, 10);
        writer.set_inherited_blocks(bin_of(Class::Large), 1);
        let numbers = ProcessNumbers { inherited_large_bytes: 4096, ..ProcessNumbers::default() };
        writer.set_numbers(&numbers);
        writer.set_central_blocks(bin, 5);
        writer.slot(slot).free(bin, 4);
    });
    let tiny = &classes[Class::C2 as usize];
    assert_eq!((tiny.inherited_blocks, tiny.live_blocks, tiny.live_bytes), (10, 6, 6 * 32));
    assert_eq!((tiny.allocations, tiny.central_blocks), (0, 5));
    let large = &classes[Class::Large as usize];
    assert_eq!((large.live_blocks, large.live_bytes), (1, 4096));
}

#[test]
fn blocks_freed_by_another_thread_than_allocated_them_balance() {
    let classes = totals_after(|writer, slot| {
        let bin = bin_of(Class::Mid);
        let other = writer.take_slot(8, "other");
        writer.slot(slot).allocate(bin, 1000);
        writer.slot(other).free(bin, 990);
        writer.slot(other).duration(Class::Mid, 5000);
        writer.slot(slot).duration(Class::Mid, 5000);
        writer.slot(other).give_up();
    });
    let mid = &classes[Class::Mid as usize];
    assert_eq!((mid.allocations, mid.frees, mid.live_blocks), (1000, 990, 10));
    assert_eq!(mid.live_bytes, 10 * 4096);
    assert_eq!(mid.outcomes_fast[Outcome::Mid as usize], mid.frees_fast);
    assert_eq!(mid.durations.count(), 2);
    assert_eq!(mid.capacity_blocks, 128);
}

#[test]
fn violations_are_found_and_named() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = SegmentWriter::create(directory.path(), &FixtureProcess::new("/bin/a"));
    let slot = writer.take_slot(7, "main");
    let mut segment = Segment::open(writer.path()).unwrap();
    let bin = bin_of(Class::C3);
    writer.slot(slot).allocate(bin, 1);
    let good = segment.sample().unwrap();
    let mut bad = good.clone();
    let slot = std::sync::Arc::make_mut(&mut bad.slots[slot]);
    slot.bins[0].record.outcomes[Outcome::Map as usize] = 1;
    slot.bins[0].record.flushed_blocks = 1000;
    let check = |found: Result<(), crate::invariants::Violation>, expected: &str| {
        assert_eq!(found.unwrap_err().to_string(), expected);
    };
    check(bad.check_identity(), "slot 1 bin 4: the identity gives -1000 fast allocations");
    check(bad.check_conservation(), "slot 1 bin 4: 1 outcomes of 0 slow frees");
    check(bad.check_not_fallen(&good), "slot 1 bin 4: a counter is lower than before");
    good.check_not_fallen(&good).unwrap();
    assert_eq!(bad.classes()[Class::C3 as usize].identity_violations, 1);
    assert_eq!(bad.classes()[Class::C3 as usize].allocations_fast, 0);
}

#[test]
fn a_class_is_used_once_anything_was_asked_of_it() {
    let used = |work: fn(&mut SlotWriter, usize)| totals_of(Class::C1, work).is_used();
    assert!(!used(|_, _| ()));
    assert!(used(|slot, bin| slot.allocate_slow(bin, AllocReason::OutOfMemory, 0)));
    assert!(used(|slot, bin| slot.allocate(bin, 1)));
    assert!(used(|slot, bin| slot.free_slow(bin, FreeReason::Rejected, Outcome::DoubleFree, 0)));
    let classes = totals_after(|writer, _| writer.set_inherited_blocks(bin_of(Class::C1), 1));
    assert!(classes[Class::C1 as usize].is_used() && !classes[Class::C2 as usize].is_used());
}

#[test]
fn a_thread_has_the_sums_of_its_slot_alone() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = SegmentWriter::create(directory.path(), &FixtureProcess::new("/bin/a"));
    let (first, second) = (writer.take_slot(7, "main"), writer.take_slot(8, ""));
    let (tiny, mid) = (bin_of(Class::C7), bin_of(Class::Mid));
    let slot = writer.slot(first);
    slot.allocate_slow(tiny, AllocReason::RefillCentral, 31);
    slot.allocate_fast(tiny, 20);
    slot.allocate_slow(mid, AllocReason::OutOfMemory, 0);
    slot.free_fast(tiny, 5, false);
    slot.free_slow(tiny, FreeReason::FlushFull, Outcome::Map, 8);
    slot.spare(tiny);
    slot.suppress(AllocReason::NewSlab);
    writer.slot(second).allocate_slow(mid, AllocReason::NewSlab, 1);
    writer.slot(second).give_up();
    let sample = Segment::open(writer.path()).unwrap().sample().unwrap();
    let threads = sample.threads();
    // Slot 0 is the process's own.
    let [_, main, other] = &threads[..] else { panic!("{threads:?}") };
    assert_eq!((main.slot, main.thread_id, main.owners, main.torn), (1, 7, 1, false));
    assert_eq!((main.allocations, main.slow_allocations), (21, 1));
    assert_eq!((main.frees, main.slow_frees), (6, 1));
    assert_eq!((main.events_written, main.suppressed_events), (0, 1));
    let list = main.lists.iter().find(|it| it.class == Class::C7).unwrap();
    assert_eq!((list.depth_blocks, list.capacity_blocks), (8, 2 * 64));
    // A slot that nobody owns has no lists that may hold blocks.
    assert_eq!((other.thread_id, other.slow_allocations, other.lists.len()), (0, 1, 0));
    assert_eq!((sample.threads_alive(), sample.suppressed_events()), (1, 1));
}

#[test]
fn reasons_are_told_with_their_words_and_a_failure_is_no_allocation() {
    let totals = totals_of(Class::C1, |slot, bin| {
        slot.allocate_slow(bin, AllocReason::NewSlab, 3);
        slot.allocate_slow(bin, AllocReason::OutOfMemory, 0);
        slot.free_slow(bin, FreeReason::Check, Outcome::Map, 0);
    });
    let slow: Vec<_> = totals.slow_allocations_by_reason().filter(|it| it.1 > 0).collect();
    assert_eq!(slow, [(AllocReason::NewSlab, 1)]);
    let frees: Vec<_> = totals.slow_frees_by_reason().filter(|it| it.1 > 0).collect();
    assert_eq!(frees, [(FreeReason::Check, 1)]);
}

#[test]
fn any_counter_that_fell_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = SegmentWriter::create(directory.path(), &FixtureProcess::new("/bin/a"));
    let slot = writer.take_slot(7, "main");
    let bin = bin_of(Class::C3);
    writer.slot(slot).allocate_slow(bin, AllocReason::NewSlab, 31);
    writer.slot(slot).free_fast(bin, 3, true);
    writer.slot(slot).free_fast(bin, 3, false);
    writer.slot(slot).free_slow(bin, FreeReason::Check, Outcome::Map, 0);
    writer.slot(slot).duration(Class::C3, 100);
    writer.slot(slot).suppress(AllocReason::NewSlab);
    writer.slot(slot).allocate_large(1 << 20);
    writer.slot(slot).free_large(1 << 20);
    let before = Segment::open(writer.path()).unwrap().sample().unwrap();
    let check = |change: fn(&mut SlotSample)| {
        let mut after = before.clone();
        change(std::sync::Arc::make_mut(&mut after.slots[1]));
        assert!(after.check_not_fallen(&before).is_err(), "{:?}", after.slots[1]);
    };
    check(|slot| slot.bins[0].record.alloc_reasons[AllocReason::NewSlab as usize] -= 1);
    check(|slot| slot.bins[0].record.free_reasons[FreeReason::Check as usize] -= 1);
    check(|slot| slot.bins[0].record.outcomes[Outcome::Map as usize] -= 1);
    check(|slot| slot.bins[0].record.refilled_blocks -= 1);
    check(|slot| slot.bins[0].sized_frees_fast -= 1);
    check(|slot| slot.bins[0].sized_frees_fast += 1);
    check(|slot| slot.bins.clear());
    check(|slot| slot.large_allocated_bytes -= 1);
    check(|slot| slot.large_freed_bytes -= 1);
    check(|slot| slot.suppressed_allocations = [0; 8]);
    check(|slot| slot.owners -= 1);
    check(|slot| slot.durations = Vec::new().into());
    before.check_not_fallen(&before).unwrap();
}
