//! Keeps findings for an hour, sends them to the clients that watch, and counts them for the
//! metrics.
//!
//! Each stream has a bounded queue. If the queue is full, a finding is dropped and counted.
//! Findings are sent whole, and again and again while they go on, so the next update compensates
//! for the drop.

mod kept_sides;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hakmem_proto::v1::Finding;
use hakmem_recording::window::seconds;
use prost_types::Timestamp;
use tokio::sync::mpsc;

use crate::access::Viewer;
use crate::state::FleetView;
use crate::state::counters::OTHER;
use crate::state::filter::Selection;
use crate::time::timestamp_of_unix_ns;
pub(crate) use kept_sides::KeptSides;

/// Maximum number of kept findings, including those that go on.
pub(crate) const KEPT_MAX: usize = 256;
/// Seconds that a finding is kept after its end.
const KEPT_SECONDS: f64 = 3600.0;
/// Maximum number of findings that wait for one client: those kept, and as many again.
const QUEUE_MAX: usize = 2 * KEPT_MAX;
/// Maximum number of combinations of executable and cause by which one owner's findings are
/// counted.
const BEGUN_MAX: usize = 256;
/// Limit of the compressed bytes of the samples of all findings.
const SIDES_BYTES_MAX: usize = 16 << 20;
/// Maximum number of findings in one message. Each has a few names and a sentence, and a name takes
/// at most some kibibytes.
const MESSAGE_MAX: usize = 64;

/// A finding with the data that clients do not receive.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// User id of the program's owner.
    pub(crate) owner: u32,
    /// The name by which people know the program.
    pub(crate) program_name: String,
    /// Seconds that the finding's cause adds to each operation.
    pub(crate) added_seconds: f64,
    pub(crate) finding: Finding,
    /// The samples on which the finding rests; `None` if they took too much memory.
    pub(crate) sides: Option<Arc<KeptSides>>,
}

/// A change of a finding.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Began(Known),
    Changed(Known),
    Ended { id: u64, until: Option<f64> },
}

/// The labels by which findings are counted: owner, executable and cause.
pub(crate) type Begun = (u32, String, String);

/// All findings.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    kept: BTreeMap<u64, Arc<Known>>,
    watchers: Vec<Watcher>,
    /// Number of findings so far.
    begun: BTreeMap<Begun, u64>,
}

/// The agent's end of a stream.
#[derive(Debug)]
struct Watcher {
    viewer: Viewer,
    queue: mpsc::Sender<Arc<Known>>,
    dropped: Arc<AtomicU64>,
}

/// The client's end of a stream.
#[derive(Debug)]
pub(crate) struct FindingStream {
    selection: Selection,
    queue: mpsc::Receiver<Arc<Known>>,
    dropped: Arc<AtomicU64>,
}

impl Findings {
    /// Takes changes of findings. `label` returns the bounded name of an executable in the metrics.
    pub(crate) fn take(&self, steps: Vec<Step>, now: f64, label: impl Fn(u32, &str) -> String) {
        let mut inner = self.lock();
        for step in steps {
            let known = match step {
                Step::Began(known) => {
                    let name = label(known.owner, &known.program_name);
                    inner.count(known.owner, name, known.finding.cause.clone());
                    Arc::new(known)
                }
                Step::Changed(known) => Arc::new(known),
                Step::Ended { id, until } => {
                    let Some(known) = inner.kept.get(&id) else { continue };
                    let mut known = Known::clone(known);
                    let until = until.unwrap_or(now).max(0.0);
                    known.finding.until = Some(timestamp_of_unix_ns((until * 1e9) as u64));
                    Arc::new(known)
                }
            };
            inner.kept.insert(known.finding.id, Arc::clone(&known));
            inner.tell(&known);
        }
        inner.forget(now);
    }

    /// Begins a stream with the known findings; without `follow`, it ends after them.
    pub(crate) fn watch(&self, selection: Selection, follow: bool) -> FindingStream {
        let (sender, queue) = mpsc::channel(QUEUE_MAX);
        let dropped = Arc::new(AtomicU64::new(0));
        let viewer = selection.viewer();
        let watcher = Watcher { viewer, queue: sender, dropped: Arc::clone(&dropped) };
        let mut inner = self.lock();
        inner.kept.values().for_each(|known| watcher.tell(known));
        if follow {
            inner.watchers.push(watcher);
        }
        FindingStream { selection, queue, dropped }
    }

