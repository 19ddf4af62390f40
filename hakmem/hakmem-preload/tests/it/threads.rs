//! Threads come and go, free each other's blocks, and free while they end.

use std::collections::HashSet;

use hakmem_reader::{Class, EventKind, FreeReason, ProcessState};

use crate::loaded::{Loaded, Record};

/// Allocations and frees of all classes.
fn calls(record: &Record) -> (u64, u64) {
    let classes = record.sample.classes();
    let sum = |count: fn(&hakmem_reader::ClassTotals) -> u64| classes.iter().map(count).sum();
    (sum(|class| class.allocations), sum(|class| class.frees))
}

/// The allocations and frees in a class by which the first run exceeds the second.
fn difference(program: &str, arguments: [&[&str]; 2], class: Class) -> (u64, u64) {
    let [more, less] = arguments.map(|arguments| {
        let loaded = arguments.iter().fold(Loaded::new(program), Loaded::arg);
        let record = loaded.run_well().record();
        record.assert_sound();
        record.class(class)
    });
    (more.allocations - less.allocations, more.frees - less.frees)
}

#[test]
fn thousands_of_short_threads_share_few_slots() {
    let record = Loaded::new("churn.c").arg("4000").arg("8").run_well().record();
    record.assert_sound();
    assert_eq!(record.state, ProcessState::Exited);
    let used = record.sample.process.slots_used;
    // Slots of the process, of the main thread, and of 8 threads. A thread whose end pthread_join
    // has seen has given its slot back.
    assert!(used <= 10, "{used} slots for 8 threads at a time");
    let owners: u32 = record.sample.slots.iter().map(|slot| slot.owners).sum();
    assert_eq!(owners, 4000 + 2, "every thread owned a slot");
    assert_eq!(record.sample.process.threads_unpublished_total, 0);
    // 80 blocks a thread, of 40 sizes; other callers (libc, for threads) add little.
    let (allocations, frees) = calls(&record);
    assert!((320_000..325_000).contains(&allocations), "{allocations}");
    assert!(frees <= allocations && allocations - frees < 100, "{allocations} and {frees}");
}

#[test]
fn every_event_names_the_thread_that_owned_the_slot_then() {
    let churn = Loaded::new("churn.c").arg("16").arg("8");
    assert!(threads_of_events(&churn.run_well().record()) >= 8);
    // Here the threads that take over the heaps write the events of the threads' ends.
    let last_moment = Loaded::new("last_moment.c").arg("100");
    assert!(threads_of_events(&last_moment.run_well().record()) >= 8);
}

/// Number of threads that started, according to the events, which name the slot's owner.
fn threads_of_events(record: &Record) -> usize {
    let mut started = HashSet::new();
    // Slot 0 is the process's own.
    for slot in 1..record.sample.process.slots_used {
        let mut owner = None;
        for event in record.events.iter().filter(|event| event.slot == slot) {
            let id = event.thread_id;
            match event.kind {
                EventKind::ThreadStart => {
                    assert!(started.insert(id), "thread {id} started twice");
                    owner = Some(id);
                }
                EventKind::ThreadExit => {
                    assert_eq!(event.value, id.into());
                    assert!(owner.take().is_none_or(|owner| owner == id));
                    continue;
                }
                _ => {}
            }
            assert!(owner.is_none_or(|owner| owner == id), "{event:?}, of {owner:?}");
        }
    }
    started.len()
}

#[test]
fn totals_of_short_threads_are_exact() {
    // The program's sizes are 16 + 25 i for i below 40, twice for each thread. C6 is left out
    // because it has libc's own blocks for threads.
    for (class, sizes) in [(Class::C1, 1), (Class::C3, 1), (Class::C4, 3), (Class::C7, 20)] {
        let made = difference("churn.c", [&["3016", "8"], &["1016", "8"]], class);
        assert_eq!(made, (2000 * 2 * sizes, 2000 * 2 * sizes), "{}", class.name());
    }
}

