//! The body of the fuzz target `requests`, which `cargo test` runs too.
//!
//! An input is a sequence of requests: [`frames`] whose first bytes choose the call.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use hakmem_proto::frames;
use hakmem_proto::v1::telemetry_server::Telemetry;
use hakmem_proto::v1::{
    GetFindingRequest, GetHistoryRequest, GetProcessRequest, ListProcessesRequest, ProcessFilter,
    WatchEventsRequest, WatchFindingsRequest, WatchProcessesRequest,
};
use hakmem_reader::fixture::{FixtureProcess, SegmentWriter, bin_of};
use hakmem_reader::text::is_unsafe;
use hakmem_segment::Class;
use prost::Message;
use tokio::runtime::Runtime;
use tokio_stream::Stream;
use tonic::{Code, Request, Response, Status};

use crate::agent::RunningAgent;
use crate::config::{AgentConfig, OwnerBudget};
use crate::grpc::TelemetryService;

/// Number of requests of one input that are answered.
const REQUESTS_MAX: usize = 16;
/// Number of times that a stream may be found without a message; most send at once or not at all.
const IDLE_MAX: usize = 8;
/// Maximum length of a refusal: it quotes only the beginning of a text.
const REFUSAL_BYTES_MAX: usize = 1024;

/// Sends the requests in `input` to an agent that follows two processes. It must answer each of
/// them, or refuse it in a way that a client can handle. Returns the number of requests that were
/// answered without a refusal.
pub fn answer(input: &[u8]) -> usize {
    thread_local! {
        static CLIENT: RefCell<Option<Client>> = const { RefCell::new(None) };
    }
    CLIENT.with_borrow_mut(|client| client.get_or_insert_with(Client::new).answer(input))
}

/// The names of the calls, by the byte that chooses them.
pub const CALLS: [&str; 7] = [
    "ListProcesses",
    "GetProcess",
    "WatchProcesses",
    "GetHistory",
    "WatchEvents",
    "WatchFindings",
    "GetFinding",
];

/// A client with an agent of its own.
struct Client {
    runtime: Runtime,
    agent: RunningAgent,
    service: TelemetryService,
    /// The segments that the agent follows.
    _writers: [SegmentWriter; 2],
    _directory: tempfile::TempDir,
}

