//! Writes what an agent sends into a file: its stream of updates and its stream of events, until
//! the caller ends the capture.
//!
//! If the agent goes away, the capture reconnects and continues. The gap is missing in the
//! recording, and the number of gaps is told at the end.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hakmem_proto::v1 as proto;
use hakmem_proto::v1::recording_entry::Entry;
use hakmem_proto::v1::telemetry_client::TelemetryClient;
use hakmem_recording::{RecordingWriter, WriteError};
use tokio::sync::watch;
use tonic::{Status, Streaming};

use crate::model::seconds;
use crate::source::endpoint::{ConnectError, Endpoint};

/// How long the end of a program may take to reach the agent.
const END_PATIENCE: Duration = Duration::from_millis(1500);
/// Time between two attempts to reach an agent that went away.
const RETRY: Duration = Duration::from_millis(500);

/// The processes to record, and how often.
#[derive(Clone, Debug)]
pub struct CaptureSpec {
    /// Which processes.
    pub filter: proto::ProcessFilter,
    /// Milliseconds between two samples.
    pub interval_ms: u32,
    /// Processes that started before this moment, in seconds of Unix time, are left out, because
    /// the system reuses process ids.
    pub since: f64,
}

/// How long to record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Record without an end in sight.
    Further,
    /// Record until the agent has seen every process end, or a short time has passed.
    Ended,
    /// Stop at once.
    Now,
}

/// Counts of what was recorded and what was lost.
#[derive(Clone, Debug, Default)]
pub struct Captured {
    /// Processes seen.
    pub processes: usize,
    /// Updates, one an interval.
    pub updates: u64,
    /// Events.
    pub events: u64,
    /// Updates that the agent skipped because this client read too slowly.
    pub skipped_updates: u64,
    /// Events that were overwritten before the agent read them, or dropped because this client read
    /// too slowly.
    pub lost_events: u64,
    /// How often the agent went away.
    pub interruptions: u64,
    /// Length of the file.
    pub bytes: u64,
    /// The file.
    pub path: PathBuf,
}

/// Why recording ended early.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The file cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The agent could not be reached at the start.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The agent refused.
    #[error("the agent refuses to send the data to record: {}", .0.message())]
    Refused(#[source] Box<Status>),
}

/// Records until `until` ends it.
///
/// # Errors
///
/// [`CaptureError`]; what was written before the error can be read.
pub async fn capture(
    endpoint: Arc<Endpoint>,
    spec: CaptureSpec,
    writer: RecordingWriter,
    mut until: watch::Receiver<Until>,
) -> Result<Captured, CaptureError> {
    let captured = Captured { path: writer.path().to_owned(), ..Captured::default() };
    let mut capture = Capture {
        spec,
        writer,
        captured,
        known: HashSet::new(),
        running: HashSet::new(),
        ignored: HashSet::new(),
        stream: ConnectionState::default(),
    };
    // The first failure to connect is an error; after that, the capture retries.
    let mut client = Some(TelemetryClient::new(endpoint.channel().await?));
    let mut was_open = false;
    while *until.borrow() != Until::Now {
        if let Some(client) = client.take() {
            match capture.follow(client, &mut until).await {
                Ok(()) => break,
                Err(Lost::Failed(error)) => return Err(error),
                Err(Lost::Agent { status, opened }) => {
                    if !opened && !was_open {
                        return Err(CaptureError::Refused(status));
                    }
                    was_open = true;
                    say!("hakmem-top: the agent went away; waiting for it");
                    capture.interrupt();
                }
            }
        }
        capture.wait(&mut until).await?;
        client = endpoint.channel().await.ok().map(TelemetryClient::new);
        if *until.borrow() == Until::Ended {
            break;
        }
    }
    capture.finish()
}

/// Why following a connection ended.
enum Lost {
    Agent { status: Box<Status>, opened: bool },
    Failed(CaptureError),
}

impl From<WriteError> for Lost {
    fn from(error: WriteError) -> Self {
        Self::Failed(error.into())
    }
}

/// A recording in progress.
struct Capture {
    spec: CaptureSpec,
    writer: RecordingWriter,
    captured: Captured,
    known: HashSet<String>,
    running: HashSet<String>,
    /// Keys of processes that started before `spec.since` and only share a pid with a recorded
    /// process.
    ignored: HashSet<String>,
    stream: ConnectionState,
}

/// The state of one connection.
#[derive(Default)]
struct ConnectionState {
    /// Keys in the first update; `None` once that update is complete.
    first: Option<HashSet<String>>,
    /// Processes that an earlier connection knew.
    before: HashSet<String>,
    skipped_updates: u64,
    lost_events: u64,
}

