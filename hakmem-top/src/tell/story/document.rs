//! The story as a JSON document.

use serde_json::{Value, json};

use super::{Sentence, Story};
use crate::words::explanation;

/// Version of the document; it rises when a member changes its meaning or is removed.
const DOCUMENT_VERSION: u32 = 1;

impl Story {
    /// The story as JSON, with the facts of the text; `process` is as in the snapshot document.
    pub fn document(&self) -> String {
        let snapshot = hakmem_agent::snapshot_document([&self.process]);
        let anomalies = self
            .anomalies()
            .into_iter()
            .map(|it| json!({ "class": it.class, "outcome": it.outcome, "count": it.count }));
        let document = json!({
            "version": DOCUMENT_VERSION,
            "segment": self.path,
            "process": snapshot.processes.first(),
            "explanation": explanation::routing(self.routing()),
            "anomalies": anomalies.collect::<Value>(),
            "events": self.events.iter().map(|event| self.event(event)).collect::<Value>(),
            "ending": self.ending(),
            "verdict": self.verdict(),
        });
        format!("{document:#}\n")
    }

    fn event(&self, event: &hakmem_proto::v1::Event) -> Value {
        let Sentence { said, meaning } = Sentence::new(event, self.routing());
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let is_of_header = explanation::is_of_header(&event.detail);
        json!({
            "since_start_seconds": self.event_ns(event) as f64 / 1e9,
            "kind": event.kind,
            "class": event.class,
            "detail": given(&event.detail),
            "thread_id": event.thread_id,
            "slot": event.slot,
            "number": event.number,
            "address": (event.address > 0).then(|| format!("{:#x}", event.address)),
            "header_byte": is_of_header.then(|| format!("{:#04x}", event.value as u8)),
            "claimed_class": given(&event.claimed_class),
            "value": event.value,
            "duration_ns": event.duration_ns,
            "said": said,
            "meaning": given(&meaning),
        })
    }
}
