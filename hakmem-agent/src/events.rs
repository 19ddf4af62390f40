//! Passes events from the sampler to the streams that asked for them.
//!
//! Each stream has a bounded queue. If the queue is full, an event is dropped and counted, so that
//! a slow client costs itself events and the agent nothing.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hakmem_proto::v1::Event;
use hakmem_reader::EventKind;
use tokio::sync::mpsc;

use crate::state::FleetView;
use crate::state::filter::Selection;

/// Maximum number of events that wait for one client; about 150 bytes each.
const QUEUE_EVENTS: usize = 8192;
/// Maximum number of events in one message; well below 4 MiB.
const MESSAGE_EVENTS: usize = 4096;

/// Losses of one stream since it began.
#[derive(Debug, Default)]
struct Losses {
    lost_events: AtomicU64,
    dropped_events: AtomicU64,
}

/// The sampler's end of a stream.
#[derive(Debug)]
pub(crate) struct Subscription {
    selection: Selection,
    kinds: Vec<String>,
    /// Whether the client first wants the events that are still in the rings.
    pub(crate) include_recent: bool,
    queue: mpsc::Sender<Event>,
    losses: Arc<Losses>,
}

/// The client's end of a stream.
#[derive(Debug)]
pub(crate) struct EventStream {
    selection: Selection,
    queue: mpsc::Receiver<Event>,
    losses: Arc<Losses>,
}

/// The events of one process from one round.
#[derive(Debug)]
pub(crate) struct News {
    pub(crate) key: Arc<str>,
    /// Owner of the process.
    pub(crate) owner: u32,
    pub(crate) events: Vec<Event>,
    /// Events that were overwritten before they were read, in this round.
    pub(crate) lost_events: u64,
}

impl Subscription {
    /// Creates both ends of a stream.
    pub(crate) fn new(
        selection: Selection,
        kinds: Vec<String>,
        include_recent: bool,
    ) -> (Self, EventStream) {
        let (sender, receiver) = mpsc::channel(QUEUE_EVENTS);
        let losses = Arc::new(Losses::default());
        let stream = EventStream {
            selection: selection.clone(),
            queue: receiver,
            losses: Arc::clone(&losses),
        };
        (Self { selection, kinds, include_recent, queue: sender, losses }, stream)
    }

    /// The first word in `kinds` that is not a kind of event.
    pub(crate) fn unknown_kind(kinds: &[String]) -> Option<&str> {
        let is_known = |kind: &&String| EventKind::ALL.iter().any(|known| known.name() == **kind);
        kinds.iter().find(|kind| !is_known(kind)).map(String::as_str)
    }

