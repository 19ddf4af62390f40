//! Reads segments whose writers never rest.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hakmem_reader::fixture::{FixtureProcess, NewEvent, SegmentWriter, SlotWriter, bin_of};
use hakmem_reader::{Class, EventCursor, EventKind, FreeReason, Outcome, Sample, Segment};

/// Number of writers, each at work on its own slot.
const WRITERS: usize = 2;

/// One round of a thread's work, fast and slow; returns the numbers of allocations and frees.
fn round(slot: &mut SlotWriter, number: u64) -> (u64, u64) {
    let bin = bin_of(Class::ALL[number as usize % 9]);
    if number.is_multiple_of(16) {
        // The lists' capacities change, and with them the meaning of the words.
        slot.give_up();
        slot.take(7, "busy");
    }
    slot.allocate(bin, 40);
    slot.free_fast(bin, 3, true);
    slot.free(bin, 30);
    slot.free_slow(bin, FreeReason::Check, Outcome::Map, 0);
    slot.duration(Class::C7, 100 + number % 1000);
    (40, 34)
}

fn event(value: u64) -> NewEvent {
    NewEvent {
        kind: EventKind::SlabMapped,
        class: Class::C0,
        bin: 1,
        detail: 0,
        claimed_class: Class::None,
        monotonic_ns: value,
        duration_ns: 0,
        value,
        address: value.wrapping_mul(3),
    }
}

fn check(sample: &Sample, before: &Sample) {
    sample.check_identity().unwrap();
    sample.check_conservation().unwrap();
    sample.check_not_fallen(before).unwrap();
    for (class, before) in sample.classes().iter().zip(&before.classes()) {
        assert!(class.allocations >= before.allocations && class.frees >= before.frees);
        let grown = class.outcomes.iter().zip(&before.outcomes).all(|(now, then)| now >= then);
        assert!(grown, "an outcome fell: {class:?} {before:?}");
        assert_eq!(class.frees, class.outcomes.iter().sum::<u64>());
    }
}

#[test]
fn every_snapshot_of_busy_writers_is_consistent() {
    let directory = tempfile::tempdir_in("/dev/shm").unwrap();
    let mut writer = SegmentWriter::create(directory.path(), &FixtureProcess::new("/bin/busy"));
    let indexes = [0; WRITERS].map(|_| writer.take_slot(7, "busy"));
    let slots = indexes.map(|index| writer.detach_slot(index));
    let stop = AtomicBool::new(false);
    let mut segment = Segment::open(writer.path()).unwrap();
    let (mut samples, mut torn) = (0, 0);
    let expected = thread::scope(|scope| {
        let stop = &stop;
        let writers = slots.map(|mut slot| {
            scope.spawn(move || {
                let mut total = (0, 0);
                for number in 0.. {
                    let (allocations, frees) = round(&mut slot, number);
                    total = (total.0 + allocations, total.1 + frees);
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                }
                total
            })
        });
        let mut before = segment.sample().unwrap();
        let deadline = Instant::now() + Duration::from_secs(2);
        while Instant::now() < deadline {
            let sample = segment.sample().unwrap();
            check(&sample, &before);
            samples += 1;
            torn += u32::from(sample.is_torn());
            before = sample;
        }
        stop.store(true, Ordering::Relaxed);
        let totals = writers.map(|writer| writer.join().unwrap());
        totals.iter().fold((0, 0), |sum, total| (sum.0 + total.0, sum.1 + total.1))
    });
    let last = segment.sample().unwrap();
    let classes = last.classes();
    let total =
        classes.iter().fold((0, 0), |s, class| (s.0 + class.allocations, s.1 + class.frees));
    assert_eq!(total, expected);
    assert!(!last.is_torn());
    assert!(samples > 100, "only {samples} samples");
    println!("{samples} samples, {torn} of them torn");
}

#[test]
fn every_event_of_a_busy_writer_is_whole_or_counted_as_lost() {
    let directory = tempfile::tempdir_in("/dev/shm").unwrap();
    let mut writer = SegmentWriter::create(directory.path(), &FixtureProcess::new("/bin/busy"));
    let index = writer.take_slot(7, "busy");
    let mut slot = writer.detach_slot(index);
    let segment = Segment::open(writer.path()).unwrap();
    let stop = AtomicBool::new(false);
    let mut cursor = EventCursor::from_beginning();
    let (mut returned, mut lost, mut last) = (0, 0, 0);
    let mut read = || {
        let batch = segment.read_events(&mut cursor).unwrap();
        for event in &batch.events {
            assert!(event.number > last, "{} after {last}", event.number);
            last = event.number;
            // Each event contains its own number, so a mixture of two events shows.
            assert_eq!((event.value, event.monotonic_ns), (last, last));
            assert_eq!(event.address, last.wrapping_mul(3));
        }
        returned += batch.events.len() as u64;
        lost += batch.lost;
        (returned, lost)
    };
    let written = thread::scope(|scope| {
        let stop = &stop;
        let writing = scope.spawn(move || {
            for number in 1.. {
                slot.event(event(number));
                if stop.load(Ordering::Relaxed) {
                    return number;
                }
                if number % 1000 == 0 {
                    thread::yield_now();
                }
            }
            unreachable!("the loop ends when it is told to")
        });
        let deadline = Instant::now() + Duration::from_secs(1);
        while Instant::now() < deadline {
            read();
        }
        stop.store(true, Ordering::Relaxed);
        writing.join().unwrap()
    });
    let (returned, lost) = read();
    assert_eq!(returned + lost, written);
    assert!(returned > 0 && lost > 0, "{returned} returned, {lost} lost: nothing was tested");
}
