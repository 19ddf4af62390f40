//! Compares the recent past of a process with the time before, from the agent's history.

use hakmem_diagnosis::{Options, Series, Side, diagnose};
use hakmem_proto::v1 as proto;
use hakmem_proto::v1::telemetry_client::TelemetryClient;
use tonic::transport::Channel;

use super::said;
use crate::model::{seconds, timestamp};
use crate::tell::comparison::Comparison;
use crate::words::quantity;

/// Length of each of the two windows, unless the history is shorter.
const WINDOW_SECONDS: f64 = 60.0;

/// Compares the last minute of a process with the minute before, or says why that is impossible.
pub(super) async fn compare(
    mut client: TelemetryClient<Channel>,
    key: String,
) -> Result<Comparison, String> {
    let request = proto::GetHistoryRequest { key, include_threads: true, ..Default::default() };
    let coverage = proto::GetHistoryRequest { from: Some(timestamp(4e9)), ..request.clone() };
    let (_, kept) = fetch(&mut client, coverage).await?;
    let ends = kept.oldest.as_ref().map(seconds).zip(kept.newest.as_ref().map(seconds));
    let Some((oldest, newest)) = ends else {
        return Err("the agent has kept nothing of this process yet".into());
    };
    let window = ((newest - oldest) / 2.0).min(WINDOW_SECONDS);
    let from = Some(timestamp(newest - 2.0 * window));
    let (series, _) = fetch(&mut client, proto::GetHistoryRequest { from, ..request }).await?;
    // A large process takes a while, and the screen must not wait for it.
    let compared = tokio::task::spawn_blocking(move || halves(&series, newest - window, window));
    compared.await.map_err(|error| error.to_string())
}

async fn fetch(
    client: &mut TelemetryClient<Channel>,
    request: proto::GetHistoryRequest,
) -> Result<(Series, proto::HistoryCoverage), String> {
    let failed = |status: tonic::Status| said(&status);
    let mut parts = client.get_history(request).await.map_err(failed)?.into_inner();
    let (mut series, mut coverage) = (Series::default(), proto::HistoryCoverage::default());
    while let Some(part) = parts.message().await.map_err(failed)? {
        series.samples.extend(part.samples);
        series.identity = part.identity.unwrap_or(series.identity);
        coverage = part.coverage.unwrap_or(coverage);
    }
    Ok((series, coverage))
}

/// Compares the samples before `middle` with those after it.
fn halves(series: &Series, middle: f64, window: f64) -> Comparison {
    let at = |it: &proto::Process| it.sampled_at.as_ref().map_or(0.0, seconds);
    let split = series.samples.partition_point(|it| at(it) <= middle);
    // The sample in the middle ends one half and begins the other.
    let (before, after) = (&series.samples[..split], &series.samples[split.saturating_sub(1)..]);
    let side = |name: String, samples: &[proto::Process]| Side {
        name,
        series: vec![Series { samples: samples.to_vec(), ..series.clone() }],
    };
    let span = quantity::span_seconds(window.round() as u64);
    let before = side(format!("the {span} before"), before);
    let after = side(format!("the last {span}"), after);
    Comparison::new(diagnose(&before, &after, &Options::default()), &before, &after)
}

#[cfg(test)]
mod tests;
