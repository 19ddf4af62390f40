//! The cost of sampling.

use std::time::{Duration, Instant};

use hakmem_reader::fixture::{FixtureProcess, SegmentWriter, bin_of};
use hakmem_reader::{Class, Segment};

/// Far above the time of a sample even in a debug build on a busy machine; the output has the
/// figure.
const SAMPLE_MAX: Duration = Duration::from_millis(20);

#[test]
fn sampling_eight_slots_costs_little() {
    let directory = tempfile::tempdir_in("/dev/shm").unwrap();
    let mut writer = SegmentWriter::create(directory.path(), &FixtureProcess::new("/bin/a"));
    let slots = [1, 2, 3, 4, 5, 6, 7, 8].map(|thread_id| writer.take_slot(thread_id, "worker"));
    let mut segment = Segment::open(writer.path()).unwrap();
    let mut measure = |name: &str, work: &mut dyn FnMut(&mut SegmentWriter)| {
        let mut total = Duration::ZERO;
        const SAMPLES: u32 = 200;
        for _ in 0..SAMPLES {
            work(&mut writer);
            let start = Instant::now();
            segment.sample().unwrap().classes();
            total += start.elapsed();
        }
        println!("{name}: {:?} a sample", total / SAMPLES);
        assert!(total / SAMPLES < SAMPLE_MAX, "{name}: {total:?} for {SAMPLES} samples");
    };
    measure("slow paths in all slots", &mut |writer| {
        for slot in slots {
            Class::ALL[..9].iter().for_each(|&class| {
                writer.slot(slot).allocate(bin_of(class), 40);
            });
        }
    });
    measure("fast paths in all slots", &mut |writer| {
        for slot in slots {
            writer.slot(slot).free_fast(bin_of(Class::C3), 1, false);
            writer.slot(slot).allocate_fast(bin_of(Class::C3), 1);
        }
    });
    slots.iter().for_each(|&slot| writer.slot(slot).give_up());
    let mut measure_idle = || {
        let start = Instant::now();
        (0..200).for_each(|_| drop(segment.sample().unwrap()));
        start.elapsed() / 200
    };
    println!("slots without owners: {:?} a sample", measure_idle());
}
