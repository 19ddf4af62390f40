//! A recording as JSON lines: one object per line; `type` names its kind.

use hakmem_agent::text::escaped_json;
use hakmem_proto::v1 as proto;
use hakmem_recording::Recording;
use hakmem_recording::replay::Sample;
use hakmem_recording::window::seconds;
use serde_json::{Value, json};

/// Version of the lines; it rises when a member changes its meaning or is removed.
const LINES_VERSION: u32 = 1;

/// The first line: the recording's head and its losses.
pub fn recording(recording: &Recording) -> String {
    let (start, summary) = (recording.start(), recording.summary());
    let machine = start.machine.clone().unwrap_or_default();
    let damage = recording
        .damage()
        .iter()
        .map(|it| json!({ "offset": it.offset, "length": it.length, "what": it.kind.text() }));
    line(json!({
        "type": "recording",
        "version": LINES_VERSION,
        "writer_version": start.version,
        "started_at_unix_seconds": start.started_at.as_ref().map(seconds),
        "interval_ms": start.interval_ms,
        "command": start.command,
        "machine": {
            "host": machine.host,
            "kernel": machine.kernel,
            "architecture": machine.architecture,
            "processor": machine.processor,
            "processors": machine.processors,
            "memory_bytes": machine.memory_bytes,
            "boot_id": machine.boot_id,
        },
        "complete": recording.is_complete(),
        "skipped_updates": summary.skipped_updates,
        "lost_events": summary.lost_events,
        "lost_samples": summary.processes.iter().map(|it| it.lost_samples).sum::<u64>(),
        "damage": damage.collect::<Vec<_>>(),
    }))
}

/// A sample, with the same members as a process in the snapshot document.
pub fn sample(sample: &Sample<'_>) -> String {
    let process = proto::Process { sampled_at: Some(sample.at), ..sample.process.clone() };
    let document = hakmem_agent::snapshot_document(&[process]);
    let entry = document.processes.into_iter().next();
    let mut value =
        serde_json::to_value(entry).expect("a document has no keys that JSON cannot have");
    if let Value::Object(members) = &mut value {
        members.insert("type".into(), "sample".into());
        members.insert("at_rest".into(), sample.at_rest.into());
    }
    line(value)
}

/// An event.
pub fn event(event: &proto::Event) -> String {
    line(json!({
        "type": "event",
        "key": event.process_key,
        "pid": event.pid,
        "at_unix_seconds": event.at.as_ref().map(seconds),
        "kind": event.kind,
        "class": event.class,
        "detail": event.detail,
        "thread_id": event.thread_id,
        "duration_ns": event.duration_ns,
        "value": event.value,
        "address": format!("{:#x}", event.address),
        "slot": event.slot,
        "number": event.number,
        "claimed_class": event.claimed_class,
    }))
}

fn line(value: Value) -> String {
    escaped_json(&value.to_string()) + "\n"
}
