//! The metrics of the agent itself.

use std::sync::atomic::Ordering;

use hakmem_reader::ProcessState;

use super::exposition::{Exposition, Family, Kind};
use crate::log::dropped_lines;
use crate::shared::Shared;
use crate::state::{FleetView, ROUND_BOUNDS_SECONDS};
use crate::status::VERSION;

const BUILD_INFO: Family = Family {
    name: "hakmem_agent_build_info",
    kind: Kind::Info,
    unit: "",
    help: "Version of the agent.",
};
const PROCESSES: Family = Family {
    name: "hakmem_agent_processes",
    kind: Kind::Gauge,
    unit: "",
    help: "Processes known to the agent, by state: running, exited, killed by a signal that was \
           sent to it, crashed by a fault, replaced by exec, or ended without being observed.",
};
const UNREADABLE: Family = Family {
    name: "hakmem_agent_unreadable_segments_total",
    kind: Kind::Counter,
    unit: "",
    help: "Segments that could not be read.",
};
const REFUSED: Family = Family {
    name: "hakmem_agent_refused_total",
    kind: Kind::Counter,
    unit: "",
    help: "Work beyond the budget of one user that files, directories and requests asked for, and \
           files whose owner is not their directory's, by what was left undone and the reason.",
};
const TORN: Family = Family {
    name: "hakmem_agent_torn_samples_total",
    kind: Kind::Counter,
    unit: "",
    help: "Samples given up because a write was in progress at every try.",
};
const SAMPLE_DURATION: Family = Family {
    name: "hakmem_agent_sample_duration_seconds",
    kind: Kind::Histogram,
    unit: "seconds",
    help: "Time that one round of sampling took.",
};
const SCRAPES: Family = Family {
    name: "hakmem_agent_scrapes_total",
    kind: Kind::Counter,
    unit: "",
    help: "Requests for metrics answered, this one included.",
};
const HISTORY_BYTES: Family = Family {
    name: "hakmem_agent_history_bytes",
    kind: Kind::Gauge,
    unit: "bytes",
    help: "Memory that the history of all processes takes.",
};
const HISTORY_BYTES_MAX: Family = Family {
    name: "hakmem_agent_history_max_bytes",
    kind: Kind::Gauge,
    unit: "bytes",
    help: "Memory that the history of all processes may take; 0 if none is kept.",
};
const HISTORY_DROPPED: Family = Family {
    name: "hakmem_agent_history_dropped_samples_total",
    kind: Kind::Counter,
    unit: "",
    help: "Samples of the history given up to stay within its memory.",
};
const RECORDING_BYTES: Family = Family {
    name: "hakmem_agent_recording_bytes_total",
    kind: Kind::Counter,
    unit: "bytes",
    help: "Bytes written to recordings.",
};
const RECORDING_ERRORS: Family = Family {
    name: "hakmem_agent_recording_errors_total",
    kind: Kind::Counter,
    unit: "",
    help: "Attempts to write recordings that failed.",
};
const RECORDING_STORED: Family = Family {
    name: "hakmem_agent_recording_stored_bytes",
    kind: Kind::Gauge,
    unit: "bytes",
    help: "Bytes that the recordings of a user's processes take.",
};
const RECORDING_REMOVED: Family = Family {
    name: "hakmem_agent_recording_removed_bytes_total",
    kind: Kind::Counter,
    unit: "bytes",
    help: "Bytes of recordings of a user's processes that were removed to make room, because that \
           user's were the largest then.",
};
const ROUND_AGE: Family = Family {
    name: "hakmem_agent_round_age_seconds",
    kind: Kind::Gauge,
    unit: "seconds",
    help: "Time since the end of the last round of sampling, or since the start before the first \
           one: the age of all figures here.",
};
const UNREADABLE_DIRECTORIES: Family = Family {
    name: "hakmem_agent_unreadable_directories",
    kind: Kind::Gauge,
    unit: "",
    help: "Directories to be watched that do not exist or cannot be read.",
};
const DROPPED_LOG_LINES: Family = Family {
    name: "hakmem_agent_dropped_log_lines_total",
    kind: Kind::Counter,
    unit: "",
    help: "Lines of the log that could not be written: a full disk, a closed pipe, or one whose \
           reader has stalled.",
};
const CONNECTIONS: Family = Family {
    name: "hakmem_agent_connections",
    kind: Kind::Gauge,
    unit: "",
    help: "Open connections by listener.",
};
const CLOSED_CONNECTIONS: Family = Family {
    name: "hakmem_agent_closed_connections_total",
    kind: Kind::Counter,
    unit: "",
    help: "Connections that the agent closed, by listener: to make room for others, or because \
           idle for too long.",
};

