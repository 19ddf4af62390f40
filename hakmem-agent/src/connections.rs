//! The connections of one listener: their number, their peers, and their silence.
//!
//! A listener never refuses. When it has reached its limit of connections, it closes the one that
//! has been silent for the longest time: one of the new connection's peer if that peer has its
//! share, otherwise one of the peer with the most connections. So idle connections keep nobody out,
//! and no peer can push out another's connections while it has more itself.

mod accept;
mod link;

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub(crate) use accept::accept;
pub(crate) use link::Link;

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Peer {
    /// A user of this machine, for whom the kernel vouches.
    User(u32),
    /// An address; every user of a machine has those of its loopback interface.
    Address(IpAddr),
    /// The system did not tell.
    Unknown,
}

/// The limits of a listener's connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Connections at a time.
    pub(crate) in_all: usize,
    /// Connections of one peer at a time.
    pub(crate) of_peer: usize,
    /// Number of bytes that must arrive within `begin_within`.
    pub(crate) first_bytes: u64,
    /// Time limit for the first bytes.
    pub(crate) begin_within: Duration,
    /// After those, the longest time without a byte in either direction.
    pub(crate) silence_max: Duration,
}

/// The numbers of a listener's connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Open now.
    pub(crate) open: usize,
    /// Closed to make room for others.
    pub(crate) closed_for_room: u64,
    /// Closed because no bytes came or went.
    pub(crate) closed_for_silence: u64,
}

/// The connections of one listener.
#[derive(Debug)]
pub(crate) struct Connections {
    /// The listener's name in the metrics.
    pub(crate) listener: &'static str,
    limits: Limits,
    origin: Instant,
    open: Mutex<Open>,
    closed_for_room: AtomicU64,
    closed_for_silence: AtomicU64,
}

#[derive(Debug, Default)]
struct Open {
    entries: BTreeMap<u64, Entry>,
    by_peer: HashMap<Peer, usize>,
    next: u64,
}

#[derive(Debug)]
struct Entry {
    peer: Peer,
    activity: Arc<Activity>,
}

/// The time at which a connection was last active, and the means to close it.
#[derive(Debug, Default)]
struct Activity {
    /// Milliseconds since the listener's origin.
    at_ms: AtomicU64,
    close: CancellationToken,
}

impl Connections {
    pub(crate) fn new(listener: &'static str, limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            listener,
            limits,
            origin: Instant::now(),
            open: Mutex::default(),
            closed_for_room: AtomicU64::new(0),
            closed_for_silence: AtomicU64::new(0),
        })
    }

    pub(crate) fn usage(&self) -> Usage {
        Usage {
            open: self.open().entries.len(),
            closed_for_room: self.closed_for_room.load(Ordering::Relaxed),
            closed_for_silence: self.closed_for_silence.load(Ordering::Relaxed),
        }
    }

    /// Admits a connection, and closes another one if there is no room.
    fn admit(&self, peer: Peer) -> (u64, Arc<Activity>) {
        let mut open = self.open();
        if open.by_peer.get(&peer).is_some_and(|&count| count >= self.limits.of_peer) {
            self.close_one(&mut open, peer);
        } else if open.entries.len() >= self.limits.in_all
            && let Some(greedy) = open.by_peer.iter().max_by_key(|(_, count)| **count)
        {
            let greedy = *greedy.0;
            self.close_one(&mut open, greedy);
        }
        let activity = Arc::new(Activity::default());
        activity.at_ms.store(self.now_ms(), Ordering::Relaxed);
        let id = open.next;
        open.next += 1;
        *open.by_peer.entry(peer).or_default() += 1;
        open.entries.insert(id, Entry { peer, activity: Arc::clone(&activity) });
        (id, activity)
    }

    /// Closes the most silent connection of the peer with the most, because the system is short of
    /// descriptors or memory.
    fn make_room(&self) {
        let mut open = self.open();
        if let Some(greedy) = open.by_peer.iter().max_by_key(|(_, count)| **count) {
            let greedy = *greedy.0;
            self.close_one(&mut open, greedy);
        }
    }

    fn close_one(&self, open: &mut Open, peer: Peer) {
        let of_peer = open.entries.iter().filter(|(_, entry)| entry.peer == peer);
        let silent = of_peer.min_by_key(|(_, e)| e.activity.at_ms.load(Ordering::Relaxed));
        if let Some(&id) = silent.map(|(id, _)| id)
            && let Some(entry) = open.remove(id)
        {
            entry.activity.close.cancel();
            self.closed_for_room.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn leave(&self, id: u64) {
        self.open().remove(id);
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// A poisoned lock is usable: no code panics while holding it, and the guarded data is valid at
    /// every step.
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Open {
    fn remove(&mut self, id: u64) -> Option<Entry> {
        let entry = self.entries.remove(&id)?;
        if let Some(count) = self.by_peer.get_mut(&entry.peer) {
            *count -= 1;
            if *count == 0 {
                self.by_peer.remove(&entry.peer);
            }
        }
        Some(entry)
    }
}

#[cfg(test)]
mod tests;
