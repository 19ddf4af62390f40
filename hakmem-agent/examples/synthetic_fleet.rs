//! Creates a directory of synthetic live segments whose counters keep rising, to measure the cost
//! of an agent: `synthetic_fleet DIRECTORY PROCESSES THREADS SECONDS`.
//!
//! Every second each thread allocates and frees in four classes, mostly on the fast path, and takes
//! a slow path and writes an event. It needs a descriptor for each thread: `ulimit -n 65536`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use hakmem_reader::fixture::{FixtureProcess, NewEvent, SegmentWriter, bin_of};
use hakmem_reader::{AllocReason, Class, EventKind};

const CLASSES: [Class; 4] = [Class::C2, Class::C4, Class::C7, Class::Mid];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, directory, processes, threads, seconds] = arguments.as_slice() else {
        eprintln!("usage: synthetic_fleet DIRECTORY PROCESSES THREADS SECONDS");
        std::process::exit(2);
    };
    let number = |text: &str| -> u32 {
        text.parse().unwrap_or_else(|_| {
            eprintln!("synthetic_fleet: {text} is not a number");
            std::process::exit(2);
        })
    };
    let (processes, threads) = (number(processes), number(threads));
    let directory = PathBuf::from(directory);
    let mut fleet: Vec<SegmentWriter> = (0..processes)
        .map(|process| {
            let executable = format!("/usr/bin/program-{}", process % 20);
            let mut writer = SegmentWriter::create(&directory, &FixtureProcess::new(&executable));
            for thread in 1..=threads {
                writer.take_slot(thread, "worker");
            }
            writer
        })
        .collect();
    println!("{processes} processes of {threads} threads are counting");
    let end = Instant::now() + Duration::from_secs(number(seconds).into());
    let mut round = 0;
    while Instant::now() < end {
        let begin = Instant::now();
        round += 1;
        for writer in &mut fleet {
            for thread in 1..=threads as usize {
                work(writer, thread, round);
            }
        }
        std::thread::sleep(Duration::from_secs(1).saturating_sub(begin.elapsed()));
    }
}

fn work(writer: &mut SegmentWriter, thread: usize, round: u64) {
    let slot = writer.slot(thread);
    for class in CLASSES {
        slot.allocate(bin_of(class), 20);
        slot.free(bin_of(class), 10);
        slot.free(bin_of(class), 8);
    }
    slot.duration(CLASSES[round as usize % CLASSES.len()], 300 + round);
    slot.event(NewEvent {
        kind: EventKind::SlowAllocation,
        class: Class::C7,
        bin: bin_of(Class::C7) as u8,
        detail: AllocReason::RefillCentral as u8,
        claimed_class: Class::None,
        monotonic_ns: round * 1_000_000_000,
        duration_ns: 300,
        value: 1024,
        address: 0x1000,
    });
}