/// Writes everything about the agent.
pub(super) fn write(out: &mut Exposition, view: &FleetView, shared: &Shared) {
    let health = &view.health;
    out.number(&BUILD_INFO, &[("version", VERSION)], 1);
    for &state in ProcessState::ALL {
        let number = view.processes.values().filter(|record| record.state == state).count();
        out.number(&PROCESSES, &[("state", state.name())], number as i128);
    }
    out.number(&UNREADABLE, &[], health.unreadable_segments.into());
    out.number(&TORN, &[], health.torn_samples.into());
    let (counts, above) = health.rounds.split_at(ROUND_BOUNDS_SECONDS.len());
    let buckets: Vec<_> = ROUND_BOUNDS_SECONDS.into_iter().zip(counts.iter().copied()).collect();
    let sum = health.rounds_time.as_secs_f64();
    out.histogram(&SAMPLE_DURATION, &[], &buckets, above[0], sum);
    let age = shared.status.round_age(view).as_secs_f64();
    out.float(&ROUND_AGE, &[], age);
    let problems = health.directory_problems.len();
    out.number(&UNREADABLE_DIRECTORIES, &[], problems as i128);
    out.number(&DROPPED_LOG_LINES, &[], dropped_lines().into());
    requests(out, shared);
    memory_and_disk(out, shared);
    // The work that was refused because of the owners' budgets.
    for (refusal, count) in shared.refusals.all() {
        let labels = [("what", refusal.what), ("reason", refusal.reason)];
        out.number(&REFUSED, &labels, count.into());
    }
}

/// Writes the numbers of requests and connections.
fn requests(out: &mut Exposition, shared: &Shared) {
    out.number(&SCRAPES, &[], shared.scrapes.load(Ordering::Relaxed).into());
    let listeners: Vec<_> =
        shared.connections.iter().map(|it| (("listener", it.listener), it.usage())).collect();
    for (listener, usage) in &listeners {
        out.number(&CONNECTIONS, &[*listener], usage.open as i128);
    }
    for (listener, usage) in &listeners {
        let closed = [("room", usage.closed_for_room), ("silence", usage.closed_for_silence)];
        for (reason, count) in closed {
            out.number(&CLOSED_CONNECTIONS, &[*listener, ("reason", reason)], count.into());
        }
    }
}

/// Writes the memory and disk space that the agent uses for the past.
fn memory_and_disk(out: &mut Exposition, shared: &Shared) {
    let history = shared.history.usage();
    out.number(&HISTORY_BYTES, &[], history.bytes.into());
    out.number(&HISTORY_BYTES_MAX, &[], history.bytes_max.into());
    out.number(&HISTORY_DROPPED, &[], history.dropped_samples.into());
    let recording = &shared.recording;
    out.number(&RECORDING_BYTES, &[], recording.bytes().into());
    out.number(&RECORDING_ERRORS, &[], recording.errors().into());
    let rooms = recording.rooms();
    let rooms: Vec<_> =
        rooms.iter().map(|(owner, room)| (shared.users.label(*owner), room)).collect();
    for (user, room) in &rooms {
        out.number(&RECORDING_STORED, &[("user", user)], room.stored.into());
    }
    for (user, room) in &rooms {
        out.number(&RECORDING_REMOVED, &[("user", user)], room.removed.into());
    }
}
