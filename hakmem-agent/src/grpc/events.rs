//! The stream behind `WatchEvents`.

use std::sync::Arc;
use std::time::Duration;

use hakmem_proto::v1::WatchEventsResponse;
use tokio::sync::mpsc::Sender;
use tonic::Status;

use crate::events::EventStream;
use crate::shared::Shared;
use crate::state::interest::Interest;

/// Time between two updates of the set of processes that a stream watches.
const INTEREST_PERIOD: Duration = Duration::from_millis(250);

/// Forwards events until the client or the agent ends.
pub(super) async fn forward(
    mut stream: EventStream,
    shared: Arc<Shared>,
    interest: Interest,
    client: Sender<Result<WatchEventsResponse, Status>>,
) {
    let mut look = tokio::time::interval(INTEREST_PERIOD);
    let mut told = (0, 0);
    loop {
        let mut events = Vec::new();
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = client.closed() => return,
            received = stream.receive(&mut events) => {
                if received == 0 { return }
            }
            _ = look.tick() => interest.set(stream.running_keys(&shared.current())),
        }
        let losses = stream.losses();
        if events.is_empty() && losses == told {
            continue;
        }
        told = losses;
        let (lost_events, dropped_events) = losses;
        let message = WatchEventsResponse { events, lost_events, dropped_events };
        if client.send(Ok(message)).await.is_err() {
            return;
        }
    }
}
