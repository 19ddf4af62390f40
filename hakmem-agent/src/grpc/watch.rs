//! The stream behind `WatchProcesses`.
//!
//! A slow client costs no queue: its stream waits in `send`, and when it continues, its [`Cursor`]
//! derives the next update from the newest state; the moments in between are counted as skipped.

use std::sync::Arc;
use std::time::Duration;

use hakmem_proto::v1::WatchProcessesResponse;
use tokio::sync::mpsc::Sender;
use tokio::time::Instant;
use tonic::Status;

use crate::shared::Shared;
use crate::state::cursor::Cursor;
use crate::state::interest::Interest;

/// One client's view of the fleet.
pub(super) struct Watch {
    cursor: Cursor,
    interval: Duration,
}

impl Watch {
    pub(super) fn new(cursor: Cursor, interval: Duration) -> Self {
        Self { cursor, interval }
    }

    /// Sends updates until the client or the agent ends.
    pub(super) async fn run(
        mut self,
        shared: Arc<Shared>,
        interest: Interest,
        client: Sender<Result<WatchProcessesResponse, Status>>,
    ) {
        let mut view = shared.view.clone();
        // The sampler's rounds vary in length, so one that comes a little early counts.
        let least_gap = self.interval.mul_f64(0.7);
        loop {
            let current = view.borrow_and_update().clone();
            let started = Instant::now();
            let messages = self.cursor.next_update(&current, shared.status.report(&current));
            interest.set(self.cursor.keys());
            for message in messages {
                if client.send(Ok(message)).await.is_err() {
                    return;
                }
            }
            self.cursor.skip(self.updates_due_in(started.elapsed()));
            let next = async {
                tokio::time::sleep_until(started + least_gap).await;
                view.changed().await
            };
            tokio::select! {
                () = shared.stop.cancelled() => return,
                () = client.closed() => return,
                published = next => if published.is_err() { return },
            }
        }
    }

    /// Number of updates that were due while the client did not take the last one.
    fn updates_due_in(&self, blocked: Duration) -> u64 {
        (blocked.as_secs_f64() / self.interval.as_secs_f64()) as u64
    }
}
