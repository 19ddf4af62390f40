//! Threads that allocate, free, and hand blocks to each other.
//!
//! The programs `busy_threads` (the C library's heap) and the example `global_allocator` (hakmem
//! as `GlobalAlloc`) run it; the result depends on the arguments only, so that runs under
//! different allocators can be compared.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use crate::xor_shift::XorShift;

/// Blocks that each thread holds.
const HELD: usize = 512;
/// Blocks that may be in flight from one thread to the next.
const UNDER_WAY: usize = 64;

/// Runs `threads` threads, at least 1, for `rounds` rounds each; a round allocates one block.
/// Returns a checksum of all contents.
pub fn run(threads: usize, rounds: u64) -> u64 {
    let (mut senders, receivers): (Vec<_>, Vec<_>) =
        (0..threads).map(|_| sync_channel(UNDER_WAY)).unzip();
    // Each thread sends to the one after it.
    senders.rotate_left(1);
    thread::scope(|scope| {
        let running: Vec<_> = senders
            .into_iter()
            .zip(receivers)
            .enumerate()
            .map(|(index, (next, own))| {
                scope.spawn(move || one_thread(index as u64, rounds, &next, &own))
            })
            .collect();
        running
            .into_iter()
            .map(|thread| thread.join().expect("the workload does not panic"))
            .fold(0, u64::wrapping_add)
    })
}

fn one_thread(seed: u64, rounds: u64, next: &SyncSender<Vec<u8>>, own: &Receiver<Vec<u8>>) -> u64 {
    let mut random = XorShift::new(seed);
    let mut held = vec![Vec::new(); HELD];
    let mut checksum = 0_u64;
    for _ in 0..rounds {
        let number = random.draw();
        let block = vec![number as u8; size(number)];
        checksum = checksum.wrapping_add(sum_of_ends(&block));
        if number >> 60 == 0 {
            // The next thread frees the block; this one does if the next is busy or gone.
            let _ = next.try_send(block);
            drop(own.try_recv());
        } else {
            held[(number >> 32) as usize % HELD] = block;
        }
    }
    checksum
}

/// Mostly tiny blocks, some mid ones, seldom a large one.
fn size(number: u64) -> usize {
    let bits = (number >> 8) as usize;
    match number & 0xff {
        0 => 64 * 1024 + bits % (1024 * 1024),
        1..16 => 1025 + bits % 31_000,
        _ => 1 + bits % 1024,
    }
}

fn sum_of_ends(block: &[u8]) -> u64 {
    let ends = [block.first(), block.last()];
    block.len() as u64 + ends.into_iter().flatten().map(|&byte| u64::from(byte)).sum::<u64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_result_depends_on_the_arguments_only() {
        assert_eq!(run(4, 2_000), run(4, 2_000));
        assert_ne!(run(4, 2_000), run(4, 2_001));
        assert_ne!(run(4, 2_000), run(3, 2_000));
    }
}
