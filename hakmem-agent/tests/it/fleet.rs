//! A directory of synthetic segments and an agent that watches it.

use std::path::Path;
use std::time::{Duration, Instant};

use hakmem_agent::{AgentConfig, RunningAgent};
use hakmem_proto::v1::telemetry_client::TelemetryClient;
use hakmem_proto::v1::{
    GetProcessRequest, ListProcessesRequest, Process, ProcessFilter, WatchProcessesRequest,
    WatchProcessesResponse,
};
use hakmem_reader::Class;
use hakmem_reader::fixture::{FixtureProcess, SegmentWriter, bin_of};
use tempfile::TempDir;
use tonic::Streaming;
use tonic::transport::Channel;

/// Time limit for everything in tests; generous, because machines are shared.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Fleet {
    pub(crate) directory: TempDir,
    pub(crate) agent: RunningAgent,
    pub(crate) client: TelemetryClient<Channel>,
}

impl Fleet {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut AgentConfig)) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), change).await
    }

    /// Serves HTTP on a port that the system chooses; `change` sets everything else.
    pub(crate) async fn start_in(
        directory: TempDir,
        change: impl FnOnce(&mut AgentConfig),
    ) -> Self {
        let mut config = AgentConfig::for_directory(directory.path());
        config.http = Some("127.0.0.1:0".parse().unwrap());
        change(&mut config);
        let agent = RunningAgent::start(config).await.unwrap();
        let client = TelemetryClient::new(agent.connect().await);
        Self { directory, agent, client }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) async fn list(&self, filter: ProcessFilter) -> Vec<Process> {
        let request = ListProcessesRequest { filter: Some(filter) };
        self.client.clone().list_processes(request).await.unwrap().into_inner().processes
    }

    pub(crate) async fn list_all(&self) -> Vec<Process> {
        self.list(ProcessFilter { include_ended: true, ..ProcessFilter::default() }).await
    }

    pub(crate) async fn get(&self, key: &str) -> Process {
        let request = GetProcessRequest { key: key.to_owned() };
        let answer = self.client.clone().get_process(request).await.unwrap();
        answer.into_inner().process.unwrap()
    }

    pub(crate) async fn watch(
        &self,
        request: WatchProcessesRequest,
    ) -> Streaming<WatchProcessesResponse> {
        self.client.clone().watch_processes(request).await.unwrap().into_inner()
    }

    /// Waits until the agent knows a process by its executable, and returns its key.
    pub(crate) async fn key_of(&self, executable: &str) -> String {
        let process = eventually(async || {
            let all = self.list_all().await;
            all.into_iter().find(|process| executable_of(process) == executable)
        });
        process.await.key
    }

    /// Waits until a process is in `state`.
    pub(crate) async fn reaches(&self, key: &str, state: &str) -> Process {
        eventually(async || Some(self.get(key).await).filter(|process| process.state == state))
            .await
    }

    /// GET of `path`, accepting `accept`: status and headers, and body.
    pub(crate) async fn http(&self, path: &str, accept: &str) -> (String, String) {
        let address = self.agent.http_address().unwrap();
        http_get(address, path, accept).await
    }
}

/// An HTTP request written by hand, so that the tests need no HTTP client.
pub(crate) async fn http_get(
    address: std::net::SocketAddr,
    path: &str,
    accept: &str,
) -> (String, String) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\nConnection: close\r\n\r\n"
    );
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

/// A segment of a program that has one thread and has allocated `blocks` blocks of C7.
pub(crate) fn program(directory: &Path, executable: &str, blocks: u64) -> SegmentWriter {
    let mut writer = SegmentWriter::create_unready(directory, &FixtureProcess::new(executable));
    writer.take_slot(0, "");
    let slot = writer.take_slot(42, "main");
    writer.slot(slot).allocate(bin_of(Class::C7), blocks);
    // Only now, so that no sample finds it incomplete.
    writer.make_ready();
    writer
}

pub(crate) fn executable_of(process: &Process) -> &str {
    process.identity.as_ref().map_or("", |identity| &identity.executable)
}

/// Allocations of a class; 0 if the message does not have it.
pub(crate) fn allocations(process: &Process, class: &str) -> u64 {
    process.classes.iter().find(|entry| entry.class == class).map_or(0, |entry| entry.allocations)
}

/// Asks until there is an answer.
pub(crate) async fn eventually<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(begin.elapsed() < PATIENCE, "it did not happen within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
