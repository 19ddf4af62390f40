//! The contents of a recording, as text.

use std::fmt::Write as _;

use hakmem_proto::v1 as proto;
use hakmem_recording::reader::ProcessSummary;
use hakmem_recording::window::seconds;
use hakmem_recording::{Recording, Summary};
use jiff::tz::TimeZone;

use crate::words::paragraph::plain;
use crate::words::quantity::{bytes, count, span_seconds};
use crate::words::time_window::text;

/// Damaged places that are listed individually.
const PLACES_MAX: usize = 20;
/// Processes that are listed by default.
const LISTED_MAX: usize = 20;

/// The output of `hakmem-top info`: `all` processes, or only the busiest.
pub fn recording(name: &str, recording: &Recording, zone: &TimeZone, all: bool) -> String {
    let (start, summary) = (recording.start(), recording.summary());
    let state = if recording.is_complete() {
        "complete"
    } else {
        "incomplete: its writer was killed or is still writing"
    };
    let mut out = String::new();
    let mut line = |label: &str, value: &str| {
        let _ = writeln!(out, "{label:<10} {value}");
    };
    line("file", &format!("{}, {}, {state}", plain(name), size(summary.file_bytes)));
    line("time", &span(start, summary, zone));
    if !start.command.is_empty() {
        line("command", &plain(&start.command));
    }
    if let Some(machine) = &start.machine {
        line("machine", &plain(&self::machine(machine)));
    }
    line("contents", &contents(summary));
    line("losses", &losses(summary));
    line("damage", &damage(recording));
    processes(&mut out, &summary.processes, zone, all);
    out
}

fn span(start: &proto::RecordingStart, summary: &Summary, zone: &TimeZone) -> String {
    let by = match start.version.as_str() {
        "" => "by an unknown version".to_owned(),
        version => format!("by version {}", plain(version)),
    };
    let every = format!("every {} ms, {by}", start.interval_ms);
    match (summary.from, summary.to) {
        (Some(from), Some(to)) => {
            let length = span_text(to - from);
            format!("{} to {} ({length}), {every}", text(from, zone), text(to, zone))
        }
        _ => format!("no sample yet, {every}"),
    }
}

fn machine(machine: &proto::Machine) -> String {
    let memory = size(machine.memory_bytes);
    let proto::Machine { host, kernel, architecture, processor, processors, .. } = machine;
    format!("{host}, {kernel}, {architecture}, {processors} × {processor}, {memory}")
}

fn contents(summary: &Summary) -> String {
    let processes = summary.processes.len() as u64;
    let (updates, events) = (count(summary.updates), count(summary.events));
    format!("processes {}, updates {updates}, events {events}", count(processes))
}

fn losses(summary: &Summary) -> String {
    let samples: u64 = summary.processes.iter().map(|it| it.lost_samples).sum();
    if samples == 0 && summary.skipped_updates == 0 && summary.lost_events == 0 {
        return "none".into();
    }
    format!(
        "samples {}, updates {}, events {}",
        count(samples),
        count(summary.skipped_updates),
        count(summary.lost_events)
    )
}

fn damage(recording: &Recording) -> String {
    let damage = recording.damage();
    if damage.is_empty() {
        return "none".into();
    }
    let places = damage.iter().take(PLACES_MAX);
    let mut lines: Vec<String> = places
        .map(|it| format!("{} at byte {}: {}", size(it.length), it.offset, it.kind.text()))
        .collect();
    if damage.len() > PLACES_MAX {
        lines.push(format!("and {} more", damage.len() - PLACES_MAX));
    }
    lines.join("\n           ")
}

fn processes(out: &mut String, processes: &[ProcessSummary], zone: &TimeZone, all: bool) {
    if processes.is_empty() {
        return;
    }
    let mut listed: Vec<&ProcessSummary> = processes.iter().collect();
    if !all && listed.len() > LISTED_MAX {
        listed.sort_by_key(|it| std::cmp::Reverse(it.operations));
        listed.truncate(LISTED_MAX);
    }
    let _ = writeln!(
        out,
        "\n{:>8}  {:<19}  {:>8}  {:>8}  {:>10}  {:>6}  {:<8}  {:<8}  command",
        "pid", "from", "span", "samples", "operations", "lost", "state", "routing"
    );
    for process in &listed {
        let identity = &process.identity;
        let command = match identity.arguments.as_slice() {
            [] => identity.executable.clone(),
            arguments => arguments.join(" "),
        };
        let _ = writeln!(
            out,
            "{:>8}  {:<19}  {:>8}  {:>8}  {:>10}  {:>6}  {:<8}  {:<8}  {}",
            identity.pid,
            text(process.from, zone),
            span_text(process.to - process.from),
            count(process.samples),
            count(process.operations),
            count(process.lost_samples),
            plain(&process.state),
            plain(&identity.routing),
            plain(&command),
        );
        about(out, identity, zone);
    }
    if listed.len() < processes.len() {
        let others = processes.len() - listed.len();
        let _ = writeln!(out, "{:>8}  … and {others} less busy ones; --all lists them", "");
    }
}

/// A time span; below a minute with tenths of seconds.
fn span_text(seconds: f64) -> String {
    if seconds < 59.95 { format!("{seconds:.1}s") } else { span_seconds(seconds as u64) }
}

/// The other facts of a process that a comparison considers.
fn about(out: &mut String, identity: &proto::Identity, zone: &TimeZone) {
    let mut facts = vec![format!("executable {}", plain(&identity.executable))];
    let mut add = |label: &str, value: &str| {
        if !value.is_empty() {
            facts.push(format!("{label} {}", plain(value)));
        }
    };
    add("build", &identity.build_id);
    add("check", &identity.check);
    add("push", &identity.push);
    add("library", &identity.library_version);
    if identity.list_bytes_max > 0 {
        add("lists", &size(identity.list_bytes_max.into()));
    }
    if identity.fork_doubts > 0 {
        add("locks repaired after fork", &identity.fork_doubts.to_string());
    }
    if identity.fork_abandoned_bytes > 0 {
        add("lost by fork", &size(identity.fork_abandoned_bytes));
    }
    let mut labels: Vec<_> = identity.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
    labels.sort();
    add("labels", &labels.join(","));
    if let Some(started) = &identity.started_at {
        add("started", &text(seconds(started), zone));
    }
    let _ = writeln!(out, "{:>8}  {}", "", facts.join(", "));
}

fn size(length: u64) -> String {
    bytes(i64::try_from(length).unwrap_or(i64::MAX))
}
