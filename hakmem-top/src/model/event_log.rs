//! The newest events, and how many are missing.

use std::collections::{BTreeMap, VecDeque};

use hakmem_proto::v1 as proto;

/// Events that are kept.
const CAPACITY: usize = 2000;

/// Events in the order in which they came, each one once, even if a stream repeats it.
#[derive(Clone, Debug, Default)]
pub struct EventLog {
    key: String,
    events: VecDeque<proto::Event>,
    seen: BTreeMap<(String, u32), u64>,
    lost_earlier: u64,
    lost: u64,
    dropped_earlier: u64,
    dropped: u64,
}

impl EventLog {
    /// Adds the events of a message; events that are known already are left out.
    pub fn merge(&mut self, update: proto::WatchEventsResponse) {
        self.lost = self.lost.max(update.lost_events);
        self.dropped = self.dropped.max(update.dropped_events);
        for event in update.events {
            let newest = self.seen.entry((event.process_key.clone(), event.slot)).or_default();
            if event.number <= *newest {
                continue;
            }
            *newest = event.number;
            if self.events.len() == CAPACITY {
                self.events.pop_front();
            }
            self.events.push_back(event);
        }
    }

    /// Begins a new stream, whose losses count from zero. Events of any process other than `key`
    /// are forgotten.
    pub fn begin_stream(&mut self, key: &str) {
        if self.key != key {
            *self = Self { key: key.to_owned(), ..Self::default() };
        }
        self.lost_earlier = self.lost_earlier.saturating_add(std::mem::take(&mut self.lost));
        self.dropped_earlier =
            self.dropped_earlier.saturating_add(std::mem::take(&mut self.dropped));
    }

    /// Events, newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = &proto::Event> {
        self.events.iter().rev()
    }

    /// Events that were overwritten before the agent read them, or dropped on the way.
    pub fn missing(&self) -> u64 {
        let all = [self.lost_earlier, self.lost, self.dropped_earlier, self.dropped];
        all.into_iter().fold(0, u64::saturating_add)
    }
}
