//! The demo's workload: each phase keeps another path of the allocator busy.
//!
//! Blocks are plain `Vec<u8>`s from the system allocator, which the preload library replaces. Work
//! comes in short bursts, each followed by an equally long pause, so the machine stays usable.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::cli::WorkloadOptions;

/// Default length of a phase, in seconds.
pub(super) const PHASE_SECONDS: u64 = 5;
/// The phases in order.
pub(super) const PHASES: [&str; 4] =
    ["steady mix", "C7-heavy", "producer/consumer", "growth and release"];

/// Length of a burst of work, and of the pause after it.
const BURST: Duration = Duration::from_millis(2);
const PAUSE: Duration = Duration::from_millis(2);

/// Repeats the phases until standard input ends.
pub(super) fn run(options: &WorkloadOptions) -> ExitCode {
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    thread::spawn(move || {
        // End of file and an error both mean that the parent has gone.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        stopped.store(true, Ordering::Relaxed);
    });
    let seconds = options.phase_seconds.clamp(0.01, 3600.0);
    for index in (0..PHASES.len()).cycle() {
        let mut stdout = std::io::stdout();
        if writeln!(stdout, "{}", PHASES[index]).and_then(|()| stdout.flush()).is_err() {
            return ExitCode::SUCCESS;
        }
        let clock =
            Clock { until: Instant::now() + Duration::from_secs_f64(seconds), stop: stop.clone() };
        match index {
            0 => steady_mix(&clock),
            1 => c7_heavy(&clock),
            2 => producer_consumer(&clock),
            _ => growth_and_release(&clock, seconds),
        }
        if stop.load(Ordering::Relaxed) {
            break;
        }
    }
    ExitCode::SUCCESS
}

/// Tells when a phase is over.
#[derive(Clone)]
struct Clock {
    until: Instant,
    stop: Arc<AtomicBool>,
}

impl Clock {
    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || Instant::now() >= self.until
    }

    /// Repeats `work` in bursts until the phase is over.
    fn bursts(&self, mut work: impl FnMut()) {
        while !self.is_over() {
            let began = Instant::now();
            while began.elapsed() < BURST {
                for _ in 0..64 {
                    work();
                }
            }
            thread::sleep(PAUSE);
        }
    }
}

/// An xorshift generator: fast, and identical on every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize
    }
}

/// A block of `bytes` that the compiler cannot optimise away.
fn block(bytes: usize) -> Vec<u8> {
    let mut block = Vec::with_capacity(bytes);
    block.push(bytes as u8);
    std::hint::black_box(block)
}

/// Replaces random blocks of a working set of `blocks`; `size` chooses their sizes.
fn replace_blocks(clock: &Clock, seed: u64, blocks: usize, size: impl Fn(usize) -> usize) {
    let mut random = Random(seed);
    let mut held: Vec<Vec<u8>> = (0..blocks).map(|_| block(size(random.next()))).collect();
    clock.bursts(|| {
        let index = random.next() % blocks;
        held[index] = block(size(random.next()));
    });
}

/// Two threads allocate all tiny sizes and, occasionally, a mid one.
fn steady_mix(clock: &Clock) {
    let size = |random: usize| match random % 64 {
        0 => 1024 + random / 64 % 16_384,
        1..8 => 1 + random / 64 % 16,
        _ => 16 + random / 64 % 1024,
    };
    with_thread(
        "mix-2",
        clock,
        move |clock| replace_blocks(clock, 7, 512, size),
        || {
            replace_blocks(clock, 11, 2048, size);
        },
    );
}

/// Nine of ten blocks are C7, and the working set oscillates, so that lists run empty and full.
fn c7_heavy(clock: &Clock) {
    let mut random = Random(13);
    let mut held: VecDeque<Vec<u8>> = VecDeque::new();
    let mut grows = true;
    clock.bursts(|| {
        let bytes = match random.next() % 10 {
            0 => 16 + random.next() % 256,
            _ => 513 + random.next() % 512,
        };
        // Two steps in one direction, one step back, between two sizes of the working set.
        match held.len() {
            0..64 => grows = true,
            4096.. => grows = false,
            _ => {}
        }
        let step = random.next() % 3;
        if grows == (step > 0) {
            held.push_back(block(bytes));
        } else {
            held.pop_front();
        }
    });
}

/// One thread allocates and another frees, so every block is freed remotely.
fn producer_consumer(clock: &Clock) {
    let (sender, receiver) = mpsc::sync_channel::<Vec<Vec<u8>>>(64);
    let consume = move |_: &Clock| receiver.into_iter().for_each(drop);
    with_thread("consumer", clock, consume, || {
        let mut random = Random(17);
        let mut batch = Vec::new();
        clock.bursts(|| {
            batch.push(block(16 + random.next() % 512));
            if batch.len() == 256 {
                // If the consumer is gone, the phase ends soon anyway.
                let _ = sender.send(std::mem::take(&mut batch));
            }
        });
        drop(sender);
    });
}

/// Allocates about 100 MiB in all sizes during the first part of the phase, then frees them.
fn growth_and_release(clock: &Clock, seconds: f64) {
    const BYTES_HELD: usize = 96 << 20;
    let mut random = Random(19);
    let began = Instant::now();
    let mut held: Vec<Vec<u8>> = Vec::new();
    let mut bytes_held = 0;
    while !clock.is_over() {
        let elapsed = began.elapsed().as_secs_f64() / seconds;
        // It grows during the first six tenths of the phase and shrinks to nothing by nine tenths.
        let share = if elapsed < 0.6 { elapsed / 0.6 } else { (0.9 - elapsed).max(0.0) / 0.3 };
        let wanted = (share * BYTES_HELD as f64) as usize;
        while bytes_held < wanted {
            let bytes = match random.next() % 1000 {
                0 => 256 * 1024 + random.next() % (1 << 20),
                1..50 => 1024 + random.next() % 32_768,
                _ => 8 + random.next() % 1016,
            };
            bytes_held += bytes;
            held.push(block(bytes));
        }
        while bytes_held > wanted {
            let Some(block) = held.pop() else { break };
            bytes_held -= block.capacity();
        }
        thread::sleep(PAUSE);
    }
}

/// Runs `here` on this thread and `there` on a second one, and waits for both.
fn with_thread(
    name: &str,
    clock: &Clock,
    there: impl FnOnce(&Clock) + Send + 'static,
    here: impl FnOnce(),
) {
    let its_clock = clock.clone();
    let second = thread::Builder::new().name(name.into()).spawn(move || there(&its_clock));
    here();
    if let Ok(second) = second {
        // The second thread's panic has been printed already.
        let _ = second.join();
    }
}