    /// Whether the client is gone.
    pub(crate) fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }

    /// Keys of the processes whose events the client wants; with `recent`, which asks for past
    /// events, ended processes are included only if the selection includes them.
    pub(crate) fn keys(&self, view: &FleetView, recent: bool) -> HashSet<Arc<str>> {
        let ended_too = !recent || self.selection.includes_ended();
        let wanted = self.selection.of(view).filter(|record| ended_too || !record.has_ended());
        wanted.map(|record| Arc::clone(&record.key)).collect()
    }

    /// Queues the wanted events in `news`. Each owner's events may take an equal part of the free
    /// room in the queue, so that one user's events do not push out another's.
    pub(crate) fn offer(&self, keys: &HashSet<Arc<str>>, news: &[News]) {
        let wanted = || news.iter().filter(|process| keys.contains(&process.key));
        let mut room: HashMap<u32, usize> = wanted().map(|process| (process.owner, 0)).collect();
        let share = self.queue.capacity() / room.len().max(1);
        room.values_mut().for_each(|room| *room = share);
        for process in wanted() {
            self.losses.lost_events.fetch_add(process.lost_events, Ordering::Relaxed);
            for event in process.events.iter().filter(|event| self.wants(&event.kind)) {
                let room = room.entry(process.owner).or_default();
                if *room > 0 && self.queue.try_send(event.clone()).is_ok() {
                    *room -= 1;
                } else {
                    self.losses.dropped_events.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }

    /// Queues events that are already past.
    pub(crate) fn offer_recent(&self, events: Vec<Event>) {
        for event in events.into_iter().filter(|event| self.wants(&event.kind)) {
            if self.queue.try_send(event).is_err() {
                self.losses.dropped_events.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn wants(&self, kind: &str) -> bool {
        self.kinds.is_empty() || self.kinds.iter().any(|wanted| wanted == kind)
    }
}

impl EventStream {
    /// Waits for events and adds them to `events`, at most as many as fit into a message; returns
    /// their number, which is 0 if the sampler has ended.
    pub(crate) async fn receive(&mut self, events: &mut Vec<Event>) -> usize {
        self.queue.recv_many(events, MESSAGE_EVENTS).await
    }

    /// Keys of the running processes that the stream selects.
    pub(crate) fn running_keys(&self, view: &FleetView) -> Vec<Arc<str>> {
        let running = self.selection.of(view).filter(|record| !record.has_ended());
        running.map(|record| Arc::clone(&record.key)).collect()
    }

    /// The events that wait now, at most as many as fit into a message.
    pub(crate) fn take_waiting(&mut self) -> Vec<Event> {
        let waiting = std::iter::from_fn(|| self.queue.try_recv().ok());
        waiting.take(MESSAGE_EVENTS).collect()
    }

    /// Numbers of events that were lost and dropped since the stream began.
    pub(crate) fn losses(&self) -> (u64, u64) {
        let lost_events = self.losses.lost_events.load(Ordering::Relaxed);
        (lost_events, self.losses.dropped_events.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Viewer;

    fn news(events: usize) -> (HashSet<Arc<str>>, News) {
        let key: Arc<str> = "1-2-3".into();
        let kind = |number: usize| if number.is_multiple_of(2) { "anomaly" } else { "slow_free" };
        let events = (0..events)
            .map(|number| Event { kind: kind(number).to_owned(), ..Event::default() })
            .collect();
        (HashSet::from([Arc::clone(&key)]), News { key, owner: 1, events, lost_events: 3 })
    }

    fn subscribe(kinds: &[&str]) -> (Subscription, EventStream) {
        let kinds = kinds.iter().map(ToString::to_string).collect();
        Subscription::new(Selection::new(Viewer::Everyone, None), kinds, false)
    }

    #[test]
    fn a_full_queue_drops_events_and_counts_them() {
        let (subscription, stream) = subscribe(&[]);
        let (keys, news) = news(QUEUE_EVENTS + 10);
        subscription.offer(&keys, &[news]);
        assert_eq!(stream.queue.len(), QUEUE_EVENTS);
        assert_eq!(stream.losses(), (3, 10));
    }

    #[test]
    fn the_events_of_one_user_leave_room_for_those_of_another() {
        let (subscription, mut stream) = subscribe(&[]);
        let (mut keys, flood) = news(2 * QUEUE_EVENTS);
        let quiet = News { key: "2-2-3".into(), owner: 2, ..news(10).1 };
        keys.insert(Arc::clone(&quiet.key));
        let events = quiet.events.iter().map(|event| Event { pid: 2, ..event.clone() }).collect();
        subscription.offer(&keys, &[flood, News { events, ..quiet }]);
        let told = std::iter::from_fn(|| stream.queue.try_recv().ok());
        assert_eq!(told.filter(|event| event.pid == 2).count(), 10);
    }

    #[test]
    fn events_that_nobody_asked_for_are_no_loss() {
        let (subscription, stream) = subscribe(&["anomaly"]);
        let (keys, news) = news(10);
        subscription.offer(&HashSet::new(), std::slice::from_ref(&news));
        assert_eq!((stream.queue.len(), stream.losses()), (0, (0, 0)));
        subscription.offer(&keys, &[news]);
        assert_eq!((stream.queue.len(), stream.losses()), (5, (3, 0)));
    }
}
