//! What was found: kept for an hour, told to whoever watches, counted for the metrics.
//!
//! Each stream has a bounded queue. A finding that finds it full is dropped and counted; because
//! findings are told whole and again and again while they go on, the next update makes up for it.

mod kept_sides;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hakmem_proto::v1::{Finding, WatchFindingsResponse};
use hakmem_recording::window::seconds;
use prost_types::Timestamp;
use tokio::sync::mpsc;
use tonic::Status;

use crate::access::Viewer;
use crate::shared::Shared;
use crate::state::counters::OTHER;
use crate::state::filter::Selection;
use crate::time::timestamp_of_unix_ns;
pub(crate) use kept_sides::KeptSides;

/// Findings kept, those that go on included.
pub(crate) const KEPT_MAX: usize = 256;
/// Seconds that a finding is kept after its end.
const KEPT_SECONDS: f64 = 3600.0;
/// Findings that wait for one client at most: those kept, and as many again.
const QUEUE_MAX: usize = 2 * KEPT_MAX;
/// Executables and causes of one owner that findings are counted by.
const BEGUN_MAX: usize = 256;
/// Compressed bytes of the samples that all findings rest on.
const SIDES_BYTES_MAX: usize = 16 << 20;
/// Findings in one message at most. Each is a few names and a sentence, and a name is at most some
/// kibibytes long.
const MESSAGE_MAX: usize = 64;

/// A finding and what is not told of it.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// User id of the program's owner.
    pub(crate) owner: u32,
    /// The name by which people know the program.
    pub(crate) program_name: String,
    /// Seconds that it adds to each operation.
    pub(crate) added_seconds: f64,
    pub(crate) finding: Finding,
    /// The samples that it rests on; `None` if they are too many.
    pub(crate) sides: Option<Arc<KeptSides>>,
}

/// What happened to a finding.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Began(Known),
    Changed(Known),
    Ended { id: u64, until: Option<f64> },
}

/// What findings are counted by: owner, executable and cause.
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
    /// Findings so far.
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
    /// Takes in what happened. `label` gives the bounded name of an executable in the metrics.
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

    /// Begins a stream with what is known; without `follow`, it ends there.
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

    /// The finding of a number, if it began at that moment.
    pub(crate) fn find(&self, id: u64, since: Option<&Timestamp>) -> Option<Arc<Known>> {
        let known = self.lock().kept.get(&id).cloned()?;
        let is_meant = since.is_none() || since == known.finding.since.as_ref();
        is_meant.then_some(known)
    }

    /// Those that go on.
    pub(crate) fn ongoing(&self) -> Vec<Arc<Known>> {
        let inner = self.lock();
        inner.kept.values().filter(|it| it.finding.until.is_none()).cloned().collect()
    }

    /// Findings so far, by owner, executable and cause.
    pub(crate) fn begun(&self) -> Vec<(Begun, u64)> {
        self.lock().begun.iter().map(|(labels, count)| (labels.clone(), *count)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Counts a finding. Names come and go; where an owner has had many, further ones are summed.
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

    /// Gives up what ended long ago, and the oldest of what is too much: first what is over.
    fn forget(&mut self, now: f64) {
        let until = |it: &Known| it.finding.until.as_ref().map(seconds);
        self.kept.retain(|_, it| until(it).is_none_or(|until| now - until < KEPT_SECONDS));
        while self.kept.len() > KEPT_MAX {
            // Of the owner who has most, so that nobody's findings push out another's.
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

    /// Gives up samples of the owner whose findings have most: first of what is over, then of what
    /// is oldest.
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
        // What it may not see takes no room in its queue.
        if self.viewer.may_see(known.owner) && self.queue.try_send(Arc::clone(known)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl FindingStream {
    /// Forwards findings until they, the client or the agent go.
    pub(crate) async fn run(
        mut self,
        shared: Arc<Shared>,
        client: mpsc::Sender<Result<WatchFindingsResponse, Status>>,
    ) {
        let mut told = 0;
        loop {
            let mut known = Vec::new();
            tokio::select! {
                () = shared.stop.cancelled() => return,
                () = client.closed() => return,
                received = self.queue.recv_many(&mut known, MESSAGE_MAX) => {
                    if received == 0 { return }
                }
            }
            let findings = self.selected(&known, &shared);
            let dropped_findings = self.dropped.load(Ordering::Relaxed);
            if findings.is_empty() && dropped_findings == told {
                continue;
            }
            told = dropped_findings;
            let message = WatchFindingsResponse { findings, dropped_findings };
            if client.send(Ok(message)).await.is_err() {
                return;
            }
        }
    }

    fn selected(&self, known: &[Arc<Known>], shared: &Shared) -> Vec<Finding> {
        let view = shared.current();
        let wanted = known.iter().filter(|it| self.selection.has_finding(&view, it));
        wanted.map(|it| it.finding.clone()).collect()
    }
}

#[cfg(test)]
mod tests;
