//! A queue of fixed capacity, which allocates nothing while it is used.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// First in, first out. It ends when it is empty and all writers have left.
pub struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    items: VecDeque<T>,
    writers: usize,
    /// Threads that wait for an item.
    waiting: usize,
    /// Items that there must be before a sleeping thread is woken.
    wake_at: usize,
}

impl<T> Queue<T> {
    /// A queue with room for `capacity` items, which the callers do not exceed, and for `writers`
    /// threads that put items in.
    pub fn new(capacity: usize, writers: usize) -> Self {
        let items = VecDeque::with_capacity(capacity);
        let state = State { items, writers, waiting: 0, wake_at: 1 };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Sets the number of items that must be there, unless all writers have left, before a thread
    /// that found the queue empty is woken: a wake-up costs as much as hundreds of calls to an
    /// allocator.
    pub fn waking_at(self, items: usize) -> Self {
        self.state().wake_at = items;
        self
    }

    /// Adds an item.
    pub fn put(&self, item: T) {
        let mut state = self.state();
        state.items.push_back(item);
        let wakes = state.waiting > 0 && state.items.len() >= state.wake_at;
        drop(state);
        if wakes {
            self.changed.notify_one();
        }
    }

    /// Waits for an item; `None` once the queue has ended.
    pub fn take(&self) -> Option<T> {
        let mut state = self.state();
        loop {
            if let Some(item) = state.items.pop_front() {
                return Some(item);
            }
            if state.writers == 0 {
                return None;
            }
            state.waiting += 1;
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.waiting -= 1;
        }
    }

    /// Notes that one writer will add no more items.
    pub fn leave(&self) {
        let mut state = self.state();
        state.writers = state.writers.saturating_sub(1);
        drop(state);
        self.changed.notify_all();
    }

    /// Ends the queue even if writers are left, because something went wrong.
    pub fn close(&self) {
        self.state().writers = 0;
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        // A push or a pop that panicked did not take place, so the state is valid.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
