//! Records everything all the time, in files that replace each other.
//!
//! A thread takes the newest state once per interval and passes the changes to a
//! [`RecordingWriter`](hakmem_recording::RecordingWriter), with the events since the last time.
//! Each owner of processes has a file. It is closed when it has an eighth of the owner's share of
//! the limit for all files, or is an hour old. After each block, the oldest files of the owner
//! whose files take most are removed until there is room for the next block, so nobody's processes
//! push out the recordings of another's. None of this can delay the sampler, which only publishes
//! states.
//!
//! If something cannot be written (a full disk, a directory that is gone), the file is abandoned,
//! the failure is counted and, once, logged, and after a while a new file is begun, which starts
//! with every process whole. Only the time between the two files is missing.

mod counts;
mod files;
mod open_file;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hakmem_recording::WriteError;
use tokio::sync::watch;

use crate::config::RecordingConfig;
use crate::failure::Failure;
use crate::refusals::{Refusal, Refusals};
use crate::sampler::SamplerHandle;
use crate::state::FleetView;
use crate::status::StatusReporter;
pub(crate) use counts::RecordingCounts;
use files::Files;
use open_file::OpenFile;

/// Time between two attempts after a failure.
const RETRY_INTERVAL: Duration = Duration::from_secs(10);
/// Minimum number of files among which the bytes of an owner are divided.
const FILES_MIN: u64 = 8;
/// Maximum number of owners whose processes are recorded at a time; each has an open file.
const OWNERS_MAX: usize = 32;

/// The recorder's thread. Dropping the handle ends the thread.
#[derive(Debug)]
pub(crate) struct Recorder {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Recorder {
    /// Starts the thread.
    pub(crate) fn start(
        config: RecordingConfig,
        sources: Sources,
        failure: &Arc<Failure>,
    ) -> std::io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let work = Work::new(config, sources);
        let thread = failure.thread("hakmem-recorder", move || work.run(&stopped))?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }

