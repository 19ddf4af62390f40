//! The story of one process: its identity, its last events, its end and, if it crashed, the most
//! likely cause.
//!
//! Counters are complete; events are those that the rings still hold. So numbers come from
//! counters, and order and details from events. A verdict is only given if evidence was found.

mod document;
mod sentence;
mod text;

use hakmem_proto::v1 as proto;
use hakmem_segment::vocabulary::{AllocReason, Check, Class, Outcome, ProcessState, Routing};

use crate::model::ClassName;
use crate::words::explanation::signal_name;
use crate::words::{explanation, quantity};
pub use sentence::Sentence;

/// All data about the process.
#[derive(Clone, Debug)]
pub struct Story {
    /// The path of the segment.
    pub path: String,
    /// The process, with all its classes.
    pub process: proto::Process,
    /// The remaining events, by time.
    pub events: Vec<proto::Event>,
    /// When the process was found dead; it died earlier.
    pub found_dead_at: Option<prost_types::Timestamp>,
}

/// Frees of one class with one outcome that only a bug explains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnomalyCount {
    /// The class.
    pub class: String,
    /// The outcome.
    pub outcome: String,
    /// The number of frees.
    pub count: u64,
}

impl Story {
    /// The identity of the process.
    fn identity(&self) -> proto::Identity {
        self.process.identity.clone().unwrap_or_default()
    }

    fn routing(&self) -> &str {
        self.process.identity.as_ref().map_or("", |identity| identity.routing.as_str())
    }

    /// Whether it crashed, or may have crashed.
    fn may_have_crashed(&self) -> bool {
        matches!(self.process.known_state(), Some(ProcessState::Crashed | ProcessState::Ended))
    }

    /// The counts of anomalies, ordered by class.
    pub fn anomalies(&self) -> Vec<AnomalyCount> {
        let counts = self.process.classes.iter().flat_map(|class| {
            let found = class.outcomes.iter().filter(|it| explanation::is_anomaly(&it.outcome));
            found.map(|it| AnomalyCount {
                class: class.class.clone(),
                outcome: it.outcome.clone(),
                count: it.count,
            })
        });
        let mut counts: Vec<AnomalyCount> = counts.filter(|it| it.count > 0).collect();
        counts.sort_by_key(|it| (ClassName::new(it.class.clone()), it.outcome.clone()));
        counts
    }

    /// Nanoseconds from the start of the allocator to `at`.
    fn since_start_ns(&self, at: Option<&prost_types::Timestamp>) -> u64 {
        let ns = |at: &prost_types::Timestamp| {
            i128::from(at.seconds) * 1_000_000_000 + i128::from(at.nanos)
        };
        let started = self.process.identity.as_ref().and_then(|it| it.started_at.as_ref());
        let (Some(at), Some(started)) = (at, started) else { return 0 };
        u64::try_from(ns(at) - ns(started)).unwrap_or(0)
    }

    fn event_ns(&self, event: &proto::Event) -> u64 {
        self.since_start_ns(event.at.as_ref())
    }

    /// Events that report an anomaly.
    fn anomaly_events(&self) -> impl DoubleEndedIterator<Item = &proto::Event> {
        self.events.iter().filter(|event| explanation::is_anomaly(&event.detail))
    }

    /// How the process ended.
    pub fn ending(&self) -> String {
        let last = self.events.last().map(|event| self.event_ns(event));
        match self.process.known_state() {
            Some(ProcessState::Running) => "It runs.".to_owned(),
            Some(ProcessState::Exited) => {
                let at = self.process.ended_at.as_ref();
                let code = self.process.exit_code.map(|code| format!(" with code {code}"));
                let after = at.map(|at| {
                    let at = self.since_start_ns(Some(at));
                    format!(" after {}", span_ns(at))
                });
                format!("It exited{}{}.", code.unwrap_or_default(), after.unwrap_or_default())
            }
            Some(ProcessState::Replaced) => "It became another program by exec.".to_owned(),
            _ => self.sudden_end(last),
        }
    }

    /// A process that did not call `exit` does not record the time of its death. Only the last
    /// event before it and the time when it was found dead are known.
    fn sudden_end(&self, last_ns: Option<u64>) -> String {
        let signal = self.process.end_signal.map(signal_name);
        let mut text = match (self.process.known_state(), &signal) {
            (Some(ProcessState::Crashed), Some(signal)) => format!("It crashed with {signal}"),
            (Some(ProcessState::Crashed), None) => "It crashed".to_owned(),
            (Some(ProcessState::Killed), Some(signal)) => format!("It was killed by {signal}"),
            (Some(ProcessState::Killed), None) => "It was killed".to_owned(),
            _ => "It ended in an unknown way".to_owned(),
        };
        text.push_str(&match last_ns {
            Some(last) => format!(" after its last event, at {}", clock_ns(last)),
            None => " before its first event".to_owned(),
        });
        if let Some(found) = &self.found_dead_at {
            let found = self.since_start_ns(Some(found));
            text.push_str(&format!(", and was found dead at {}", clock_ns(found)));
        }
        text.push('.');
        let first = self.anomaly_events().next().map(|event| self.event_ns(event));
        let newest = self.anomaly_events().next_back().map(|event| self.event_ns(event));
        if let (Some(last), Some(first), Some(newest)) = (last_ns, first, newest) {
            text.push_str(&match (last - first.min(last), last - newest.min(last)) {
                (0, 0) => " That event was the anomaly.".to_owned(),
                (since_first, 0) => format!(
                    " That event was an anomaly, {} after the first one still on record.",
                    span_ns(since_first)
                ),
                (_, since) => format!(" The last anomaly was {} before that.", span_ns(since)),
            });
        }
        text
    }

