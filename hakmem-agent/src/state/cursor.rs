//! A reader's place in the stream of states.
//!
//! A cursor remembers the last sample that it reported of each process, which it shares with the
//! fleet's own state, and derives every update from it. So a slow reader costs no queue: when it
//! continues, the next update is derived from the newest state.

use std::collections::HashMap;
use std::sync::Arc;

use hakmem_proto::chunk::{CHUNK_BYTES, chunks};
use hakmem_proto::delta::{Detail, changed, whole};
use hakmem_proto::v1::{AgentStatus, Process, WatchProcessesResponse};

use super::filter::Selection;
use super::{FleetView, ProcessRecord};
use crate::time::timestamp;

/// One reader's knowledge of the fleet.
#[derive(Debug)]
pub(crate) struct Cursor {
    selection: Selection,
    detail: Detail,
    sent: HashMap<Arc<str>, Arc<ProcessRecord>>,
    update: u64,
    skipped_updates: u64,
}

impl Cursor {
    /// A cursor of a reader that knows no process yet.
    pub(crate) fn new(selection: Selection, detail: Detail) -> Self {
        Self { selection, detail, sent: HashMap::new(), update: 0, skipped_updates: 0 }
    }

    /// Keys of the processes that the reader knows.
    pub(crate) fn keys(&self) -> Vec<Arc<str>> {
        self.sent.keys().cloned().collect()
    }

    /// Counts updates that were due while the reader did not take the last one.
    pub(crate) fn skip(&mut self, updates: u64) {
        self.update += updates;
        self.skipped_updates += updates;
    }

    /// The messages of the next update, whose state counts as sent. The last message has `status`.
    pub(crate) fn next_update(
        &mut self,
        view: &FleetView,
        status: AgentStatus,
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
                // Changes leave the identity out.
                Some(sent) if !record.has_identity_of(sent) => {
                    news.push(whole(&record.message(), self.detail));
                }
                Some(sent) => {
                    news.extend(changed(&sent.message(), &record.message(), self.detail));
                }
            }
            seen.insert(Arc::clone(&record.key), Arc::clone(record));
        }
        let gone = self.sent.keys().filter(|key| !seen.contains_key(*key));
        let removed: Vec<String> = gone.map(ToString::to_string).collect();
        self.sent = seen;
        self.messages(news, removed, view, status)
    }

    fn messages(
        &self,
        news: Vec<Process>,
        removed: Vec<String>,
        view: &FleetView,
        status: AgentStatus,
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
            last.agent = Some(status);
        }
        messages
    }
}