impl Capture {
    /// Records from one connection until it breaks or the capture is to end.
    async fn follow(
        &mut self,
        mut client: TelemetryClient<tonic::transport::Channel>,
        until: &mut watch::Receiver<Until>,
    ) -> Result<(), Lost> {
        let failed = |opened| move |status| Lost::Agent { status: Box::new(status), opened };
        let mut updates = self.open_updates(&mut client).await.map_err(failed(false))?;
        let mut events = self.open_events(&mut client).await.map_err(failed(false))?;
        self.stream.first = Some(HashSet::new());
        let closed = || Status::unavailable("the agent ended the stream");
        let mut deadline = None;
        loop {
            let wish = *until.borrow_and_update();
            if wish == Until::Ended && deadline.is_none() {
                deadline = Some(Instant::now() + END_PATIENCE);
            }
            let is_over = deadline.is_some_and(|deadline| {
                let all_ended = !self.known.is_empty() && self.running.is_empty();
                Instant::now() >= deadline || all_ended
            });
            if wish == Until::Now || is_over {
                return Ok(());
            }
            let mut wake = self.writer.flush_due_at();
            wake = deadline.map_or(wake, |deadline| wake.min(deadline));
            tokio::select! {
                changed = until.changed() => if changed.is_err() { return Ok(()) },
                message = updates.message() => {
                    let update = message.map_err(failed(true))?;
                    self.update(update.ok_or_else(|| failed(true)(closed()))?)?;
                }
                message = events.message() => {
                    let message = message.map_err(failed(true))?;
                    self.events(message.ok_or_else(|| failed(true)(closed()))?)?;
                }
                () = tokio::time::sleep_until(wake.into()) => {}
            }
            self.writer.flush_if_due(Instant::now())?;
        }
    }

    async fn open_updates(
        &self,
        client: &mut TelemetryClient<tonic::transport::Channel>,
    ) -> Result<Streaming<proto::WatchProcessesResponse>, Status> {
        let request = proto::WatchProcessesRequest {
            filter: Some(self.spec.filter.clone()),
            interval_ms: self.spec.interval_ms,
            include_threads: true,
            include_classes: true,
        };
        Ok(client.watch_processes(request).await?.into_inner())
    }

    async fn open_events(
        &self,
        client: &mut TelemetryClient<tonic::transport::Channel>,
    ) -> Result<Streaming<proto::WatchEventsResponse>, Status> {
        let request = proto::WatchEventsRequest {
            filter: Some(self.spec.filter.clone()),
            // The whole backlog of a program that this command started.
            include_recent: self.spec.since > 0.0 && self.known.is_empty(),
            kinds: Vec::new(),
        };
        Ok(client.watch_events(request).await?.into_inner())
    }

    fn update(&mut self, mut update: proto::WatchProcessesResponse) -> Result<(), WriteError> {
        self.leave_out_others(&mut update);
        for process in &update.changed {
            if self.known.insert(process.key.clone()) {
                self.captured.processes += 1;
            }
            if process.is_running() {
                self.running.insert(process.key.clone());
            } else {
                self.running.remove(&process.key);
            }
            if let Some(first) = &mut self.stream.first {
                first.insert(process.key.clone());
            }
        }
        if update.complete {
            if let Some(first) = self.stream.first.take() {
                // Processes that ended while the agent was away are never mentioned again.
                let gone = std::mem::take(&mut self.stream.before).into_iter();
                update.removed.extend(gone.filter(|key| !first.contains(key)));
            }
            for key in &update.removed {
                self.running.remove(key);
            }
            self.captured.updates += 1;
            let skipped = update.skipped_updates.saturating_sub(self.stream.skipped_updates);
            self.captured.skipped_updates += skipped;
            self.stream.skipped_updates = update.skipped_updates;
        }
        self.writer.push(proto::RecordingEntry { entry: Some(Entry::Update(update)) })
    }

    /// Leaves out processes that started before `spec.since`: they only share a pid with a
    /// recorded process.
    fn leave_out_others(&mut self, update: &mut proto::WatchProcessesResponse) {
        update.changed.retain(|process| {
            let started = process.identity.as_ref().and_then(|it| it.started_at.as_ref());
            if started.is_some_and(|at| seconds(at) < self.spec.since) {
                self.ignored.insert(process.key.clone());
            }
            !self.ignored.contains(&process.key)
        });
    }

    fn events(&mut self, mut events: proto::WatchEventsResponse) -> Result<(), WriteError> {
        events.events.retain(|event| !self.ignored.contains(&event.process_key));
        self.captured.events += events.events.len() as u64;
        let lost = events.lost_events + events.dropped_events;
        self.captured.lost_events += lost.saturating_sub(self.stream.lost_events);
        self.stream.lost_events = lost;
        self.writer.push(proto::RecordingEntry { entry: Some(Entry::Events(events)) })
    }

    /// Prepares the state for the next connection.
    fn interrupt(&mut self) {
        self.captured.interruptions += 1;
        let before = self.known.iter().filter(|key| !self.ignored.contains(*key)).cloned();
        self.stream = ConnectionState { before: before.collect(), ..ConnectionState::default() };
    }

    /// Waits before the next attempt to connect.
    async fn wait(&mut self, until: &mut watch::Receiver<Until>) -> Result<(), WriteError> {
        tokio::select! {
            _ = until.changed() => {}
            () = tokio::time::sleep(RETRY) => {}
        }
        self.writer.flush_if_due(Instant::now())
    }

    fn finish(mut self) -> Result<Captured, CaptureError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let ended_at = prost_types::Timestamp {
            seconds: i64::try_from(now.as_secs()).unwrap_or(i64::MAX),
            nanos: now.subsec_nanos() as i32,
        };
        let end = proto::RecordingEnd {
            ended_at: Some(ended_at),
            skipped_updates: self.captured.skipped_updates,
            dropped_events: self.captured.lost_events,
        };
        self.captured.bytes = self.writer.finish(end)?;
        Ok(self.captured)
    }
}
