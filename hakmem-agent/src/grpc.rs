//! The service `hakmem.v1.Telemetry`.

mod events;
mod findings;
mod history;
pub(crate) mod server;
mod watch;

use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use hakmem_proto::v1::telemetry_server::Telemetry;
use hakmem_proto::v1::{
    GetFindingRequest, GetFindingResponse, GetHistoryRequest, GetHistoryResponse,
    GetProcessRequest, GetProcessResponse, ListProcessesRequest, ListProcessesResponse, Process,
    WatchEventsRequest, WatchEventsResponse, WatchFindingsRequest, WatchFindingsResponse,
    WatchProcessesRequest, WatchProcessesResponse,
};
use hakmem_reader::text::{CleanText, escaped_text};
use prost::Message as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::access::{Gate, Viewer};
use crate::events::Subscription;
use crate::shared::Shared;
use crate::state::cursor::Cursor;
use crate::state::filter::Selection;
use crate::state::{FleetView, ProcessRecord};
use hakmem_proto::delta::{self, Detail};
use watch::Watch;

/// The longest interval that a stream may ask for.
const INTERVAL_MAX: Duration = Duration::from_secs(60);
/// Maximum length of an answer, accepted by clients with gRPC's usual limit of 4 MiB.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024 - 64 * 1024;

/// The service behind one listener.
#[derive(Clone)]
pub(crate) struct TelemetryService {
    shared: Arc<Shared>,
    gate: Gate,
}

impl TelemetryService {
    pub(crate) fn new(shared: Arc<Shared>, gate: Gate) -> Self {
        Self { shared, gate }
    }

    fn spawn(&self, stream: impl Future<Output = ()> + Send + 'static) {
        self.shared.failure.task("a stream", stream);
    }

    /// The process with this key, if the viewer may see it.
    fn known(&self, viewer: Viewer, key: &str) -> Result<Arc<ProcessRecord>, Status> {
        if key.is_empty() {
            return Err(Status::invalid_argument(
                "the key is empty; ListProcesses returns the keys",
            ));
        }
        // A process that the viewer may not see is reported like one that never existed.
        let view = self.shared.current();
        let known = view.processes.get(key).filter(|record| viewer.may_see(record.owner()));
        let known = known.or_else(|| only_with_segment_key(&view, viewer, key));
        known.cloned().ok_or_else(|| unknown(key))
    }
}

/// The process whose key begins with the name of a segment, if the viewer may see only one such
/// process. In former versions the name was the whole key.
fn only_with_segment_key<'a>(
    view: &'a FleetView,
    viewer: Viewer,
    name: &str,
) -> Option<&'a Arc<ProcessRecord>> {
    let from = name.to_owned() + "@";
    let later = view.processes.range::<str, _>((Bound::Included(from.as_str()), Bound::Unbounded));
    let named = later.take_while(|(key, _)| key.starts_with(&from)).map(|(_, record)| record);
    let mut seen = named.filter(|record| viewer.may_see(record.owner()));
    let first = seen.next()?;
    seen.next().is_none().then_some(first)
}

fn unknown(key: &str) -> Status {
    Status::not_found(format!("no process has the key '{}'", excerpt(key)))
}

#[tonic::async_trait]
impl Telemetry for TelemetryService {
    type WatchProcessesStream = ReceiverStream<Result<WatchProcessesResponse, Status>>;
    type GetHistoryStream = ReceiverStream<Result<GetHistoryResponse, Status>>;
    type WatchEventsStream = ReceiverStream<Result<WatchEventsResponse, Status>>;
    type WatchFindingsStream = ReceiverStream<Result<WatchFindingsResponse, Status>>;
    type GetFindingStream = ReceiverStream<Result<GetFindingResponse, Status>>;

    async fn list_processes(
        &self,
        request: Request<ListProcessesRequest>,
    ) -> Result<Response<ListProcessesResponse>, Status> {
        let viewer = self.gate.viewer(&request)?;
        let _permit = self.shared.admission.request(self.gate.client(&request)).await?;
        let selection = Selection::new(viewer, request.into_inner().filter);
        let view = self.shared.current();
        let wanted = selection.of(&view).filter(|r| selection.includes_ended() || !r.has_ended());
        let processes = wanted.map(|record| outline(&record.message())).collect();
        let answer =
            ListProcessesResponse { processes, agent: Some(self.shared.status.report(&view)) };
        if answer.encoded_len() > ANSWER_BYTES_MAX {
            let message =
                "too many processes for one answer; narrow the filter or use WatchProcesses";
            return Err(Status::resource_exhausted(message));
        }
        Ok(Response::new(answer))
    }

    async fn get_process(
        &self,
        request: Request<GetProcessRequest>,
    ) -> Result<Response<GetProcessResponse>, Status> {
        let viewer = self.gate.viewer(&request)?;
        let _permit = self.shared.admission.request(self.gate.client(&request)).await?;
        let key = request.into_inner().key;
        let known = Arc::clone(&self.known(viewer, &key)?.key);
        let fresh = self.shared.sampler.sample_now(known).await.ok_or_else(|| unknown(&key))?;
        let process = Some(Process::clone(&fresh.message()));
        Ok(Response::new(GetProcessResponse { process }))
    }

