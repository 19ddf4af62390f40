//! Fetches everything about some processes once.

use std::time::Duration;

use hakmem_proto::v1 as proto;
use hakmem_proto::v1::telemetry_client::TelemetryClient;
use tonic::{Code, Status};

use crate::endpoint::{ConnectError, Endpoint};
use crate::model::seconds;

/// How long the end of a program may take to reach the agent.
const END_PATIENCE: Duration = Duration::from_millis(1500);
/// How long a program that ended without a trace is waited for.
const TRACE_PATIENCE: Duration = Duration::from_millis(600);
/// How long an agent that has just started may take to look through its directory.
const READY_PATIENCE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);

/// Why there is no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The agent cannot be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The agent refused or went away.
    #[error("the agent did not answer: {}", .0.message())]
    Call(#[from] Status),
}

/// A snapshot.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Each with its classes and threads, in the order in which they started.
    pub processes: Vec<proto::Process>,
    /// The agent's own state.
    pub agent: Option<proto::AgentStatus>,
}

/// Fetches the processes that pass the filter, once the agent has looked for processes at all.
///
/// # Errors
///
/// [`SnapshotError`] if the agent cannot be asked.
pub async fn fetch(
    endpoint: &Endpoint,
    filter: proto::ProcessFilter,
) -> Result<Snapshot, SnapshotError> {
    let mut client = TelemetryClient::new(endpoint.channel().await?);
    let began = tokio::time::Instant::now();
    let list = loop {
        let request = proto::ListProcessesRequest { filter: Some(filter.clone()) };
        let list = client.list_processes(request).await?.into_inner();
        let is_ready = list.agent.as_ref().is_some_and(|agent| agent.ready);
        if is_ready || began.elapsed() >= READY_PATIENCE {
            break list;
        }
        tokio::time::sleep(POLL).await;
    };
    let mut processes = Vec::new();
    for listed in list.processes {
        let request = proto::GetProcessRequest { key: listed.key };
        match client.get_process(request).await {
            Ok(response) => processes.extend(response.into_inner().process),
            // It went away since it was listed.
            Err(status) if status.code() == Code::NotFound => {}
            Err(status) => return Err(status.into()),
        }
    }
    processes.sort_by(|a, b| started_at(a).total_cmp(&started_at(b)));
    Ok(Snapshot { processes, agent: list.agent })
}

/// Fetches every process, ended ones too.
///
/// # Errors
///
/// [`SnapshotError`] if the agent cannot be asked.
pub async fn fetch_all(endpoint: &Endpoint) -> Result<Snapshot, SnapshotError> {
    fetch(endpoint, proto::ProcessFilter { include_ended: true, ..Default::default() }).await
}

/// Fetches a program and its descendants after its end: waits, for a moment, until the agent has
/// seen that end. Processes that started before `since` (seconds of Unix time) had the same pid
/// earlier and are left out.
///
/// # Errors
///
/// [`SnapshotError`] if the agent cannot be asked.
pub async fn fetch_ended(
    endpoint: &Endpoint,
    filter: proto::ProcessFilter,
    pid: u32,
    since: f64,
) -> Result<Snapshot, SnapshotError> {
    let began = tokio::time::Instant::now();
    loop {
        let mut snapshot = fetch(endpoint, filter.clone()).await?;
        snapshot.processes.retain(|process| started_at(process) >= since);
        let own = |it: &&proto::Process| it.identity.as_ref().is_some_and(|it| it.pid == pid);
        let mut trace = snapshot.processes.iter().filter(own);
        let running = trace.clone().any(|process| process.state == "running");
        let patience = match (trace.next(), running) {
            (Some(_), false) => return Ok(snapshot),
            (Some(_), true) => END_PATIENCE,
            (None, _) => TRACE_PATIENCE,
        };
        if began.elapsed() >= patience {
            return Ok(snapshot);
        }
        tokio::time::sleep(POLL).await;
    }
}

fn started_at(process: &proto::Process) -> f64 {
    let identity = process.identity.as_ref();
    identity.and_then(|it| it.started_at.as_ref()).map_or(0.0, seconds)
}
