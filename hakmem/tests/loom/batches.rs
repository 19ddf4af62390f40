//! The stack of batches hands every batch to exactly one thread, with its links and its contents.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::AtomicU64;
use loom::thread;

use crate::batch_stack::{Batch, BatchStack, Links};

/// Number of blocks; their addresses are 16, 32, ….
const BLOCKS: usize = 3;

/// A block: the word that links batches, and its owner's data. The data is plain memory, so that
/// loom reports a race if two threads hold one block.
struct Block {
    word: AtomicU64,
    contents: UnsafeCell<usize>,
}

struct Memory {
    stack: BatchStack,
    blocks: Vec<Block>,
}

impl Links for Memory {
    #[allow(unsafe_code)]
    unsafe fn batch_word(&self, address: usize) -> &AtomicU64 {
        &self.blocks[address / 16 - 1].word
    }
}

#[allow(unsafe_code)]
impl Memory {
    fn new() -> Arc<Self> {
        let block = |_| Block { word: AtomicU64::new(0), contents: UnsafeCell::new(0) };
        let blocks = (0..BLOCKS).map(block).collect();
        Arc::new(Self { stack: BatchStack(AtomicU64::new(0)), blocks })
    }

    fn contents(&self, address: usize) -> &UnsafeCell<usize> {
        &self.blocks[address / 16 - 1].contents
    }

    /// Writes into a batch that the caller owns, and pushes it.
    fn push(&self, address: usize, count: u16) {
        // SAFETY: the caller owns the block; loom checks that no other thread does.
        self.contents(address).with_mut(|contents| unsafe { *contents = address + 1 });
        // SAFETY: as above; addresses are multiples of 16.
        unsafe { self.stack.push(self, Batch { address, count }) };
    }

    /// Pops a batch, and checks that the data of its former owner has arrived.
    fn pop(&self) -> Option<Batch> {
        let batch = self.stack.pop(self)?;
        // SAFETY: the batch was popped, so this thread owns it; loom checks that no other thread
        // does.
        let contents = self.contents(batch.address).with(|contents| unsafe { *contents });
        assert_eq!(contents, batch.address + 1, "the contents came with the batch");
        assert_eq!(batch.count as usize, batch.address / 16, "and so did the count");
        // The program overwrites the link as soon as it has the block.
        self.contents(batch.address).with_mut(|contents| {
            // SAFETY: as above.
            unsafe { *contents = 0 }
        });
        Some(batch)
    }

    /// Pops all batches that are left on the stack.
    fn drain(&self) -> Vec<usize> {
        std::iter::from_fn(|| self.pop()).map(|batch| batch.address).collect()
    }
}

fn explore(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    // More than two preemptions reveal hardly a bug that two do not (M. Musuvathi and S. Qadeer,
    // "Iterative Context Bounding", 2007), and take minutes.
    builder.preemption_bound = Some(3);
    builder.check(model);
}

fn sorted(mut addresses: Vec<usize>) -> Vec<usize> {
    addresses.sort_unstable();
    addresses
}

#[test]
fn batches_pushed_at_the_same_time_are_all_there() {
    explore(|| {
        let memory = Memory::new();
        let other = Arc::clone(&memory);
        let pusher = thread::spawn(move || other.push(16, 1));
        memory.push(32, 2);
        pusher.join().expect("does not panic");
        assert_eq!(sorted(memory.drain()), [16, 32]);
    });
}

#[test]
fn a_batch_is_popped_once() {
    explore(|| {
        let memory = Memory::new();
        memory.push(16, 1);
        memory.push(32, 2);
        let other = Arc::clone(&memory);
        let popper = thread::spawn(move || other.pop().map(|batch| batch.address));
        let mine = memory.pop().map(|batch| batch.address);
        let theirs = popper.join().expect("does not panic");
        let mut all: Vec<usize> = mine.into_iter().chain(theirs).collect();
        all.extend(memory.drain());
        assert_eq!(sorted(all), [16, 32]);
    });
}

/// The ABA problem: while one thread pops, another pops twice and pushes the first batch again, so
/// that the top is the same as before, but the batch below it is not.
#[test]
fn a_stack_that_looks_the_same_again_is_not_taken_for_it() {
    explore(|| {
        let memory = Memory::new();
        for (address, count) in [(48, 3), (32, 2), (16, 1)] {
            memory.push(address, count);
        }
        let other = Arc::clone(&memory);
        let meddler = thread::spawn(move || {
            let mut taken = Vec::new();
            let first = other.pop();
            taken.extend(other.pop().map(|batch| batch.address));
            if let Some(first) = first {
                other.push(first.address, first.count);
            }
            taken
        });
        let mut all: Vec<usize> = memory.pop().map(|batch| batch.address).into_iter().collect();
        all.extend(meddler.join().expect("does not panic"));
        all.extend(memory.drain());
        assert_eq!(sorted(all), [16, 32, 48]);
    });
}

#[test]
fn one_thread_hands_over_while_another_takes() {
    explore(|| {
        let memory = Memory::new();
        let other = Arc::clone(&memory);
        let producer = thread::spawn(move || {
            other.push(16, 1);
            other.push(32, 2);
        });
        let mut taken: Vec<usize> =
            [memory.pop(), memory.pop()].into_iter().flatten().map(|batch| batch.address).collect();
        producer.join().expect("does not panic");
        taken.extend(memory.drain());
        assert_eq!(sorted(taken), [16, 32]);
    });
}
