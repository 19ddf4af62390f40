//! One event in plain words.

use hakmem_proto::v1 as proto;
use hakmem_segment::{Class, EventKind, Outcome, Routing};

use crate::words::{explanation, quantity};

/// An event in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentence {
    /// The event itself.
    pub said: String,
    /// Its consequence under the routing in force; empty if it is obvious.
    pub meaning: String,
}

impl Sentence {
    /// Puts an event into words, under `routing`.
    pub fn new(event: &proto::Event, routing: &str) -> Self {
        let by_check = match event.known_kind() {
            Some(EventKind::Anomaly) => "",
            Some(EventKind::CheckFinding) => " (found by a check)",
            _ => return Self { said: plain(event), meaning: String::new() },
        };
        let (said, meaning) = finding(event, routing);
        Self { said: format!("free({:#x}): {said}{by_check}", event.address), meaning }
    }
}

/// Describes a free of a wrong or misread pointer, and its consequence.
fn finding(event: &proto::Event, routing: &str) -> (String, String) {
    let class = &event.class;
    let claimed = event.claimed_class.as_str();
    let byte = event.value as u8;
    match Outcome::from_name(&event.detail) {
        Some(Outcome::HeaderFalsePositive) => {
            let truth = match Class::from_name(class) {
                Some(Class::None) => "the pointer is not a block of hakmem's".to_owned(),
                Some(Class::C7) if routing != Routing::Uniform.name() => {
                    "the block is C7, which has no header".to_owned()
                }
                _ => format!("the block is {class}"),
            };
            // C7 mistaken for C7: a byte that passes for a header, though C7 blocks have none.
            let said = match claimed == class {
                true => format!(
                    "the byte in front, {byte:#04x}, passes for a header of {class}, which has none"
                ),
                false => format!("the byte in front, {byte:#04x}, claims {claimed}, but {truth}"),
            };
            (said, misreading(class, claimed, routing))
        }
        Some(Outcome::HeaderMissing) => {
            let header = Class::from_name(class).map(|class| 0xa0 | class as u8);
            let header = header.map(|byte| format!(" {byte:#04x}")).unwrap_or_default();
            (
                format!(
                    "the byte in front of the {class} block is {byte:#04x}, not its header{header}"
                ),
                "something wrote beyond the end of the block before it; the block was freed all \
                 the same"
                    .to_owned(),
            )
        }
        Some(Outcome::Interior) => (
            format!("the pointer lies inside a {class} block, or between two"),
            "the free was ignored".to_owned(),
        ),
        Some(Outcome::DoubleFree) => (
            match Class::from_name(class) {
                Some(Class::None) => {
                    "the memory was freed before and has been taken back".to_owned()
                }
                _ => format!("the {class} block is free already"),
            },
            "the free was ignored".to_owned(),
        ),
        Some(Outcome::SizeMismatch) => (
            format!("the caller passed a size of {claimed}, but the block is {class}"),
            format!("it was freed as {class}"),
        ),
        Some(Outcome::Foreign) => {
            ("the pointer is not hakmem's".to_owned(), "the free was ignored".to_owned())
        }
        _ => (format!("{}, class {class}", event.detail), String::new()),
    }
}

/// The consequence of a byte that passes for a header.
fn misreading(class: &str, claimed: &str, routing: &str) -> String {
    if routing != Routing::E3.name() {
        return format!("the byte was not believed: it was freed as {class}");
    }
    match Class::from_name(claimed) {
        Some(Class::C7) => {
            "e3 believes the byte: the block was put on C7's own list one byte too low, \
                         so the allocation that pops it reads user data as a pointer"
                .to_owned()
        }
        None if claimed.is_empty() => String::new(),
        _ => format!(
            "e3 believes the byte: it was pushed on {claimed}'s list although it is a {class} \
             block, and the next {claimed} request gets it"
        ),
    }
}

fn plain(event: &proto::Event) -> String {
    let bytes = quantity::bytes(i64::try_from(event.value).unwrap_or(i64::MAX));
    match event.known_kind() {
        Some(EventKind::SlowAllocation) => {
            slow("an allocation", event, explanation::alloc_reason(&event.detail))
        }
        Some(EventKind::SlowFree) => slow("a free", event, explanation::free_reason(&event.detail)),
        Some(EventKind::OutOfMemory) => format!("a request of {bytes} failed: out of memory"),
        Some(EventKind::SlabMapped) => {
            format!("{bytes} of address space were made usable for slabs")
        }
        Some(EventKind::LargeMapped) => format!("a large span of {bytes} was mapped"),
        Some(EventKind::LargeUnmapped) => {
            format!("a large span of {bytes} was given back to the system")
        }
        Some(EventKind::SlabReturned) => {
            format!("{bytes} of empty slabs were given back to the system")
        }
        Some(EventKind::RoutingChosen) => format!("the routing {} took effect", event.detail),
        Some(EventKind::ThreadStart) => format!("thread {} began", event.value),
        Some(EventKind::ThreadExit) => format!("thread {} ended", event.value),
        // `finding` tells of anomalies.
        Some(EventKind::Anomaly | EventKind::CheckFinding) | None => {
            format!("{} {}", event.kind, event.detail).trim_end().to_owned()
        }
    }
}

fn slow(what: &str, event: &proto::Event, reason: &str) -> String {
    let took = match event.duration_ns {
        0 => String::new(),
        some => format!(", {}", quantity::duration_ns(some)),
    };
    format!("{what} of {} was slow: {} ({reason}{took})", event.class, event.detail)
}
