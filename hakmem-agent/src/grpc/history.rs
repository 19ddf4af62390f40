//! The stream behind `GetHistory`. Samples are decoded block by block, at the client's pace.

use hakmem_proto::chunk::{CHUNK_BYTES, chunks};
use hakmem_proto::v1::{GetHistoryRequest, GetHistoryResponse, HistoryCoverage, Identity, Process};
use hakmem_recording::Window;
use hakmem_recording::window::seconds;
use prost::Message as _;
use prost_types::Timestamp;
use tokio::sync::mpsc::Sender;
use tonic::Status;

use crate::history::Samples;
use crate::shared::Shared;
use crate::state::ProcessRecord;

/// An answer in progress.
pub(super) struct Answer {
    samples: Option<Samples>,
    include_threads: bool,
    /// Sent with the first part.
    identity: Option<Identity>,
    /// Sent with the last part.
    coverage: HistoryCoverage,
}

impl Answer {
    /// The answer to `request`, from the present history of the process.
    pub(super) fn new(
        shared: &Shared,
        record: &ProcessRecord,
        request: &GetHistoryRequest,
    ) -> Result<Self, Status> {
        let is_moment = |at: &Timestamp| (0..1_000_000_000).contains(&at.nanos);
        if ![&request.from, &request.to].into_iter().flatten().all(is_moment) {
            let message = "`nanos` of a moment is not within a second";
            return Err(Status::invalid_argument(message));
        }
        let window = Window {
            from: request.from.as_ref().map(seconds),
            to: request.to.as_ref().map(seconds),
        };
        if let Window { from: Some(from), to: Some(to) } = window
            && from > to
        {
            return Err(Status::invalid_argument("`from` is later than `to`; swap them"));
        }
        let query = shared.history.query(&record.key);
        let coverage = query.as_ref().map(|query| query.coverage()).unwrap_or_default();
        let step = f64::from(request.step_ms) / 1000.0;
        Ok(Self {
            samples: query.map(|query| query.samples(window, step)),
            include_threads: request.include_threads,
            identity: Some(record.identity().clone()),
            coverage,
        })
    }

    /// Sends the answer in parts.
    pub(super) async fn run(mut self, client: Sender<Result<GetHistoryResponse, Status>>) {
        let mut waiting = Vec::new();
        let mut waiting_bytes = 0;
        while let Some(samples) = self.samples.as_mut().and_then(Iterator::next) {
            for sample in samples {
                let sample = self.stripped(sample);
                waiting_bytes += sample.encoded_len();
                waiting.push(sample);
            }
            if waiting_bytes < CHUNK_BYTES {
                // Decoding never waits by itself, so it must yield to other tasks.
                tokio::task::yield_now().await;
                continue;
            }
            let mut groups = chunks(std::mem::take(&mut waiting), CHUNK_BYTES);
            waiting = groups.pop().unwrap_or_default();
            waiting_bytes = waiting.iter().map(Process::encoded_len).sum();
            for group in groups {
                if client.send(Ok(self.part(group))).await.is_err() {
                    return;
                }
            }
        }
        let mut groups = chunks(waiting, CHUNK_BYTES);
        let last = groups.pop().unwrap_or_default();
        for group in groups {
            if client.send(Ok(self.part(group))).await.is_err() {
                return;
            }
        }
        let coverage = Some(self.coverage);
        let part = GetHistoryResponse { coverage, complete: true, ..self.part(last) };
        // The client may have disconnected.
        let _ = client.send(Ok(part)).await;
    }

    fn stripped(&self, mut sample: Process) -> Process {
        if !self.include_threads {
            sample.threads = Vec::new();
        }
        sample
    }

    fn part(&mut self, samples: Vec<Process>) -> GetHistoryResponse {
        let identity = self.identity.take();
        GetHistoryResponse { samples, identity, coverage: None, complete: false }
    }
}
