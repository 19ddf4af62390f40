//! The stream behind `WatchProcesses`.
//!
//! A stream remembers the last sample that it sent of each process, which it shares with the
//! fleet's own state, and derives every update from it. So a slow client costs no queue: its stream
//! waits in `send`, and when it continues, the next update is derived from the newest state; the
//! moments in between are counted as skipped.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hakmem_proto::v1::{Process, WatchProcessesResponse};
use tokio::sync::mpsc::Sender;
use tokio::time::Instant;
use tonic::Status;

use crate::shared::Shared;
use crate::state::filter::Selection;
use crate::state::{FleetView, ProcessRecord, interest::Interest};
use crate::time::timestamp;
use hakmem_recording::chunk::{CHUNK_BYTES, chunks};
use hakmem_recording::delta::{Detail, changed, whole};

/// One client's view of the fleet.
pub(crate) struct Watch {
    selection: Selection,
    detail: Detail,
    interval: Duration,
    sent: HashMap<Arc<str>, Arc<ProcessRecord>>,
    update: u64,
    skipped_updates: u64,
}

impl Watch {
    pub(crate) fn new(selection: Selection, detail: Detail, interval: Duration) -> Self {
        let sent = HashMap::new();
        Self { selection, detail, interval, sent, update: 0, skipped_updates: 0 }
    }

    /// Sends updates until the client or the agent ends.
    pub(crate) async fn run(
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
            let messages = self.next_update(&current, &shared);
            interest.set(self.sent.keys().cloned().collect());
            for message in messages {
                if client.send(Ok(message)).await.is_err() {
                    return;
                }
            }
            self.count_skipped(started.elapsed());
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

    /// The messages of the next update, whose state counts as sent.
    pub(crate) fn next_update(
        &mut self,
        view: &FleetView,
        shared: &Shared,
    ) -> Vec<WatchProcessesResponse> {
        self.update += 1;
        let mut news = Vec::new();
        let mut seen = HashMap::with_capacity(self.sent.len());
        for record in self.selection.of(view) {
            let known = self.sent.get(&record.key);
            if known.is_none() && record.has_ended() && !self.selection.includes_ended() {
                continue;
            }
            match known {
                None => news.push(whole(&record.message(), self.detail)),
                Some(sent) if Arc::ptr_eq(sent, record) || sent.is_same(record) => {}
                Some(sent) => {
                    news.extend(changed(&sent.message(), &record.message(), self.detail));
                }
            }
            seen.insert(Arc::clone(&record.key), Arc::clone(record));
        }
        let gone = self.sent.keys().filter(|key| !seen.contains_key(*key));
        let removed: Vec<String> = gone.map(ToString::to_string).collect();
        self.sent = seen;
        self.messages(news, removed, view, shared)
    }

    fn messages(
        &self,
        news: Vec<Process>,
        removed: Vec<String>,
        view: &FleetView,
        shared: &Shared,
    ) -> Vec<WatchProcessesResponse> {
        let sampled_at = Some(timestamp(view.sampled_at));
        let mut messages: Vec<_> = chunks(news, CHUNK_BYTES)
            .into_iter()
            .map(|changed| WatchProcessesResponse {
                sampled_at,
                update: self.update,
                changed,
                removed: Vec::new(),
                complete: false,
                skipped_updates: self.skipped_updates,
                agent: None,
            })
            .collect();
        if let Some(last) = messages.last_mut() {
            last.removed = removed;
            last.complete = true;
            last.agent = Some(shared.status(view));
        }
        messages
    }

    /// Counts the updates that were due while the client did not take the last one.
    fn count_skipped(&mut self, blocked: Duration) {
        let due = (blocked.as_secs_f64() / self.interval.as_secs_f64()) as u64;
        self.update += due;
        self.skipped_updates += due;
    }
}
