//! Reports the agent's own state: in every update of processes, in answers and in recordings.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hakmem_proto::v1::AgentStatus;

use crate::condition::{Condition, condition};
use crate::config::AgentConfig;
use crate::history::History;
use crate::state::FleetView;

/// Version of the agent.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Composes the reports.
#[derive(Debug)]
pub(crate) struct StatusReporter {
    config: Arc<AgentConfig>,
    history: Arc<History>,
    /// Start of the agent.
    started: Instant,
}

impl StatusReporter {
    /// A reporter of an agent that starts now.
    pub(crate) fn new(config: Arc<AgentConfig>, history: Arc<History>) -> Self {
        Self { config, history, started: Instant::now() }
    }

    /// The agent's own state, as of `view`.
    pub(crate) fn report(&self, view: &FleetView) -> AgentStatus {
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

    /// The condition of the agent, as of `view`.
    pub(crate) fn condition(&self, view: &FleetView) -> Condition {
        condition(&self.config, view, self.round_age(view))
    }

    /// Time since the end of the last round of sampling, or since the start.
    pub(crate) fn round_age(&self, view: &FleetView) -> Duration {
        view.health.round_at.unwrap_or(self.started).elapsed()
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