    /// The most likely cause of death, if the process may have crashed.
    pub fn verdict(&self) -> Option<String> {
        if !self.may_have_crashed() {
            return None;
        }
        let found = self.anomalies();
        let count = |outcome: Outcome| -> u64 {
            found.iter().filter(|it| it.outcome == outcome.name()).map(|it| it.count).sum()
        };
        let claims = count(Outcome::HeaderFalsePositive);
        let headers = count(Outcome::HeaderMissing) + claims;
        let text = match Routing::from_name(self.routing()) {
            Some(Routing::E3) if claims > 0 => self.verdict_on_e3(claims),
            _ if headers > 0 => format!(
                "Most likely cause: the program writes beyond its blocks. {} freed blocks no \
                 longer had their header, which lies right behind the end of the block before. \
                 Whether anything else was overwritten is not known.",
                quantity::count(headers)
            ),
            _ if count(Outcome::DoubleFree) > 0 => format!(
                "Most likely cause: the program frees blocks twice ({} times found). The second \
                 free was ignored where it was found; where it was not, two owners shared a block.",
                quantity::count(count(Outcome::DoubleFree))
            ),
            _ if count(Outcome::Interior) > 0 => format!(
                "Most likely cause: the program frees pointers that are not the start of a block \
                 ({} times found, and ignored), so its idea of its memory is wrong.",
                quantity::count(count(Outcome::Interior))
            ),
            _ if count(Outcome::SizeMismatch) > 0 => format!(
                "Most likely cause: the program frees objects as a type other than their own: {} \
                 frees passed the size of another class.",
                quantity::count(count(Outcome::SizeMismatch))
            ),
            _ => self.nothing_found(),
        };
        Some(text)
    }

    fn verdict_on_e3(&self, count: u64) -> String {
        let of_claim = |event: &&proto::Event| event.detail == Outcome::HeaderFalsePositive.name();
        let own = self
            .anomaly_events()
            .filter(of_claim)
            .filter(|it| it.claimed_class == Class::C7.name());
        let own = own.count();
        let mut text = format!(
            "Most likely cause: the routing e3. It believes any byte in front of a block that \
             looks like a header, and C7 blocks have none: {} of their frees were decided by a \
             byte of a neighbour's contents.",
            quantity::count(count)
        );
        if own > 0 {
            text.push_str(&format!(
                " Where it claimed C7 ({own} of the events on record), the block lies one byte off \
                 on C7's own list, and the allocation that pops it follows user data as a pointer: \
                 a segmentation fault."
            ));
        } else {
            text.push_str(
                " A block that was put on the list of a smaller class has another owner now; one \
                 byte that claims C7 is enough for a segmentation fault.",
            );
        }
        text.push_str(" Every other routing is exact.");
        text
    }

    fn nothing_found(&self) -> String {
        let checked = match Check::from_name(&self.identity().check) {
            Some(Check::Full) => "every free was checked",
            Some(Check::Sample) => "one free in 1024 was checked; HAKMEM_CHECK=full checks all",
            Some(Check::Off) | None => "no free was checked; HAKMEM_CHECK=full checks all",
        };
        let mut text =
            format!("Nothing was found that explains it: no anomaly was seen ({checked}).");
        let failed: u64 = self
            .process
            .classes
            .iter()
            .flat_map(|class| &class.slow_allocations)
            .filter(|it| it.reason == AllocReason::OutOfMemory.name())
            .map(|it| it.count)
            .sum();
        if failed > 0 {
            let failed = quantity::count(failed);
            text.push_str(&format!(" But {failed} requests failed because memory ran out."));
        }
        text
    }
}

/// Time since the start: `+1.234567 s`.
fn clock_ns(since_start_ns: u64) -> String {
    format!("+{}.{:06} s", since_start_ns / 1_000_000_000, since_start_ns / 1000 % 1_000_000)
}

/// A time span; unlike [`quantity::duration_ns`], zero is a duration.
fn span_ns(ns: u64) -> String {
    match ns {
        0 => "0 ns".to_owned(),
        60_000_000_000.. => quantity::span_seconds(ns / 1_000_000_000),
        _ => quantity::duration_ns(ns),
    }
}

#[cfg(test)]
mod tests;
