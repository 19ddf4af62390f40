//! A queue whose capacity is known beforehand, so that it allocates nothing while it is used.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// First in, first out. It ends when it is empty and all writers have left.
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    items: VecDeque<T>,
    writers: usize,
    /// Threads that wait for an item.
    waiting: usize,
    /// Items there must be before one of them is woken.
    wake_at: usize,
}

impl<T> Queue<T> {
    /// Room for `capacity` items, which nobody exceeds, and so many threads that put some in.
    pub(crate) fn new(capacity: usize, writers: usize) -> Self {
        let items = VecDeque::with_capacity(capacity);
        let state = State { items, writers, waiting: 0, wake_at: 1 };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// The same queue, but who found it empty sleeps until there are so many items, or no writers: to
    /// wake a thread costs as much as hundreds of calls to an allocator.
    pub(crate) fn waking_at(self, items: usize) -> Self {
        self.state().wake_at = items;
        self
    }

    /// Adds an item.
    pub(crate) fn put(&self, item: T) {
        let mut state = self.state();
        state.items.push_back(item);
        let wakes = state.waiting > 0 && state.items.len() >= state.wake_at;
        drop(state);
        if wakes {
            self.changed.notify_one();
        }
    }

    /// Waits for an item; `None` once the queue has ended.
    pub(crate) fn take(&self) -> Option<T> {
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

    /// One writer will add no more.
    pub(crate) fn leave(&self) {
        let mut state = self.state();
        state.writers = state.writers.saturating_sub(1);
        drop(state);
        self.changed.notify_all();
    }

    /// Ends the queue whoever would still write: something went wrong.
    pub(crate) fn close(&self) {
        self.state().writers = 0;
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        // A push or a pop that panicked has not happened.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
