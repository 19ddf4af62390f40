//! Which streams watch which processes, and at what interval.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The processes that one stream watches.
#[derive(Debug)]
struct Watched {
    keys: Vec<Arc<str>>,
    interval: Duration,
}

/// The processes that all streams watch. Streams write it, the sampler reads it before every round.
#[derive(Debug, Default)]
pub(crate) struct Interests {
    streams: Mutex<(u64, HashMap<u64, Watched>)>,
}

/// One stream's entry, which is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Interest {
    all: Arc<Interests>,
    stream: u64,
    interval: Duration,
}

impl Interests {
    /// Registers a new stream, which watches no process yet.
    pub(crate) fn register(self: &Arc<Self>, interval: Duration) -> Interest {
        let mut guard = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        guard.0 += 1;
        Interest { all: Arc::clone(self), stream: guard.0, interval }
    }

    /// For each watched process, the shortest interval that any stream wants.
    pub(crate) fn intervals(&self) -> HashMap<Arc<str>, Duration> {
        let guard = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let mut shortest = HashMap::new();
        for watched in guard.1.values() {
            for key in &watched.keys {
                let entry = shortest.entry(Arc::clone(key)).or_insert(watched.interval);
                *entry = watched.interval.min(*entry);
            }
        }
        shortest
    }
}

impl Interest {
    /// Replaces the processes that the stream watches.
    pub(crate) fn set(&self, keys: Vec<Arc<str>>) {
        let watched = Watched { keys, interval: self.interval };
        let mut guard = self.all.streams.lock().unwrap_or_else(PoisonError::into_inner);
        guard.1.insert(self.stream, watched);
    }
}

impl Drop for Interest {
    fn drop(&mut self) {
        let mut guard = self.all.streams.lock().unwrap_or_else(PoisonError::into_inner);
        guard.1.remove(&self.stream);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_interval_wins_and_goes_with_its_stream() {
        let interests = Arc::new(Interests::default());
        let key: Arc<str> = "1-2-3".into();
        let slow = interests.register(Duration::from_secs(1));
        slow.set(vec![Arc::clone(&key)]);
        let fast = interests.register(Duration::from_millis(100));
        fast.set(vec![Arc::clone(&key), "4-5-6".into()]);
        assert_eq!(interests.intervals()[&key], Duration::from_millis(100));
        assert_eq!(interests.intervals().len(), 2);
        drop(fast);
        assert_eq!(interests.intervals()[&key], Duration::from_secs(1));
        drop(slow);
        assert!(interests.intervals().is_empty());
    }
}
