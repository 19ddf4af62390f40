//! One segment that the sampler follows.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hakmem_proto::v1;
use hakmem_reader::directory::FilesOf;
use hakmem_reader::liveness::{Host, effective_state};
use hakmem_reader::{
    Ending, Event, EventCursor, Identity, Limits, OpenError, ProcessState, SampleError, Segment,
    Testimony, Witness,
};

use crate::accounts::Meter;
use crate::discovery::Found;
use crate::state::{Facts, ProcessRecord};
use crate::thread_names::NameReader;
use crate::time::timestamp_of_unix_ns;

/// Maximum number of events of one process that are read at a time; up to one ring more may come.
const EVENTS_MAX: usize = 4096;

/// A segment, and how far it has been read.
#[derive(Debug)]
pub(super) struct Tracked {
    pub(super) key: Arc<str>,
    pub(super) path: PathBuf,
    pub(super) facts: Arc<Facts>,
    /// `None` once the process has ended and its final state was read: other segments need the
    /// descriptor.
    segment: Option<Segment>,
    /// Observes how the process ends, if it was alive when it was found.
    witness: Option<Witness>,
    cursor: EventCursor,
    /// Whether the cursor has been used.
    follows_events: bool,
    /// Number of the newest event read, by slot.
    newest: Vec<u64>,
    lost_events: u64,
    names: NameReader,
    /// The last tick in which it was sampled.
    pub(super) last_tick: u64,
    /// Whether it was never sampled, or its sample is unfinished, so that it is due at once.
    pub(super) is_waiting: bool,
    /// The users whose files its directory may hold.
    files_of: FilesOf,
    /// Memory of the newest sample, in bytes.
    pub(super) sample_bytes: usize,
    /// Time that the last look slept for a writer in a slow path.
    pub(super) waited: Duration,
    /// Whether the writer was alive when the current sample was begun.
    begun_alive: Option<bool>,
}

/// The result of a look.
pub(super) enum Looked {
    /// The process had ended before, so nothing can have changed.
    Ended,
    /// The next look continues the sample.
    Unfinished,
    Whole(Box<Look>),
}

/// A whole sample of a segment, with the new events.
pub(super) struct Look {
    pub(super) record: ProcessRecord,
    pub(super) events: Vec<v1::Event>,
    pub(super) lost_events: u64,
}

impl Tracked {
    /// Opens the segment at `path`, in a directory that may hold files of the owners in `files_of`.
    pub(super) fn open(
        path: &Path,
        files_of: FilesOf,
        tick: u64,
        host: &Host,
    ) -> Result<Self, OpenError> {
        let segment = Segment::open(path)?;
        let owner = segment.identity().owner_user_id;
        if !files_of.admits(owner) {
            return Err(OpenError::WrongOwner { owner });
        }
        let is_alive = segment.is_writer_alive();
        let witness = if is_alive { host.witness(segment.identity()) } else { None };
        let facts = Arc::new(Facts::new(segment.identity()));
        Ok(Self {
            key: facts.key().into(),
            path: path.to_owned(),
            facts,
            segment: Some(segment),
            witness,
            cursor: EventCursor::from_oldest(),
            follows_events: false,
            newest: Vec::new(),
            lost_events: 0,
            names: NameReader::default(),
            last_tick: tick,
            is_waiting: true,
            files_of,
            sample_bytes: 0,
            waited: Duration::ZERO,
            begun_alive: None,
        })
    }

    /// Owner of the file.
    pub(super) fn owner(&self) -> u32 {
        self.facts.raw.owner_user_id
    }

    /// The file, as a listing would report it.
    pub(super) fn found(&self) -> Found {
        Found { path: self.path.clone(), owner: self.owner(), files_of: self.files_of }
    }

    /// Whether the segment is open, so that there may be more to read.
    pub(super) fn is_open(&self) -> bool {
        self.segment.is_some()
    }

