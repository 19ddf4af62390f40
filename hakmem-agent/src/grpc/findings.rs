//! The stream behind `GetFinding`.

use std::sync::Arc;

use hakmem_proto::v1::GetFindingResponse;
use hakmem_proto::v1::get_finding_response::Part;
use tokio::sync::mpsc::Sender;
use tonic::Status;

use crate::findings::{KeptSides, Known};

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
