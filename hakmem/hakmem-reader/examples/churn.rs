//! Allocates and frees on several threads until it is killed or its standard input ends.
//!
//! `churn THREADS`: each thread keeps a working set of mixed sizes, hands some blocks to its
//! neighbour to free, and is replaced by a new thread now and then. Prints `ready` once all threads
//! run. It runs at low priority, so that a program that watches it gets a processor.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;

/// Number of blocks that a thread keeps.
const WORKING_SET: usize = 512;
/// Number of rounds after which a new thread takes a thread's place.
const ROUNDS: u32 = 400;

static STOP: AtomicBool = AtomicBool::new(false);

fn main() {
    let _ = rustix::process::nice(10);
    let threads = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(8);
    let (senders, mut receivers): (Vec<_>, Vec<_>) = (0..threads).map(|_| sync_channel(64)).unzip();
    receivers.rotate_left(1);
    for (seed, (sender, receiver)) in senders.into_iter().zip(receivers).enumerate() {
        thread::spawn(move || succeed(seed as u64 + 1, &sender, receiver));
    }
    println!("ready");
    let _ = std::io::stdout().flush();
    let _ = std::io::stdin().read(&mut [0; 1]);
    STOP.store(true, Ordering::Relaxed);
}

/// Runs one thread after another.
fn succeed(seed: u64, sender: &SyncSender<Vec<u8>>, mut receiver: Receiver<Vec<u8>>) {
    let mut seed = seed;
    while !STOP.load(Ordering::Relaxed) {
        let sender = sender.clone();
        seed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let worker = thread::spawn(move || {
            work(seed, &sender, &receiver);
            receiver
        });
        match worker.join() {
            Ok(returned) => receiver = returned,
            Err(_) => return,
        }
    }
}

fn work(seed: u64, sender: &SyncSender<Vec<u8>>, receiver: &Receiver<Vec<u8>>) {
    let mut random = seed;
    let mut set: Vec<Vec<u8>> = vec![Vec::new(); WORKING_SET];
    for _ in 0..ROUNDS {
        for _ in 0..WORKING_SET {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let place = random as usize % WORKING_SET;
            let old = std::mem::replace(&mut set[place], vec![1; size(random >> 16)]);
            if random >> 60 == 0 {
                match sender.try_send(old) {
                    Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
                }
            }
        }
        receiver.try_iter().take(WORKING_SET).for_each(drop);
        if STOP.load(Ordering::Relaxed) {
            return;
        }
    }
}

/// A size: mostly tiny, sometimes mid, rarely large.
fn size(random: u64) -> usize {
    match random % 1000 {
        0 => 600_000,
        1..20 => 2048 + (random >> 16) as usize % 30_000,
        _ => 1 + (random >> 16) as usize % 1024,
    }
}
