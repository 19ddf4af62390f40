//! Records everything all the time, in files that replace each other.
//!
//! A thread of its own takes the newest state once an interval and gives what changed to a
//! [`RecordingWriter`], with the events that came meanwhile. A file is closed when it is an eighth
//! of what all may take, or an hour old; after each block, the oldest files go until there is room
//! for the next. Nothing of this can hold up the sampler, which only publishes states.
//!
//! If something cannot be written (a full disk, a directory that is gone), the file is given up,
//! the failure is counted and, once, logged, and after a while a new file is begun, which starts
//! with everything whole. What happened meanwhile is missing; nothing else is.

mod files;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use hakmem_proto::v1::{
    RecordingEnd, RecordingEntry, RecordingStart, WatchEventsResponse, recording_entry::Entry,
};
use hakmem_recording::delta::Detail;
use hakmem_recording::machine::this_machine;
use hakmem_recording::{RecordingWriter, WriteError};

use crate::access::Viewer;
use crate::config::RecordingConfig;
use crate::events::{EventStream, Subscription};
use crate::grpc::watch::Watch;
use crate::shared::{Shared, VERSION};
use crate::state::filter::Selection;
use crate::time::timestamp;
use files::Files;

/// Time between two attempts after a failure.
const RETRY_INTERVAL: Duration = Duration::from_secs(10);
/// Files that the bytes are divided among at least.
const FILES_MIN: u64 = 8;

/// What was written so far.
#[derive(Debug, Default)]
pub(crate) struct RecordingCounts {
    pub(crate) bytes: AtomicU64,
    pub(crate) errors: AtomicU64,
}

/// The thread. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Recorder {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Recorder {
    /// Starts recording.
    pub(crate) fn start(config: RecordingConfig, shared: &Arc<Shared>) -> std::io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let work = Work::new(config, Arc::clone(shared));
        let thread = shared.failure.thread("hakmem-recorder", move || work.run(&stopped))?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }

    /// Ends the thread and waits until it has closed its file.
    pub(crate) fn stop(mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Everything the thread owns.
struct Work {
    config: RecordingConfig,
    shared: Arc<Shared>,
    files: Files,
    /// `None` after a failure.
    file: Option<Open>,
    retry_at: Instant,
    told_of_failure: bool,
}

/// The file under way.
struct Open {
    writer: RecordingWriter,
    watch: Watch,
    events: EventStream,
    losses: (u64, u64),
    begun: Instant,
    /// Bytes of it that are counted already.
    counted: u64,
}

impl Work {
    fn new(config: RecordingConfig, shared: Arc<Shared>) -> Self {
        let files = Files::new(config.directory.clone());
        let retry_at = Instant::now();
        Self { config, shared, files, file: None, retry_at, told_of_failure: false }
    }

    fn run(mut self, stopped: &mpsc::Receiver<()>) {
        loop {
            let begin = Instant::now();
            if (self.file.is_some() || begin >= self.retry_at)
                && let Err(error) = self.round()
            {
                self.fail(&error);
            }
            let left = self.config.interval.saturating_sub(begin.elapsed());
            if stopped.recv_timeout(left) != Err(RecvTimeoutError::Timeout) {
                break;
            }
        }
        if let Some(file) = self.file.take()
            && let Err(error) = self.close(file)
        {
            self.fail(&error);
        }
    }

    /// Writes what is new.
    fn round(&mut self) -> Result<(), WriteError> {
        let file_bytes_max = (self.config.bytes_max / FILES_MIN).max(1);
        let is_due = |file: &Open| {
            file.writer.bytes() >= file_bytes_max || file.begun.elapsed() >= self.config.file_span
        };
        if self.file.as_ref().is_some_and(is_due)
            && let Some(file) = self.file.take()
        {
            self.close(file)?;
        }
        let mut file = match self.file.take() {
            Some(file) => file,
            None => self.open()?,
        };
        file.push_news(&self.shared)?;
        file.writer.flush()?;
        self.count(&mut file);
        self.make_room(&file);
        self.file = Some(file);
        if std::mem::take(&mut self.told_of_failure) {
            tracing::info!("recording to {} again", self.config.directory.display());
        }
        Ok(())
    }

    fn open(&self) -> Result<Open, WriteError> {
        let now = SystemTime::now();
        let start = RecordingStart {
            version: VERSION.to_owned(),
            started_at: Some(timestamp(now)),
            interval_ms: u32::try_from(self.config.interval.as_millis()).unwrap_or(u32::MAX),
            machine: Some(this_machine()),
            command: String::new(),
        };
        let writer = self.files.create(now, start)?;
        let everything = || Selection::everything(Viewer::Everyone);
        let watch = Watch::new(everything(), Detail::ALL, self.config.interval);
        let (subscription, events) = Subscription::new(everything(), Vec::new(), false);
        self.shared.sampler.subscribe(subscription);
        let begun = Instant::now();
        Ok(Open { writer, watch, events, losses: (0, 0), begun, counted: 0 })
    }

    fn close(&self, mut file: Open) -> Result<(), WriteError> {
        file.push_news(&self.shared)?;
        let end = RecordingEnd {
            ended_at: Some(timestamp(SystemTime::now())),
            skipped_updates: 0,
            dropped_events: file.losses.1,
        };
        let counted = file.counted;
        let bytes = file.writer.finish(end)?;
        self.shared.recording.bytes.fetch_add(bytes - counted, Ordering::Relaxed);
        Ok(())
    }

    fn count(&self, file: &mut Open) {
        let bytes = file.writer.bytes();
        self.shared.recording.bytes.fetch_add(bytes - file.counted, Ordering::Relaxed);
        file.counted = bytes;
    }

    /// Removes the oldest files until the others and the one under way are within the limit, with
    /// some room for the next block.
    fn make_room(&self, file: &Open) {
        let bytes_max = self.config.bytes_max - self.config.bytes_max / 16;
        for (path, error) in self.files.remove_beyond(bytes_max, file.writer.path()) {
            self.shared.recording.errors.fetch_add(1, Ordering::Relaxed);
            tracing::debug!("cannot remove {}: {error}", path.display());
        }
    }

    fn fail(&mut self, error: &WriteError) {
        self.file = None;
        self.retry_at = Instant::now() + RETRY_INTERVAL;
        self.shared.recording.errors.fetch_add(1, Ordering::Relaxed);
        if !std::mem::replace(&mut self.told_of_failure, true) {
            tracing::warn!("{error}; recording is tried again every {RETRY_INTERVAL:?}");
        }
    }
}

impl Open {
    /// Adds what changed, and the events, since the last time.
    fn push_news(&mut self, shared: &Shared) -> Result<(), WriteError> {
        let view = shared.current();
        for update in self.watch.next_update(&view, shared) {
            self.push(Entry::Update(update))?;
        }
        loop {
            let events = self.events.take_waiting();
            let losses = self.events.losses();
            if events.is_empty() && losses == self.losses {
                return Ok(());
            }
            self.losses = losses;
            let (lost_events, dropped_events) = losses;
            let message = WatchEventsResponse { events, lost_events, dropped_events };
            self.push(Entry::Events(message))?;
        }
    }

    fn push(&mut self, entry: Entry) -> Result<(), WriteError> {
        self.writer.push(RecordingEntry { entry: Some(entry) })
    }
}
