//! Identity and conservation hold in every snapshot of a program whose threads all run.

use std::time::{Duration, Instant};

use hakmem_reader::Segment;

use crate::{live, scratch};

#[test]
fn every_snapshot_of_eight_running_threads_satisfies_the_invariants() {
    const SNAPSHOTS: usize = 100_000;
    let directory = scratch::segments_directory();
    let _running = live::busy_threads(8, directory.path());
    let mut segment = first_segment(&directory);
    while segment.sample().expect("can be sampled").threads_alive() < 9 {
        std::thread::sleep(Duration::from_millis(1));
    }
    let mut earlier = segment.sample().expect("can be sampled");
    let first = operations(&earlier);
    let mut torn = 0;
    for number in 0..SNAPSHOTS {
        let sample = segment.sample().expect("can be sampled");
        // A torn slot is one whose writer never rested while it was read; the reader says so, and
        // nothing is promised for it. It must be rare.
        if sample.is_torn() {
            torn += 1;
            continue;
        }
        sample.check_identity().unwrap_or_else(|error| panic!("snapshot {number}: {error:?}"));
        sample.check_conservation().unwrap_or_else(|error| panic!("snapshot {number}: {error:?}"));
        sample
            .check_not_fallen(&earlier)
            .unwrap_or_else(|error| panic!("snapshot {number}: {error:?}"));
        earlier = sample;
    }
    assert!(torn < SNAPSHOTS / 100, "{torn} of {SNAPSHOTS} snapshots were torn");
    assert!(operations(&earlier) > first + 1_000_000, "the program did not run meanwhile");
}

fn operations(sample: &hakmem_reader::Sample) -> u64 {
    sample.classes().iter().map(|class| class.allocations + class.frees).sum()
}

fn first_segment(directory: &tempfile::TempDir) -> Segment {
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        let opened = scratch::segments(directory).first().map(|path| Segment::open(path));
        if let Some(Ok(segment)) = opened {
            return segment;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("the program made no segment within 10 s");
}