    /// The finding with number `id`, if it began at `since`.
    pub(crate) fn find(&self, id: u64, since: Option<&Timestamp>) -> Option<Arc<Known>> {
        let known = self.lock().kept.get(&id).cloned()?;
        let is_meant = since.is_none() || since == known.finding.since.as_ref();
        is_meant.then_some(known)
    }

    /// The findings that go on.
    pub(crate) fn ongoing(&self) -> Vec<Arc<Known>> {
        let inner = self.lock();
        inner.kept.values().filter(|it| it.finding.until.is_none()).cloned().collect()
    }

    /// Numbers of findings so far, by owner, executable and cause.
    pub(crate) fn begun(&self) -> Vec<(Begun, u64)> {
        self.lock().begun.iter().map(|(labels, count)| (labels.clone(), *count)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Counts a finding. Names come and go; if an owner has had many, further ones are summed.
    fn count(&mut self, owner: u32, name: String, cause: String) {
        let of_owner = (owner, String::new(), String::new())..;
        let names = self.begun.range(of_owner).take_while(|((it, ..), _)| *it == owner).count();
        let mut key = (owner, name, cause);
        if names >= BEGUN_MAX && !self.begun.contains_key(&key) {
            key.1 = OTHER.to_owned();
        }
        *self.begun.entry(key).or_default() += 1;
    }

    fn tell(&mut self, known: &Arc<Known>) {
        self.watchers.retain(|it| !it.queue.is_closed());
        self.watchers.iter().for_each(|it| it.tell(known));
    }

    /// Drops findings that ended long ago and, if there are too many, the oldest: first those that
    /// have ended.
    fn forget(&mut self, now: f64) {
        let until = |it: &Known| it.finding.until.as_ref().map(seconds);
        self.kept.retain(|_, it| until(it).is_none_or(|until| now - until < KEPT_SECONDS));
        while self.kept.len() > KEPT_MAX {
            // The owner with the most findings loses one, so that nobody's findings push out
            // another's.
            let mut of_owners: HashMap<u32, usize> = HashMap::new();
            self.kept.values().for_each(|it| *of_owners.entry(it.owner).or_default() += 1);
            let most = of_owners.into_iter().max_by_key(|&(owner, count)| (count, owner));
            let Some((owner, _)) = most else { return };
            let mut theirs = self.kept.iter().filter(|(_, it)| it.owner == owner);
            let over = theirs.clone().find(|(_, it)| it.finding.until.is_some());
            let Some((&id, _)) = over.or(theirs.next()) else { return };
            self.kept.remove(&id);
        }
        self.forget_sides();
    }

    /// Drops samples of the owner whose findings have the most: first those of ended findings, then
    /// those of the oldest.
    fn forget_sides(&mut self) {
        let bytes = |it: &Known| it.sides.as_ref().map_or(0, |sides| sides.bytes());
        loop {
            let mut of_owners: HashMap<u32, usize> = HashMap::new();
            self.kept.values().for_each(|it| *of_owners.entry(it.owner).or_default() += bytes(it));
            let all: usize = of_owners.values().sum();
            let most = of_owners.into_iter().max_by_key(|&(owner, bytes)| (bytes, owner));
            let Some((owner, _)) = most.filter(|_| all > SIDES_BYTES_MAX) else { return };
            let theirs = self.kept.values_mut().filter(|it| it.owner == owner && bytes(it) > 0);
            let first = theirs.min_by_key(|it| (it.finding.until.is_none(), it.finding.id));
            let Some(known) = first else { return };
            *known = Arc::new(Known { sides: None, ..Known::clone(known) });
        }
    }
}

impl Watcher {
    fn tell(&self, known: &Arc<Known>) {
        // Findings that the viewer may not see take no room in its queue.
        if self.viewer.may_see(known.owner) && self.queue.try_send(Arc::clone(known)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl FindingStream {
    /// Waits for findings and adds them to `known`, at most as many as fit into a message; returns
    /// their number, which is 0 at the end of the stream.
    pub(crate) async fn receive(&mut self, known: &mut Vec<Arc<Known>>) -> usize {
        self.queue.recv_many(known, MESSAGE_MAX).await
    }

    /// The findings that the stream selects, given the processes in `view`.
    pub(crate) fn selected(&self, known: &[Arc<Known>], view: &FleetView) -> Vec<Finding> {
        let selects = |it: &&Arc<Known>| self.selection.has_finding(view, it.owner, &it.finding);
        known.iter().filter(selects).map(|it| it.finding.clone()).collect()
    }

    /// Number of findings that were dropped since the stream began.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests;