    /// Samples the process, within `limits`.
    ///
    /// Whether the writer is alive is asked before anything is read: if it is not, the data read
    /// after that is final. `others` are the identities that might prove an `exec`.
    pub(super) fn look<'a>(
        &mut self,
        host: &Host,
        others: impl IntoIterator<Item = &'a Identity>,
        limits: &Limits,
    ) -> Result<Looked, SampleError> {
        let Some(segment) = &mut self.segment else { return Ok(Looked::Ended) };
        let alive = *self.begun_alive.get_or_insert_with(|| segment.is_writer_alive());
        let meter = Meter::begin();
        let sampled = segment.sample_within(limits);
        self.waited = segment.waited();
        let Some(sample) = sampled? else { return Ok(Looked::Unfinished) };
        self.begun_alive = None;
        // Nothing else of an identity changes while its process lives.
        if segment.identity().labels != self.facts.raw.labels {
            self.facts = Arc::new(Facts::new(segment.identity()));
        }
        self.sample_bytes = sample.bytes();
        let slice = limits.slice.saturating_sub(meter.took());
        let (mut events, mut lost_events) = (Vec::new(), 0);
        let newest = |slot: u32| self.newest.get(slot as usize).copied().unwrap_or(0);
        let unread = sample.slots.iter().any(|slot| slot.events_written > newest(slot.index));
        // The first read decides from where on events count as lost, so it always happens.
        if unread || !std::mem::replace(&mut self.follows_events, true) {
            let batch = segment.read_events_up_to(&mut self.cursor, EVENTS_MAX, slice)?;
            lost_events = batch.lost;
            self.lost_events = self.lost_events.saturating_add(batch.lost);
            for event in &batch.events {
                let slot = event.slot as usize;
                if self.newest.len() <= slot {
                    self.newest.resize(slot + 1, 0);
                }
                self.newest[slot] = self.newest[slot].max(event.number);
            }
            events = batch.events.iter().map(|event| self.facts.event(&self.key, event)).collect();
        }
        let end = if alive { End::Running } else { self.end(host) };
        let (state, ending) = match end {
            End::Running => (ProcessState::Running, None),
            End::Told(ending) => {
                let (identity, process) = (&self.facts.raw, &sample.process);
                let state = effective_state(identity, false, process, ending, others, host);
                (state, ending.filter(|&ending| state == ending.into()))
            }
        };
        if state == ProcessState::Running {
            self.names.update(host, &self.facts.raw, &sample.slots);
        } else {
            (self.segment, self.witness) = (None, None);
        }
        let (key, facts) = (Arc::clone(&self.key), Arc::clone(&self.facts));
        let record = ProcessRecord::new(key, facts, (state, ending), sample, self.lost_events)
            .with_thread_names(self.names.names());
        Ok(Looked::Whole(Box::new(Look { record, events, lost_events })))
    }

    /// Finds out how a process ended that has released its lock.
    fn end(&self, host: &Host) -> End {
        let identity = &self.facts.raw;
        match self.witness.as_ref().map(Witness::testimony) {
            Some(Testimony::Known(ending)) => End::Told(Some(ending)),
            // It is about to end and its exit status will follow; or it called `exec` and is still
            // alive.
            Some(Testimony::Pending) if !host.process_lives(identity) => End::Running,
            Some(Testimony::Pending | Testimony::Unknown) => End::Told(None),
            None => End::Told(host.ending(identity)),
        }
    }

    /// The events still in the rings that [`Tracked::look`] has returned before; empty if the
    /// segment cannot be read any more.
    pub(super) fn recent_events(&self) -> Vec<v1::Event> {
        let mut cursor = EventCursor::from_oldest();
        let batch = match &self.segment {
            Some(segment) => segment.read_events(&mut cursor).ok(),
            None => Segment::open(&self.path).ok().and_then(|s| s.read_events(&mut cursor).ok()),
        };
        let events = batch.map(|batch| batch.events).unwrap_or_default();
        let given = |event: &&Event| {
            self.newest.get(event.slot as usize).is_some_and(|&newest| event.number <= newest)
        };
        events.iter().filter(given).map(|event| self.facts.event(&self.key, event)).collect()
    }
}

/// Whether a process without a lock has ended.
enum End {
    /// Not completely.
    Running,
    /// It has ended, in the given way if that is known.
    Told(Option<Ending>),
}

impl Facts {
    /// An event of this process as a message of the contract.
    pub(crate) fn event(&self, key: &str, event: &Event) -> v1::Event {
        v1::Event {
            process_key: key.to_owned(),
            pid: self.identity.pid,
            at: Some(timestamp_of_unix_ns(self.raw.unix_ns(event.monotonic_ns))),
            kind: event.kind.name().to_owned(),
            class: event.class.name().to_owned(),
            detail: event.detail.name().to_owned(),
            thread_id: event.thread_id,
            duration_ns: event.duration_ns.into(),
            value: event.value,
            address: event.address,
            slot: event.slot,
            number: event.number,
            claimed_class: event.claimed_class.map(|c| c.name().to_owned()).unwrap_or_default(),
        }
    }
}
