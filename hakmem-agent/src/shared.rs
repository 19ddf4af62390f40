//! The parts of a running agent that its servers use.
//!
//! Only the servers know this type. A part takes the channels and the state that it needs.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::admission::Admission;
use crate::config::AgentConfig;
use crate::connections::Connections;
use crate::failure::Failure;
use crate::findings::Findings;
use crate::history::History;
use crate::recorder::RecordingCounts;
use crate::refusals::Refusals;
use crate::sampler::SamplerHandle;
use crate::state::FleetView;
use crate::state::interest::Interests;
use crate::status::StatusReporter;
use crate::users::Users;

/// The shared state of one agent.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Arc<AgentConfig>,
    /// The newest state.
    pub(crate) view: watch::Receiver<Arc<FleetView>>,
    pub(crate) sampler: SamplerHandle,
    pub(crate) interests: Arc<Interests>,
    pub(crate) history: Arc<History>,
    pub(crate) findings: Arc<Findings>,
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
    /// Reports the agent's own state.
    pub(crate) status: Arc<StatusReporter>,
    /// The connections of every listener.
    pub(crate) connections: Vec<Arc<Connections>>,
}

impl Shared {
    /// The newest state.
    pub(crate) fn current(&self) -> Arc<FleetView> {
        Arc::clone(&self.view.borrow())
    }
}
