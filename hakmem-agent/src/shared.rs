//! The state that the servers share with the sampler.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use hakmem_proto::v1::AgentStatus;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::config::AgentConfig;
use crate::connections::Connections;
use crate::failure::Failure;
use crate::findings::Findings;
use crate::grpc::admission::Admission;
use crate::history::History;
use crate::recorder::RecordingCounts;
use crate::refusals::Refusals;
use crate::sampler::SamplerHandle;
use crate::state::FleetView;
use crate::state::interest::Interests;
use crate::users::Users;

/// Version of the agent.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The shared state of one agent.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: AgentConfig,
    /// The newest state.
    pub(crate) view: watch::Receiver<Arc<FleetView>>,
    pub(crate) sampler: SamplerHandle,
    pub(crate) interests: Arc<Interests>,
    pub(crate) history: Arc<History>,
    pub(crate) findings: Findings,
    pub(crate) refusals: Arc<Refusals>,
    pub(crate) users: Users,
    /// Limits the requests of clients.
    pub(crate) admission: Admission,
    /// The recorder's counts, if there is a recorder.
    pub(crate) recording: Arc<RecordingCounts>,
    /// Ends every stream and server.
    pub(crate) stop: CancellationToken,
    /// Number of requests for `/metrics` answered so far.
    pub(crate) scrapes: AtomicU64,
    /// Receives reports of broken parts.
    pub(crate) failure: Arc<Failure>,
    /// Start of the agent.
    pub(crate) started: Instant,
    /// The connections of every listener.
    pub(crate) connections: Vec<Arc<Connections>>,
}

impl Shared {
    /// The newest state.
    pub(crate) fn current(&self) -> Arc<FleetView> {
        Arc::clone(&self.view.borrow())
    }

    /// The agent's own state, as of `view`.
    pub(crate) fn status(&self, view: &FleetView) -> AgentStatus {
        let history = self.history.usage();
        let interval_ms = self.config.watched_interval.as_millis();
        AgentStatus {
            version: VERSION.to_owned(),
            processes: u32::try_from(view.processes.len()).unwrap_or(u32::MAX),
            unreadable_segments: view.health.unreadable_segments,
            directory: self.directory_text(),
            interval_ms: u32::try_from(interval_ms).unwrap_or(u32::MAX),
            torn_samples: view.health.torn_samples,
            ready: view.health.first_scan_done,
            history_bytes: history.bytes,
            history_bytes_max: history.bytes_max,
            history_dropped_samples: history.dropped_samples,
            round_age_ms: u64::try_from(self.round_age(view).as_millis()).unwrap_or(u64::MAX),
            trouble: self.condition(view).trouble().unwrap_or_default(),
        }
    }

    /// The watched directories, separated by commas.
    pub(crate) fn directory_text(&self) -> String {
        let all_users = self.config.directory_of_all_users.as_ref();
        let listed = self.config.directories.iter().cloned();
        let directories: Vec<PathBuf> =
            listed.chain(all_users.map(|parent| parent.join("hakmem-*"))).collect();
        let texts: Vec<String> = directories.iter().map(|d| d.display().to_string()).collect();
        texts.join(", ")
    }
}
