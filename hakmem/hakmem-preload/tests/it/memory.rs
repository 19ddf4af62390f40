//! Unused memory is returned to the system, and memory of others is left alone.

use hakmem_reader::{Class, FreeReason, Outcome};

use crate::loaded::Loaded;

#[test]
fn memory_that_was_freed_goes_back_to_the_system() {
    const MIB: u64 = 1024;
    let finished = Loaded::new("give_back.c").run_well();
    let resident: Vec<u64> =
        finished.stdout.lines().map(|line| line.parse().expect("a number")).collect();
    assert_eq!(resident.len(), 12);
    for phase in resident.chunks(3) {
        let [held, later, trimmed] = phase[..] else { panic!("{resident:?}") };
        assert!(held > 256 * MIB, "{resident:?} KiB");
        assert!(later < 32 * MIB, "{later} KiB a second after the free; {resident:?}");
        // Trimming marks the returned blocks as free, which may touch a few more pages.
        assert!(trimmed <= later + MIB / 8, "{trimmed} KiB after malloc_trim, {later} before");
        assert!(trimmed < 16 * MIB, "{trimmed} KiB after malloc_trim");
    }
    let record = finished.record();
    record.assert_sound();
    let process = &record.sample.process;
    assert!(process.slab_returned_bytes_total > 768 << 20, "it is counted");
}

#[test]
fn trimming_reaches_sparse_slabs_and_the_lists_of_all_threads() {
    let finished = Loaded::new("trim.c").run_well();
    let number = |word: &str| word.parse::<u64>().expect("a number");
    let pairs: Vec<Vec<u64>> =
        finished.stdout.lines().map(|line| line.split(' ').map(number).collect()).collect();
    let [sparse, lists, ended] = &pairs[..] else { panic!("{pairs:?}") };
    // Of 60 000 blocks of 1000 bytes a sixteenth stays, each in a page or two.
    assert!(sparse[0] - sparse[1] > 30 << 10, "KiB before and after: {pairs:?}");
    assert!(lists[0] - lists[1] > 2 << 10, "KiB before and after: {pairs:?}");
    assert!(ended[1] <= ended[0], "KiB before and after: {pairs:?}");
    finished.record().assert_sound();
}

#[test]
fn a_list_that_serves_one_block_at_a_time_gives_the_others_up() {
    let record = Loaded::new("hover.c").run_well().record();
    record.assert_sound();
    // 200 bytes are C5, in which no other code has more than a handful of blocks.
    let c5 = record.class(Class::C5);
    assert!(c5.allocations >= 350_000);
    // The list and its spare held 600 blocks each.
    let held = c5.depth_blocks + c5.spare_blocks;
    assert!(held < 100, "{held} blocks on lists");
    assert!(c5.capacity_blocks < 1_000, "{}", c5.capacity_blocks);
    // The list had enough blocks: those that were given up were not fetched again.
    let slow = c5.slow_allocations() as f64 / c5.allocations as f64;
    assert!(slow < 0.01, "{slow}");
}

#[test]
fn many_freed_spans_leave_the_program_its_mappings() {
    let finished = Loaded::new("many_spans.c").run_well();
    let mappings: Vec<i64> =
        finished.stdout.lines().map(|line| line.parse().expect("a number")).collect();
    assert_eq!(mappings.len(), 2);
    assert!(mappings.iter().all(|&more| more < 3_000), "{mappings:?} mappings more");
    let record = finished.record();
    record.assert_sound();
    let process = &record.sample.process;
    assert_eq!((process.unmaps_refused_total, process.purges_refused_total), (0, 0));
    let kept = (process.large_purged_bytes + process.large_cached_bytes) >> 20;
    assert!(kept <= 64, "{kept} MiB of address space are kept beside nothing");
}

#[test]
fn a_program_that_has_used_all_mappings_loses_nothing() {
    let record = Loaded::new("no_mappings.c").run_well().record();
    record.assert_sound();
}

#[test]
fn memory_that_was_locked_is_counted_as_refused_and_never_passes_for_zeros() {
    let record = Loaded::new("locked.c").run_well().record();
    record.assert_sound();
    assert!(record.sample.process.purges_refused_total > 0, "the system keeps what is locked");
}

#[test]
fn requests_that_can_never_succeed_give_no_list_back() {
    let record = Loaded::new("too_large.c").run_well().record();
    record.assert_sound();
    // Each of these would be a refill if the failures between them had flushed the list.
    let c5 = record.class(Class::C5);
    assert!(c5.allocations >= 20_000);
    assert!(c5.slow_allocations() < 100, "{} refills", c5.slow_allocations());
}

#[test]
fn a_span_that_is_freed_after_a_rest_waits_for_reuse_like_any_other() {
    Loaded::new("quiet_span.c").run_well();
}

#[test]
fn foreign_pointers_are_named_at_first_counted_always_and_never_touched() {
    let finished = Loaded::new("foreign.c").run();
    finished.assert_lines(0, 3, "not a pointer that hakmem returned");
    assert!(finished.stderr.ends_with("further ones are only counted\n"), "{}", finished.stderr);
    let record = finished.record();
    record.assert_sound();
    let none = record.class(Class::None);
    // 40 frees and one realloc.
    assert_eq!(none.outcomes[Outcome::Foreign as usize], 41);
    assert_eq!(none.free_reasons[FreeReason::Rejected as usize], 41);
    assert_eq!(none.live_blocks, 0);
}
