//! Samples live processes as sides.

use std::time::Duration;

use hakmem_proto::v1 as proto;
use hakmem_recording::machine::this_machine;
use tokio::time::Instant;

use super::{ReadSide, SideError};
use crate::source::endpoint::Endpoint;
use crate::source::sampling::Sampling;

/// A process that is being sampled.
#[derive(Debug)]
pub struct Sampled {
    name: String,
    pid: u32,
    sampling: Sampling,
}

impl Sampled {
    /// Takes the first sample of a process.
    ///
    /// # Errors
    ///
    /// [`SideError::NoProcess`] if the process does not publish.
    pub async fn begin(endpoint: &Endpoint, pid: u32, name: &str) -> Result<Self, SideError> {
        let filter = proto::ProcessFilter { pids: vec![pid], ..Default::default() };
        // The first request waits until the agent has scanned its directory.
        let snapshot = crate::source::snapshot::fetch(endpoint, filter.clone()).await?;
        let mut sampling = Sampling::begin(endpoint, filter, 0.0).await?;
        for process in snapshot.processes {
            sampling.take(process);
        }
        if sampling.is_empty() {
            return Err(SideError::NoProcess(pid));
        }
        Ok(Self { name: name.to_owned(), pid, sampling })
    }

    /// Samples the process for `duration`, or until it ends.
    ///
    /// # Errors
    ///
    /// [`SideError`] if the agent goes away.
    pub async fn follow(
        mut self,
        duration: Duration,
        interval: Duration,
    ) -> Result<ReadSide, SideError> {
        let until = Instant::now() + duration;
        let mut due = tokio::time::interval(interval);
        due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while Instant::now() < until && !self.sampling.all_over() {
            due.tick().await;
            self.sampling.look().await?;
        }
        let mut series = self.sampling.into_series();
        if series.is_empty() {
            return Err(SideError::NoProcess(self.pid));
        }
        for it in &mut series {
            it.machine = Some(this_machine());
        }
        Ok(ReadSide::join(&self.name, series))
    }
}
