//! Synthetic processes for tests.

use prost_types::Timestamp;

use crate::v1::{
    ClassCounters, DurationBucket, DurationHistogram, Identity, ListDepth, Loss, Memory,
    OutcomeCount, Process, ReasonCount, Thread, Totals,
};

/// Start of every synthetic history, in seconds of Unix time.
pub const STARTED_AT: i64 = 1_795_687_200;

/// The moment `after_start` seconds after [`STARTED_AT`].
pub fn timestamp(after_start: f64) -> Timestamp {
    let whole = after_start.floor();
    let nanos = ((after_start - whole) * 1e9).round() as i32;
    Timestamp { seconds: STARTED_AT + whole as i64, nanos }
}

/// Small deterministic pseudo-random numbers.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % limit
    }
}

/// States of one process, a second apart; some equal their predecessor.
pub fn history(seed: u64, key: &str, length: usize) -> Vec<Process> {
    let mut dice = Dice(seed);
    let mut process = Process {
        key: key.to_owned(),
        identity: Some(Identity {
            pid: 7,
            executable: format!("/usr/bin/{key}"),
            ..Identity::default()
        }),
        state: "running".to_owned(),
        ..Process::default()
    };
    let mut states = Vec::new();
    for second in 0..length {
        process.sampled_at = Some(timestamp(second as f64));
        if dice.below(4) > 0 || second == 0 {
            change(&mut process, &mut dice);
        }
        states.push(process.clone());
    }
    states
}

fn change(process: &mut Process, dice: &mut Dice) {
    const CLASSES: [&str; 4] = ["C2", "C7", "mid", "large"];
    let class = CLASSES[dice.below(4) as usize];
    let entry = process.classes.iter_mut().find(|entry| entry.class == class);
    match entry {
        Some(entry) => grow(entry, dice),
        None => {
            let mut entry = ClassCounters { class: class.to_owned(), ..ClassCounters::default() };
            grow(&mut entry, dice);
            process.classes.push(entry);
            process.classes.sort_by_key(|entry| CLASSES.iter().position(|c| *c == entry.class));
        }
    }
    let slot = dice.below(5) as u32;
    if !process.threads.iter().any(|thread| thread.slot == slot) {
        process.threads.push(Thread { slot, ..Thread::default() });
        process.threads.sort_by_key(|thread| thread.slot);
    }
    let thread = process.threads.iter_mut().find(|thread| thread.slot == slot).unwrap();
    thread.allocations += dice.below(1000);
    thread.name = format!("worker-{slot}");
    thread.lists =
        vec![ListDepth { class: class.to_owned(), depth_blocks: 3, capacity_blocks: 64 }];
    let allocations = process.classes.iter().map(|entry| entry.allocations).sum();
    process.totals = Some(Totals { allocations, threads: 1, ..Totals::default() });
    process.memory = Some(Memory { slab_bytes: dice.below(9) << 16, ..Memory::default() });
    process.loss = Some(Loss { suppressed_events: allocations / 3, ..Loss::default() });
}

fn grow(entry: &mut ClassCounters, dice: &mut Dice) {
    entry.allocations += 1 + dice.below(1_000_000);
    entry.frees += dice.below(1_000_000);
    let count = entry.allocations / 40;
    entry.slow_allocations = vec![ReasonCount { reason: "refill_central".to_owned(), count }];
    entry.outcomes =
        vec![OutcomeCount { outcome: "map".to_owned(), count: entry.frees, fast: entry.frees }];
    entry.slow_durations = Some(DurationHistogram {
        buckets: vec![DurationBucket { start_ns: 256, count }],
        count,
        ..DurationHistogram::default()
    });
}
