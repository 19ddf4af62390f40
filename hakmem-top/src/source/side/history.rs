//! Reads sides from an agent's history.

use hakmem_diagnosis::Series;
use hakmem_proto::v1 as proto;
use hakmem_proto::v1::telemetry_client::TelemetryClient;
use hakmem_recording::Window;
use jiff::tz::TimeZone;
use tonic::Status;
use tonic::transport::Channel;

use super::{ReadSide, Selection, SideError, are_several_programs, known};
use crate::model::{seconds, timestamp};
use crate::source::endpoint::Endpoint;
use crate::source::{runs, sampling};
use crate::words::time_window::TimeWindow;

/// Later than any sample, in seconds of Unix time: a request from then on returns no samples, only
/// the coverage.
const NEVER: f64 = 4e9;

/// Reads the history of the selected processes.
pub(super) async fn read(
    endpoint: &Endpoint,
    window: Option<&TimeWindow>,
    selection: &Selection,
    name: &str,
    zone: &TimeZone,
) -> Result<ReadSide, SideError> {
    if let Endpoint::Embedded { .. } = endpoint {
        return Err(SideError::NoAgent { name: name.into() });
    }
    let mut agent = Agent { client: TelemetryClient::new(endpoint.channel().await?) };
    let processes = agent.processes(selection, name).await?;
    let mut kept = Vec::new();
    for (key, identity) in processes {
        let never = Window { from: Some(NEVER), to: None };
        if let Some((oldest, newest)) = agent.history(&key, never).await?.coverage {
            kept.push((key, identity, oldest, newest));
        }
    }
    let start = kept.iter().map(|it| it.2).min_by(f64::total_cmp);
    let end = kept.iter().map(|it| it.3).max_by(f64::total_cmp);
    let (Some(start), Some(end)) = (start, end) else {
        return Err(SideError::NoHistory { name: name.into() });
    };
    let window = match window {
        None => Window::ALL,
        Some(window) => window
            .resolve(start, end, zone)
            .map_err(|error| SideError::Window { name: name.into(), error })?,
    };
    let mut series = Vec::new();
    for (key, identity, ..) in kept {
        let samples = agent.history(&key, window).await?.samples;
        if !samples.is_empty() {
            let lost_events = sampling::lost_events(&samples);
            series.push(Series { identity, samples, lost_events, ..Series::default() });
        }
    }
    if series.is_empty() {
        return Err(SideError::NoSample { name: name.into() });
    }
    Ok(ReadSide::join(name, series))
}

/// The history of one process.
#[derive(Debug, Default)]
struct Kept {
    samples: Vec<proto::Process>,
    /// The times of the oldest and the newest sample, in seconds of Unix time.
    coverage: Option<(f64, f64)>,
}

struct Agent {
    client: TelemetryClient<Channel>,
}

impl Agent {
    /// Keys and identities of the selected processes. Without a selection they must be of one
    /// program: a mixture cannot be a side.
    async fn processes(
        &mut self,
        selection: &Selection,
        name: &str,
    ) -> Result<Vec<(String, proto::Identity)>, SideError> {
        let filter = proto::ProcessFilter {
            pids: selection.pid.into_iter().collect(),
            include_ended: true,
            ..Default::default()
        };
        let request = proto::ListProcessesRequest { filter: Some(filter) };
        let listed = self.client.list_processes(request).await.map_err(asked)?.into_inner();
        let all: Vec<(String, proto::Identity)> = listed
            .processes
            .into_iter()
            .map(|it| (it.key, it.identity.unwrap_or_default()))
            .collect();
        let choice = || known(all.iter().map(|(_, identity)| identity));
        let passing: Vec<_> = all.iter().filter(|(_, it)| selection.passes(it)).cloned().collect();
        if passing.is_empty() {
            return Err(SideError::Empty { name: name.into(), known: choice() });
        }
        let identities: Vec<&proto::Identity> = passing.iter().map(|(_, it)| it).collect();
        let mut roots = runs::roots(&identities);
        roots.sort_unstable();
        roots.dedup();
        if selection.is_all() && are_several_programs(roots.iter().map(|root| identities[*root])) {
            return Err(SideError::Ambiguous { name: name.into(), known: choice() });
        }
        Ok(passing)
    }

    async fn history(&mut self, key: &str, window: Window) -> Result<Kept, SideError> {
        let request = proto::GetHistoryRequest {
            key: key.to_owned(),
            from: window.from.map(timestamp),
            to: window.to.map(timestamp),
            step_ms: 0,
            include_threads: true,
        };
        let mut parts = self.client.get_history(request).await.map_err(asked)?.into_inner();
        let mut kept = Kept::default();
        while let Some(part) = parts.message().await.map_err(asked)? {
            kept.samples.extend(part.samples);
            if let Some(proto::HistoryCoverage { oldest, newest, .. }) = part.coverage {
                let ends = oldest.as_ref().map(seconds).zip(newest.as_ref().map(seconds));
                kept.coverage = ends.or(kept.coverage);
            }
        }
        Ok(kept)
    }
}

fn asked(status: Status) -> SideError {
    SideError::Agent(status.into())
}
