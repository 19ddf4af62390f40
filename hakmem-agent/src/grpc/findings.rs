//! The streams behind `WatchFindings` and `GetFinding`.

use std::sync::Arc;

use hakmem_proto::v1::get_finding_response::Part;
use hakmem_proto::v1::{GetFindingResponse, WatchFindingsResponse};
use tokio::sync::mpsc::Sender;
use tonic::Status;

use crate::findings::{FindingStream, KeptSides, Known};
use crate::shared::Shared;

/// Forwards findings until the queue, the client or the agent ends.
pub(super) async fn forward(
    mut stream: FindingStream,
    shared: Arc<Shared>,
    client: Sender<Result<WatchFindingsResponse, Status>>,
) {
    let mut told = 0;
    loop {
        let mut known = Vec::new();
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = client.closed() => return,
            received = stream.receive(&mut known) => {
                if received == 0 { return }
            }
        }
        let findings = stream.selected(&known, &shared.current());
        let dropped_findings = stream.dropped();
        if findings.is_empty() && dropped_findings == told {
            continue;
        }
        told = dropped_findings;
        let message = WatchFindingsResponse { findings, dropped_findings };
        if client.send(Ok(message)).await.is_err() {
            return;
        }
    }
}

/// Sends a finding and its samples, at the client's pace.
pub(super) async fn tell(
    known: Arc<Known>,
    sides: Arc<KeptSides>,
    client: Sender<Result<GetFindingResponse, Status>>,
) {
    let finding = GetFindingResponse { part: Some(Part::Finding(known.finding.clone())) };
    for message in std::iter::once(finding).chain(sides.parts()) {
        if client.send(Ok(message)).await.is_err() {
            return;
        }
    }
}