impl Client {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let writers = [(1, ""), (2, "service=x,version=y")].map(|(pid, labels)| {
            let process = FixtureProcess {
                pid: (1 << 22) + pid,
                parent_pid: (1 << 22) + pid - 1,
                start_time_ticks: 1,
                nonce: 1,
                labels: labels.to_owned(),
                ..FixtureProcess::new("/usr/bin/program")
            };
            let mut writer = SegmentWriter::create(directory.path(), &process);
            let slot = writer.take_slot(7, "main");
            writer.slot(slot).allocate(bin_of(Class::C7), 100);
            writer
        });
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().expect("a runtime can be made");
        // One client makes more requests here than an agent allows to a user.
        let per_owner = OwnerBudget {
            requests: usize::MAX,
            requests_per_second: 1_000_000_000,
            streams: usize::MAX,
            ..OwnerBudget::default()
        };
        let config = AgentConfig { per_owner, ..AgentConfig::for_directory(directory.path()) };
        let agent = runtime.block_on(RunningAgent::start(config)).expect("an agent starts");
        let service = agent.service();
        let client = Self { runtime, agent, service, _writers: writers, _directory: directory };
        client.wait_for_processes();
        client
    }

    /// Waits until the agent has sampled both processes.
    fn wait_for_processes(&self) {
        let everything = ListProcessesRequest {
            filter: Some(ProcessFilter { include_ended: true, ..Default::default() }),
        };
        let count = || {
            let answer = self.service.list_processes(Request::new(everything.clone()));
            let answer = self.runtime.block_on(answer).expect("the agent answers");
            answer.into_inner().processes.len()
        };
        while count() < self._writers.len() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn answer(&self, input: &[u8]) -> usize {
        let mut answered = 0;
        for (call, message) in frames::read(&CALLS, input).take(REQUESTS_MAX) {
            let result = self.runtime.block_on(self.call(call, message));
            answered += usize::from(result.is_ok());
            if let Err(refusal) = result {
                check_refusal(&refusal);
            }
        }
        assert!(!self.agent.has_failed(), "a part of the agent broke");
        answered
    }

    async fn call(&self, call: &str, message: &[u8]) -> Result<(), Status> {
        let service = &self.service;
        match call {
            "ListProcesses" => {
                let request: ListProcessesRequest = decode(message)?;
                let filter = request.filter.clone().unwrap_or_default();
                let answer = service.list_processes(Request::new(request)).await?.into_inner();
                let by_pid = filter.keys.is_empty() && !filter.include_children;
                for process in answer.processes {
                    let identity = process.identity.unwrap_or_default();
                    let is_wanted = filter.pids.is_empty() || filter.pids.contains(&identity.pid);
                    assert!(is_wanted || !by_pid, "nobody asked for {}", process.key);
                }
                Ok(())
            }
            "GetProcess" => {
                let request: GetProcessRequest = decode(message)?;
                let key = request.key.clone();
                let answer = service.get_process(Request::new(request)).await?.into_inner();
                let process = answer.process.expect("an answer has the process");
                assert!(process.key.starts_with(&key), "{key} is not {}", process.key);
                Ok(())
            }
            "WatchProcesses" => {
                let request: WatchProcessesRequest = decode(message)?;
                let has_threads = request.include_threads;
                let has_classes = request.include_classes;
                let answer = service.watch_processes(Request::new(request)).await?;
                for process in messages(answer).await.into_iter().flat_map(|it| it.changed) {
                    assert!(has_threads || process.threads.is_empty(), "nobody asked for threads");
                    assert!(has_classes || process.classes.is_empty(), "nobody asked for classes");
                }
                Ok(())
            }
            "GetHistory" => {
                let request: GetHistoryRequest = decode(message)?;
                let moment = |at: &prost_types::Timestamp| (at.seconds, at.nanos);
                let (from, to) =
                    (request.from.as_ref().map(moment), request.to.as_ref().map(moment));
                let answer = service.get_history(Request::new(request)).await?;
                for sample in messages(answer).await.into_iter().flat_map(|it| it.samples) {
                    let at = sample.sampled_at.as_ref().map(moment);
                    assert!(from.is_none_or(|it| at >= Some(it)), "{at:?} is before {from:?}");
                    assert!(to.is_none_or(|it| at <= Some(it)), "{at:?} is after {to:?}");
                }
                Ok(())
            }
            "WatchEvents" => {
                let request: WatchEventsRequest = decode(message)?;
                messages(service.watch_events(Request::new(request)).await?).await;
                Ok(())
            }
            "WatchFindings" => {
                let request: WatchFindingsRequest = decode(message)?;
                messages(service.watch_findings(Request::new(request)).await?).await;
                Ok(())
            }
            _ => {
                let request: GetFindingRequest = decode(message)?;
                messages(service.get_finding(Request::new(request)).await?).await;
                Ok(())
            }
        }
    }
}

/// The request in `message`, as the server of the contract decodes and refuses it.
fn decode<T: Message + Default>(message: &[u8]) -> Result<T, Status> {
    T::decode(message).map_err(|error| Status::invalid_argument(error.to_string()))
}

/// What a stream sends at once.
async fn messages<T>(answer: Response<impl Stream<Item = Result<T, Status>> + Unpin>) -> Vec<T> {
    let mut stream = answer.into_inner();
    let mut messages = Vec::new();
    let mut idle = 0;
    while idle < IDLE_MAX {
        match poll_fn(|context| Poll::Ready(Pin::new(&mut stream).poll_next(context))).await {
            Poll::Ready(Some(message)) => {
                messages.push(message.expect("a stream that began does not fail"));
            }
            Poll::Ready(None) => break,
            Poll::Pending => {
                idle += 1;
                tokio::task::yield_now().await;
            }
        }
    }
    messages
}

fn check_refusal(refusal: &Status) {
    let codes =
        [Code::InvalidArgument, Code::NotFound, Code::FailedPrecondition, Code::ResourceExhausted];
    assert!(codes.contains(&refusal.code()), "{refusal:?}");
    let message = refusal.message();
    assert!(message.len() <= REFUSAL_BYTES_MAX, "{} bytes of refusal", message.len());
    assert!(!message.contains(is_unsafe), "{message:?}");
}

#[cfg(test)]
mod tests;