    async fn watch_processes(
        &self,
        request: Request<WatchProcessesRequest>,
    ) -> Result<Response<Self::WatchProcessesStream>, Status> {
        let viewer = self.gate.viewer(&request)?;
        let permit = self.shared.admission.stream(self.gate.client(&request))?;
        let request = request.into_inner();
        let least = self.shared.config.watched_interval;
        let interval = match request.interval_ms {
            0 => least,
            asked => Duration::from_millis(asked.into()).clamp(least, INTERVAL_MAX.max(least)),
        };
        let detail = Detail { threads: request.include_threads, classes: request.include_classes };
        let cursor = Cursor::new(Selection::new(viewer, request.filter), detail);
        let watch = Watch::new(cursor, interval);
        let interest = self.shared.interests.register(interval);
        let (client, answers) = mpsc::channel(1);
        self.spawn(permit.during(watch.run(Arc::clone(&self.shared), interest, client)));
        Ok(Response::new(ReceiverStream::new(answers)))
    }

    async fn get_history(
        &self,
        request: Request<GetHistoryRequest>,
    ) -> Result<Response<Self::GetHistoryStream>, Status> {
        let viewer = self.gate.viewer(&request)?;
        let permit = self.shared.admission.stream(self.gate.client(&request))?;
        let request = request.into_inner();
        let record = self.known(viewer, &request.key)?;
        let answer = history::Answer::new(&self.shared, &record, &request)?;
        let (client, answers) = mpsc::channel(1);
        self.spawn(permit.during(answer.run(client)));
        Ok(Response::new(ReceiverStream::new(answers)))
    }

    async fn watch_events(
        &self,
        request: Request<WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        let viewer = self.gate.viewer(&request)?;
        let permit = self.shared.admission.stream(self.gate.client(&request))?;
        let request = request.into_inner();
        if let Some(unknown) = Subscription::unknown_kind(&request.kinds) {
            let message = format!("'{}' is not a kind of event", excerpt(unknown));
            return Err(Status::invalid_argument(message));
        }
        let selection = Selection::new(viewer, request.filter);
        let interest = self.shared.interests.register(self.shared.config.watched_interval);
        let (subscription, stream) =
            Subscription::new(selection, request.kinds, request.include_recent);
        self.shared.sampler.subscribe(subscription);
        let (client, answers) = mpsc::channel(1);
        self.spawn(permit.during(events::forward(
            stream,
            Arc::clone(&self.shared),
            interest,
            client,
        )));
        Ok(Response::new(ReceiverStream::new(answers)))
    }

    async fn watch_findings(
        &self,
        request: Request<WatchFindingsRequest>,
    ) -> Result<Response<Self::WatchFindingsStream>, Status> {
        let viewer = self.gate.viewer(&request)?;
        let permit = self.shared.admission.stream(self.gate.client(&request))?;
        if self.shared.config.detection.is_none() {
            let message = "this agent does not look for regressions; start it with --detect on";
            return Err(Status::failed_precondition(message));
        }
        let request = request.into_inner();
        let selection = Selection::new(viewer, request.filter);
        let stream = self.shared.findings.watch(selection, request.follow);
        let (client, answers) = mpsc::channel(1);
        self.spawn(permit.during(findings::forward(stream, Arc::clone(&self.shared), client)));
        Ok(Response::new(ReceiverStream::new(answers)))
    }

    async fn get_finding(
        &self,
        request: Request<GetFindingRequest>,
    ) -> Result<Response<Self::GetFindingStream>, Status> {
        let viewer = self.gate.viewer(&request)?;
        let permit = self.shared.admission.stream(self.gate.client(&request))?;
        let GetFindingRequest { id, since } = request.into_inner();
        let known = self.shared.findings.find(id, since.as_ref());
        let known = known.filter(|it| viewer.may_see(it.owner)).ok_or_else(|| {
            Status::not_found(format!("this agent has no finding {id} that began then"))
        })?;
        let sides = known.sides.clone().ok_or_else(|| {
            Status::not_found(format!("the samples of finding {id} are no longer kept"))
        })?;
        let (client, answers) = mpsc::channel(1);
        tokio::spawn(permit.during(findings::tell(known, sides, client)));
        Ok(Response::new(ReceiverStream::new(answers)))
    }
}

/// A client's text on one line and shortened: an error must not be as long as the text it quotes.
fn excerpt(text: &str) -> CleanText {
    const CHARACTERS_MAX: usize = 80;
    let mut kept: String = text.chars().take(CHARACTERS_MAX).collect();
    if kept.len() < text.len() {
        kept.push('…');
    }
    escaped_text(&kept)
}

/// The process with identity, state and totals only.
fn outline(process: &Process) -> Process {
    delta::whole(process, Detail { threads: false, classes: false })
}

#[cfg(test)]
mod tests;
