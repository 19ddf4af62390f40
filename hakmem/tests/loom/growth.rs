//! The registry's growth: a reader that was handed a slab finds it, whichever table is current when
//! it looks.
//!
//! In miniature: two tables of two entries, no hashing. The writer, which holds the lock, enters a
//! slab, copies the table and publishes the copy, as `registry` does. The reader receives the
//! slab's block through the program's own synchronisation, which here is a flag.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use loom::thread;

const SLAB: u64 = 7;

struct Registry {
    tables: [[AtomicU64; 2]; 2],
    current: AtomicUsize,
    /// The program's own synchronisation: 1 once the block has been handed over.
    handed_over: AtomicUsize,
}

impl Registry {
    fn new() -> Arc<Self> {
        let table = || [AtomicU64::new(0), AtomicU64::new(0)];
        let (current, handed_over) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(Self { tables: [table(), table()], current, handed_over })
    }

    fn insert(&self, slab: u64) {
        let table = &self.tables[self.current.load(Ordering::Relaxed)];
        let free = table.iter().find(|entry| entry.load(Ordering::Relaxed) == 0);
        free.expect("there is room").store(slab, Ordering::Relaxed);
    }

    fn grow(&self, publish: Ordering) {
        for (old, new) in self.tables[0].iter().zip(&self.tables[1]) {
            new.store(old.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        self.current.store(1, publish);
    }

    fn finds(&self, slab: u64) -> bool {
        let table = &self.tables[self.current.load(Ordering::Acquire)];
        table.iter().any(|entry| entry.load(Ordering::Relaxed) == slab)
    }
}

fn run(publish: Ordering) {
    loom::model(move || {
        let registry = Registry::new();
        let writer = Arc::clone(&registry);
        let writing = thread::spawn(move || {
            writer.insert(SLAB);
            // Release: as a program does when it hands a block to another thread.
            writer.handed_over.store(1, Ordering::Release);
            writer.grow(publish);
        });
        if registry.handed_over.load(Ordering::Acquire) == 1 {
            assert!(registry.finds(SLAB), "a slab that was handed over is lost");
        }
        writing.join().expect("does not panic");
        assert!(registry.finds(SLAB));
    });
}

#[test]
fn a_slab_that_was_handed_over_is_found_in_either_table() {
    run(Ordering::Release);
}

/// The model can fail: without the Release, a reader may see the new table before its entries.
#[test]
#[should_panic(expected = "lost")]
fn without_the_release_a_slab_may_be_lost() {
    run(Ordering::Relaxed);
}
