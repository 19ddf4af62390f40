//! The sequence of a slot: a copy that a reader makes while the sequence stays even and unchanged
//! satisfies the identity.
//!
//! In miniature: one bin, whose word changes on the fast path with one store and on the slow path
//! together with the number of refilled blocks. The real reader copies with `pread`. The kernel
//! copies with loads of at least a word each, between barriers; here the fences stand for these.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering, fence};
use loom::thread;

/// Depth in the low 16 bits, fast frees above, as in the segment's `ListWord`.
const PUSH: u64 = 0x1_0001;
const POP: u64 = 1;

struct Slot {
    sequence: AtomicU64,
    word: AtomicU64,
    refilled: AtomicU64,
    flushed: AtomicU64,
}

impl Slot {
    fn new() -> Arc<Self> {
        let word = || AtomicU64::new(0);
        Arc::new(Self { sequence: word(), word: word(), refilled: word(), flushed: word() })
    }

    /// A model of `SlotWriter::update`.
    fn update(&self, change: impl FnOnce(&Self)) {
        let begun = self.sequence.load(Ordering::Relaxed) + 1;
        self.sequence.store(begun, Ordering::Relaxed);
        // Release: the stores of `change` do not overtake the odd sequence.
        fence(Ordering::Release);
        change(self);
        // Release: the stores of `change` are seen before the even sequence.
        self.sequence.store(begun + 1, Ordering::Release);
    }

    fn add(word: &AtomicU64, amount: u64) {
        word.store(word.load(Ordering::Relaxed).wrapping_add(amount), Ordering::Relaxed);
    }

    fn refill(&self, blocks: u64) {
        self.update(|slot| {
            Self::add(&slot.word, blocks);
            Self::add(&slot.refilled, blocks);
        });
    }

    fn flush(&self) {
        self.update(|slot| {
            let depth = slot.word.load(Ordering::Relaxed) & 0xffff;
            Self::add(&slot.word, depth.wrapping_neg());
            Self::add(&slot.flushed, depth);
        });
    }

    /// Word, refilled and flushed blocks at one moment; `None` if the writer interfered.
    fn read(&self) -> Option<[u64; 3]> {
        // Acquire: the words copied below are no older than this sequence.
        let before = self.sequence.load(Ordering::Acquire);
        if before % 2 == 1 {
            return None;
        }
        let copy =
            [&self.word, &self.refilled, &self.flushed].map(|word| word.load(Ordering::Relaxed));
        // Acquire: if any of these words came from a later update, so does the sequence below.
        fence(Ordering::Acquire);
        (self.sequence.load(Ordering::Relaxed) == before).then_some(copy)
    }
}

/// Number of fast allocations by the identity; negative if the copy is torn.
fn allocated_fast([word, refilled, flushed]: [u64; 3]) -> i64 {
    let (depth, freed_fast) = (word & 0xffff, word >> 16);
    (refilled + freed_fast).cast_signed() - (flushed + depth).cast_signed()
}

#[test]
fn whatever_a_reader_accepts_satisfies_the_identity() {
    loom::model(|| {
        let slot = Slot::new();
        let writer = Arc::clone(&slot);
        let writing = thread::spawn(move || {
            writer.refill(3);
            Slot::add(&writer.word, POP.wrapping_neg());
            Slot::add(&writer.word, PUSH);
            writer.flush();
        });
        if let Some(copy) = slot.read() {
            let allocated = allocated_fast(copy);
            assert!((0..=1).contains(&allocated), "{copy:?}: {allocated} fast allocations");
            assert!(copy[0] & 0xffff <= 3, "{copy:?}: more blocks than ever were on the list");
        }
        writing.join().expect("does not panic");
        let last = slot.read().expect("nobody writes");
        assert_eq!(allocated_fast(last), 1);
        assert_eq!(last, [1 << 16, 3, 3]);
    });
}

#[test]
fn counters_never_fall_from_one_reading_to_the_next() {
    loom::model(|| {
        let slot = Slot::new();
        let writer = Arc::clone(&slot);
        let writing = thread::spawn(move || {
            writer.refill(2);
            Slot::add(&writer.word, POP.wrapping_neg());
        });
        if let (Some(first), Some(second)) = (slot.read(), slot.read()) {
            assert!(allocated_fast(second) >= allocated_fast(first), "{first:?}, {second:?}");
            assert!(second[1] >= first[1], "{first:?}, {second:?}");
        }
        writing.join().expect("does not panic");
    });
}

/// The model can fail: without the fence of the writer, a reader takes a torn copy for a whole one.
#[test]
#[should_panic(expected = "torn")]
fn without_the_writers_fence_a_torn_copy_passes() {
    loom::model(|| {
        let slot = Slot::new();
        let writer = Arc::clone(&slot);
        let writing = thread::spawn(move || {
            writer.sequence.store(1, Ordering::Relaxed);
            Slot::add(&writer.word, 2);
            Slot::add(&writer.refilled, 2);
            writer.sequence.store(2, Ordering::Release);
        });
        if let Some(copy) = slot.read() {
            assert!(allocated_fast(copy) == 0, "torn: {copy:?}");
        }
        writing.join().expect("does not panic");
    });
}