#[test]
fn ten_thousand_threads_at_once_have_a_slot_each() {
    const THREADS: u32 = 10_000;
    let record = Loaded::new("crowd.c").arg(THREADS.to_string()).run_well().record();
    record.assert_sound();
    assert_eq!(record.sample.process.threads_unpublished_total, 0);
    assert_eq!(record.sample.process.slots_used, THREADS + 2);
    let mid = record.class(Class::Mid);
    assert!(mid.allocations >= THREADS.into() && mid.frees >= THREADS.into());
}

#[test]
fn frees_in_the_last_destructors_of_a_thread_work_and_count_as_late() {
    let record = Loaded::new("late_free.c").arg("300").run_well().record();
    record.assert_sound();
    let late: u64 = Class::ALL
        .iter()
        .map(|&class| record.class(class).free_reasons[FreeReason::Late as usize])
        .sum();
    assert!(late > 0, "some destructor ran after the lists were given back");
    let c5 = record.class(Class::C5);
    assert!(c5.allocations >= 1200, "4 blocks a thread: {}", c5.allocations);
    let live = c5.live_blocks;
    assert!(live < 20, "{live} blocks leaked");
    let used = record.sample.process.slots_used;
    assert!(used <= 4, "{used} slots for one thread at a time");
}

#[test]
fn heaps_of_threads_that_could_not_give_them_back_are_taken_over() {
    let record = Loaded::new("last_moment.c").arg("500").run_well().record();
    record.assert_sound();
    let used = record.sample.process.slots_used;
    assert!(used <= 32, "{used} slots for one thread at a time");
    let c4 = record.class(Class::C4);
    assert!(c4.allocations >= 10_000 && c4.live_blocks.abs() < 20, "{}", c4.live_blocks);
}

#[test]
fn destructors_of_thread_local_objects_free() {
    let record = Loaded::new("thread_local.cc").run_well().record();
    record.assert_sound();
    let c4 = record.class(Class::C4);
    assert!(c4.frees >= 80_000, "800 threads, 100 texts each: {}", c4.frees);
}

#[test]
fn a_thread_may_only_free() {
    let made = difference("free_only.c", [&["3000"], &["1000"]], Class::C7);
    assert_eq!(made, (2000, 2000));
    let record = Loaded::new("free_only.c").arg("3000").run_well().record();
    let c7 = record.class(Class::C7);
    assert!(c7.frees >= 3000 && c7.live_blocks < 10, "{} freed", c7.frees);
}

#[test]
fn a_producer_and_a_consumer_use_no_more_memory_over_time() {
    for size in ["64", "1024", "20000"] {
        let finished = Loaded::new("pipeline.c").arg("2").arg(size).run_well();
        finished.record().assert_sound();
        let resident: Vec<u64> =
            finished.stdout.lines().map(|line| line.parse().expect("a number")).collect();
        let [early, late] = resident[..] else { panic!("{:?}", finished.stdout) };
        // The ring holds 1024 blocks: 20 MiB of the largest size, which accumulate with time.
        assert!(late < early + 8 * 1024, "{size} B: {early} KiB, later {late} KiB");
    }
}

#[test]
fn blocks_of_all_sizes_survive_a_storm_of_threads() {
    let record = Loaded::new("storm.c").arg("5").arg("6").run_well().record();
    record.assert_sound();
    for class in record.sample.classes() {
        // The program freed all its blocks; the rest is libc's, for threads and streams.
        assert!(class.live_blocks.abs() < 50, "{}: {}", class.class.name(), class.live_blocks);
        assert_eq!(class.anomalies(), 0);
        let is_used = class.class == Class::None || class.allocations > 100;
        assert!(is_used, "{}: {} allocations", class.class.name(), class.allocations);
    }
    assert!(record.sample.process.large_bytes < 1 << 20, "no span was lost");
}

#[test]
fn threads_that_come_make_no_call_about_files() {
    const THREADS: u32 = 100;
    let record = Loaded::new("no_files.c").arg(THREADS.to_string()).run_well().record();
    record.assert_sound();
    assert_eq!(record.sample.process.threads_unpublished_total, 0);
    assert_eq!(record.sample.process.slots_used, THREADS + 2);
}
