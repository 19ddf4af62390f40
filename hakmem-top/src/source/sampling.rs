//! Samples processes repeatedly for a comparison, which needs whole samples.
//!
//! The agent is asked for each process individually, which makes it read the segment at that
//! moment. So the last sample of a program that has ended contains everything it did, however short
//! it was; and its first sample follows without being taken, because all counters start at 0.

use std::collections::BTreeMap;

use hakmem_diagnosis::Series;
use hakmem_proto::v1 as proto;
use hakmem_proto::v1::telemetry_client::TelemetryClient;
use hakmem_segment::vocabulary::ProcessState;
use tonic::Code;
use tonic::transport::Channel;

use crate::model::seconds;
use crate::source::endpoint::Endpoint;
use crate::source::snapshot::SnapshotError;

/// The samples collected so far.
#[derive(Debug)]
pub struct Sampling {
    client: TelemetryClient<Channel>,
    filter: proto::ProcessFilter,
    since: f64,
    series: BTreeMap<String, Series>,
}

impl Sampling {
    /// Begins to sample the processes that pass `filter` and have started at `since` (seconds of
    /// Unix time) or later: earlier processes may have had the same pid.
    ///
    /// # Errors
    ///
    /// [`SnapshotError`] if the agent cannot be reached.
    pub async fn begin(
        endpoint: &Endpoint,
        filter: proto::ProcessFilter,
        since: f64,
    ) -> Result<Self, SnapshotError> {
        let client = TelemetryClient::new(endpoint.channel().await?);
        Ok(Self { client, filter, since, series: BTreeMap::new() })
    }

    /// Takes a sample of each process.
    ///
    /// # Errors
    ///
    /// [`SnapshotError`] if the agent does not answer.
    pub async fn look(&mut self) -> Result<(), SnapshotError> {
        let request = proto::ListProcessesRequest { filter: Some(self.filter.clone()) };
        let listed = self.client.list_processes(request).await?.into_inner().processes;
        for process in listed {
            if started_at(&process) < self.since || self.is_over(&process.key) {
                continue;
            }
            let request = proto::GetProcessRequest { key: process.key };
            match self.client.get_process(request).await {
                Ok(response) => self.take(response.into_inner().process.unwrap_or_default()),
                // The process ended after it was listed.
                Err(status) if status.code() == Code::NotFound => {}
                Err(status) => return Err(status.into()),
            }
        }
        Ok(())
    }

    /// Adds a sample that was fetched elsewhere.
    pub fn take(&mut self, mut sample: proto::Process) {
        let Some(identity) = sample.identity.take() else { return };
        let at = sample.sampled_at.as_ref().map(seconds);
        let series = self.series.entry(sample.key.clone()).or_default();
        // The newest: a program may set labels at any time.
        series.identity = identity;
        let last = series.samples.last();
        let newest = last.and_then(|it| it.sampled_at.as_ref()).map(seconds);
        // A process that has ended keeps the time of its last sample, but its new state counts.
        if at > newest {
            series.samples.push(sample);
        } else if last.is_some_and(|it| it.state != sample.state) {
            series.samples.pop();
            series.samples.push(sample);
        }
    }

    /// Whether no process has been seen yet.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// Whether a process has ended and its last sample is taken.
    fn is_over(&self, key: &str) -> bool {
        let last = self.series.get(key).and_then(|it| it.samples.last());
        last.is_some_and(|it| !it.is_running())
    }

    /// Whether every process that was seen has ended; false if none was.
    pub fn all_over(&self) -> bool {
        !self.series.is_empty() && self.series.keys().all(|key| self.is_over(key))
    }

    /// The samples, one series per process, ordered by start.
    pub fn into_series(self) -> Vec<Series> {
        let mut series: Vec<Series> = self.series.into_values().collect();
        for it in &mut series {
            it.lost_events = lost_events(&it.samples);
        }
        let started = |it: &Series| it.identity.started_at.as_ref().map_or(0.0, seconds);
        series.sort_by(|a, b| started(a).total_cmp(&started(b)));
        series
    }
}

/// Inserts a first sample with zero counts at the start of the process. Forks stay as they are,
/// because they begin with blocks of their parents.
pub fn complete_start(series: &mut Series) {
    let (identity, Some(first)) = (&series.identity, series.samples.first()) else { return };
    let (Some(started_at), false) = (identity.started_at, identity.forked) else { return };
    if first.sampled_at.as_ref().map(seconds) <= Some(seconds(&started_at)) {
        return;
    }
    let origin = proto::Process {
        key: first.key.clone(),
        state: ProcessState::Running.name().into(),
        sampled_at: Some(started_at),
        totals: Some(proto::Totals::default()),
        memory: Some(proto::Memory::default()),
        loss: Some(proto::Loss::default()),
        ..Default::default()
    };
    series.samples.insert(0, origin);
}

/// Events that were overwritten between the first and the last sample.
pub fn lost_events(samples: &[proto::Process]) -> u64 {
    let lost =
        |it: Option<&proto::Process>| it.and_then(|it| it.loss).map_or(0, |it| it.lost_events);
    lost(samples.last()).saturating_sub(lost(samples.first()))
}

fn started_at(process: &proto::Process) -> f64 {
    let identity = process.identity.as_ref();
    identity.and_then(|it| it.started_at.as_ref()).map_or(0.0, seconds)
}
