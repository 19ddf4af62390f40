//! Fetches complete data about processes once.

use std::collections::HashSet;
use std::fs::DirEntry;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use hakmem_proto::v1 as proto;
use hakmem_proto::v1::telemetry_client::TelemetryClient;
use hakmem_segment::FILE_SUFFIX;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::model::seconds;
use crate::source::endpoint::{ConnectError, Endpoint};

/// How long the end of a program may take to reach the agent.
const END_PATIENCE: Duration = Duration::from_millis(1500);
/// How long an agent that has just started may take to scan its directory.
const READY_PATIENCE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);

/// Why a snapshot could not be fetched.
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
    /// The processes with their classes and threads, ordered by start.
    pub processes: Vec<proto::Process>,
    /// The agent's own state.
    pub agent: Option<proto::AgentStatus>,
}

/// Fetches the processes that pass `filter`, once the agent has scanned its directory.
///
/// # Errors
///
/// [`SnapshotError`] if the agent cannot be reached or refuses.
pub async fn fetch(
    endpoint: &Endpoint,
    filter: proto::ProcessFilter,
) -> Result<Snapshot, SnapshotError> {
    let mut client = TelemetryClient::new(endpoint.channel().await?);
    let list = list_when_ready(&mut client, filter).await?;
    let mut processes = Vec::new();
    for listed in list.processes {
        let request = proto::GetProcessRequest { key: listed.key };
        match client.get_process(request).await {
            Ok(response) => processes.extend(response.into_inner().process),
            // The process is gone since it was listed.
            Err(status) if status.code() == Code::NotFound => {}
            Err(status) => return Err(status.into()),
        }
    }
    processes.sort_by(|a, b| started_at(a).total_cmp(&started_at(b)));
    Ok(Snapshot { processes, agent: list.agent })
}

/// Lists the processes that pass `filter`, with totals only, once the agent has scanned its
/// directory.
///
/// # Errors
///
/// [`SnapshotError`] if the agent cannot be reached or refuses.
pub async fn list(
    endpoint: &Endpoint,
    filter: proto::ProcessFilter,
) -> Result<Snapshot, SnapshotError> {
    let mut client = TelemetryClient::new(endpoint.channel().await?);
    let list = list_when_ready(&mut client, filter).await?;
    Ok(Snapshot { processes: list.processes, agent: list.agent })
}

async fn list_when_ready(
    client: &mut TelemetryClient<Channel>,
    filter: proto::ProcessFilter,
) -> Result<proto::ListProcessesResponse, Status> {
    let began = tokio::time::Instant::now();
    loop {
        let request = proto::ListProcessesRequest { filter: Some(filter.clone()) };
        let list = client.list_processes(request).await?.into_inner();
        let is_ready = list.agent.as_ref().is_some_and(|agent| agent.ready);
        if is_ready || began.elapsed() >= READY_PATIENCE {
            return Ok(list);
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Fetches every process, including those that have ended.
///
/// # Errors
///
/// [`SnapshotError`] if the agent cannot be reached or refuses.
pub async fn fetch_all(endpoint: &Endpoint) -> Result<Snapshot, SnapshotError> {
    fetch(endpoint, proto::ProcessFilter { include_ended: true, ..Default::default() }).await
}

/// The shortest interval of the agent, in milliseconds.
///
/// # Errors
///
/// [`SnapshotError`] if the agent cannot be reached or refuses.
pub async fn interval_ms(endpoint: &Endpoint) -> Result<u32, SnapshotError> {
    let mut client = TelemetryClient::new(endpoint.channel().await?);
    // No process has this key: the request is only for the agent's own state.
    let filter = proto::ProcessFilter { keys: vec![String::new()], ..Default::default() };
    let request = proto::ListProcessesRequest { filter: Some(filter) };
    let agent = client.list_processes(request).await?.into_inner().agent;
    Ok(agent.map_or(0, |it| it.interval_ms))
}

/// Fetches a program and its descendants after its end. Waits a moment for the agent to see that
/// end, and every segment that `directory` then contains. Leaves out processes that started before
/// `since` (seconds of Unix time): they had the same pid earlier.
///
/// # Errors
///
/// [`SnapshotError`] if the agent cannot be reached or refuses.
pub async fn fetch_ended(
    endpoint: &Endpoint,
    filter: proto::ProcessFilter,
    pid: u32,
    since: f64,
    directory: &Path,
) -> Result<Snapshot, SnapshotError> {
    let began = tokio::time::Instant::now();
    let mut client = TelemetryClient::new(endpoint.channel().await?);
    let segments = segments(directory, since);
    loop {
        let everything = proto::ProcessFilter { include_ended: true, ..Default::default() };
        let request = proto::ListProcessesRequest { filter: Some(everything) };
        let known = client.list_processes(request).await?.into_inner().processes;
        // A key is the name of the segment's file, then `@` with owner and namespace.
        let keys = known.iter().map(|process| process.key.split('@').next().unwrap_or_default());
        let keys: HashSet<&str> = keys.collect();
        // A process that ended within the agent's interval still counts as running; asking for it
        // individually makes the agent read its segment.
        let own = known.iter().filter(|it| {
            started_at(it) >= since && it.identity.as_ref().is_some_and(|it| it.pid == pid)
        });
        let mut running = false;
        for process in own {
            let request = proto::GetProcessRequest { key: process.key.clone() };
            let fresh = client.get_process(request).await.map(|it| it.into_inner().process);
            running |= fresh.is_ok_and(|it| it.is_some_and(|it| it.is_running()));
        }
        let complete = !running && segments.iter().all(|key| keys.contains(key.as_str()));
        if complete || began.elapsed() >= END_PATIENCE {
            break;
        }
        tokio::time::sleep(POLL).await;
    }
    let mut snapshot = fetch(endpoint, filter).await?;
    snapshot.processes.retain(|process| started_at(process) >= since);
    Ok(snapshot)
}

/// Keys of the segments in `directory` that were written at `since` (seconds of Unix time) or
/// later. Older ones, which may be unreadable, do not belong to a program that started then.
fn segments(directory: &Path, since: f64) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let is_new = |entry: &DirEntry| {
        let modified = entry.metadata().and_then(|it| it.modified()).unwrap_or(UNIX_EPOCH);
        modified.duration_since(UNIX_EPOCH).is_ok_and(|it| it.as_secs_f64() >= since)
    };
    let names = entries.filter(is_new).filter_map(|entry| entry.file_name().into_string().ok());
    names.filter_map(|name| Some(name.strip_suffix(FILE_SUFFIX)?.to_owned())).collect()
}

fn started_at(process: &proto::Process) -> f64 {
    let identity = process.identity.as_ref();
    identity.and_then(|it| it.started_at.as_ref()).map_or(0.0, seconds)
}