    /// Ends the thread and waits until it has closed its files.
    pub(crate) fn stop(mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The parts of the agent from which the recorder learns what to write, and those in which it
/// counts.
#[derive(Clone, Debug)]
pub(crate) struct Sources {
    /// The newest state.
    pub(crate) view: watch::Receiver<Arc<FleetView>>,
    /// Sends the events.
    pub(crate) sampler: SamplerHandle,
    pub(crate) status: Arc<StatusReporter>,
    pub(crate) refusals: Arc<Refusals>,
    pub(crate) counts: Arc<RecordingCounts>,
}

impl Sources {
    /// The newest state.
    fn current(&self) -> Arc<FleetView> {
        Arc::clone(&self.view.borrow())
    }
}

/// The state of the thread.
struct Work {
    config: RecordingConfig,
    sources: Sources,
    files: Files,
    open: BTreeMap<u32, OpenFile>,
    /// Owners for whom nothing is written until the given time: a write failed, or their file took
    /// more than the available room.
    paused: BTreeMap<u32, Instant>,
    /// Owners beyond [`OWNERS_MAX`].
    left_out: BTreeSet<u32>,
    told_of_failure: bool,
}

impl Work {
    fn new(config: RecordingConfig, sources: Sources) -> Self {
        let files = Files::new(config.directory.clone());
        let (open, paused, left_out) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        Self { config, sources, files, open, paused, left_out, told_of_failure: false }
    }

    fn run(mut self, stopped: &mpsc::Receiver<()>) {
        loop {
            let begin = Instant::now();
            self.round();
            let left = self.config.interval.saturating_sub(begin.elapsed());
            if stopped.recv_timeout(left) != Err(RecvTimeoutError::Timeout) {
                break;
            }
        }
        for (owner, file) in std::mem::take(&mut self.open) {
            if let Err(error) = file.close(&self.sources) {
                self.fail(owner, &error);
            }
        }
    }

    /// Writes the changes of each owner's processes.
    fn round(&mut self) {
        let now = Instant::now();
        self.paused.retain(|_, until| *until > now);
        let owners = self.owners();
        let gone: Vec<u32> =
            self.open.keys().filter(|owner| !owners.contains(owner)).copied().collect();
        for owner in gone {
            let closed = self.open.remove(&owner).map(|file| file.close(&self.sources));
            self.look_at(owner, closed.unwrap_or(Ok(())));
        }
        let file_bytes_max = (self.config.bytes_max / FILES_MIN / owners.len() as u64).max(1);
        for owner in owners {
            let written = self.write_news(owner, file_bytes_max);
            self.look_at(owner, written);
        }
        self.make_room();
        if self.paused.is_empty() && std::mem::take(&mut self.told_of_failure) {
            tracing::info!("recording to {} again", self.config.directory.display());
        }
    }

    /// The owners of processes, and always the agent's own user, so that there is a file.
    fn owners(&mut self) -> BTreeSet<u32> {
        let view = self.sources.current();
        let mut owners = BTreeSet::from([rustix::process::geteuid().as_raw()]);
        owners.extend(self.open.keys().filter(|owner| view.has_processes_of(**owner)));
        let mut left_out = BTreeSet::new();
        for record in view.processes.values() {
            if owners.len() < OWNERS_MAX || owners.contains(&record.owner()) {
                owners.insert(record.owner());
            } else {
                left_out.insert(record.owner());
            }
        }
        let new = left_out.difference(&self.left_out).count();
        self.sources.refusals.count_many(Refusal::RECORDED_OWNER, new as u64);
        self.left_out = left_out;
        owners
    }

    fn write_news(&mut self, owner: u32, bytes_max: u64) -> Result<(), WriteError> {
        if self.paused.contains_key(&owner) {
            return Ok(());
        }
        let is_over = |file: &OpenFile| file.is_over(bytes_max, &self.config);
        if self.open.get(&owner).is_some_and(is_over)
            && let Some(file) = self.open.remove(&owner)
        {
            file.close(&self.sources)?;
        }
        let mut file = match self.open.remove(&owner) {
            Some(file) => file,
            None => OpenFile::begin(owner, &self.files, &self.config, &self.sources)?,
        };
        file.write_news(&self.sources)?;
        self.open.insert(owner, file);
        Ok(())
    }

    /// Removes files until the others are within the limit, with some room for the next blocks. An
    /// owner's current file is abandoned if it is too large by itself.
    fn make_room(&mut self) {
        let files = self.files.list();
        let bytes_max = self.config.bytes_max - self.config.bytes_max / 16;
        let sum = |files: &std::collections::VecDeque<files::Stored>| {
            files.iter().map(|file| file.bytes).sum::<u64>()
        };
        let mut stored: BTreeMap<u32, u64> =
            files.iter().filter_map(|(owner, files)| Some(((*owner)?, sum(files)))).collect();
        for (owner, file) in Files::beyond(bytes_max, files) {
            let under_way = owner.filter(|owner| {
                self.open.get(owner).is_some_and(|open| *open.path() == *file.path)
            });
            if let Some(owner) = under_way {
                self.open.remove(&owner);
                self.paused.insert(owner, Instant::now() + RETRY_INTERVAL);
                self.sources.refusals.count(Refusal::RECORDED_BYTES);
            }
            if let Err(error) = Files::remove(&file.path) {
                self.sources.counts.count_error();
                tracing::debug!("cannot remove {}: {error}", file.path.display());
            } else if let Some(owner) = owner {
                stored.entry(owner).and_modify(|bytes| *bytes -= file.bytes);
                self.sources.counts.count_removed(owner, file.bytes);
            }
        }
        self.sources.counts.set_stored(&stored);
    }

    fn look_at(&mut self, owner: u32, written: Result<(), WriteError>) {
        if let Err(error) = written {
            self.fail(owner, &error);
        }
    }

    fn fail(&mut self, owner: u32, error: &WriteError) {
        self.open.remove(&owner);
        self.paused.insert(owner, Instant::now() + RETRY_INTERVAL);
        self.sources.counts.count_error();
        if !std::mem::replace(&mut self.told_of_failure, true) {
            tracing::warn!("{error}; recording is tried again every {RETRY_INTERVAL:?}");
        }
    }
}
