//! One-line explanations of the vocabulary's words. A word that this version does not know is shown
//! as it came.

use hakmem_proto::v1 as proto;
use hakmem_segment::{AllocReason, Class, FreeReason, Outcome, Routing};

/// The request sizes that a class serves in a process, derived from its bins; without bins, the
/// usual sizes.
///
/// A header takes its bytes from the largest request of a bin, which then belongs to the next bin.
pub fn class_sizes(identity: &proto::Identity, class: &str) -> String {
    let is_tiny = |name: &str| Class::from_name(name).is_some_and(|class| class < Class::Mid);
    let largest = |below: Class, inclusive: bool| {
        let bins = identity.bins.iter().filter(|bin| {
            let class = Class::from_name(&bin.class);
            is_tiny(&bin.class) && class.is_some_and(|it| it < below || inclusive && it == below)
        });
        bins.map(|bin| bin.stride_bytes.saturating_sub(bin.header_bytes)).max()
    };
    let has_headers = identity.bins.iter().any(|bin| bin.header_bytes > 0);
    let Some(known) = Class::from_name(class).filter(|_| has_headers) else {
        return usual_class_sizes(class).to_owned();
    };
    match (known, largest(known, false), largest(known, true)) {
        (Class::Mid, Some(tiny), _) if tiny != 1024 => format!("> {tiny}"),
        (tiny, smaller, Some(own)) if tiny < Class::Mid && smaller < Some(own) => match smaller {
            Some(smaller) => format!("{}–{own}", smaller + 1),
            None => format!("≤ {own}"),
        },
        _ if is_tiny(class) => String::new(),
        _ => usual_class_sizes(class).to_owned(),
    }
}

/// The request sizes that a class serves if blocks have no headers.
fn usual_class_sizes(class: &str) -> &'static str {
    match Class::from_name(class) {
        Some(Class::C0) => "≤ 8",
        Some(Class::C1) => "9–16",
        Some(Class::C2) => "17–32",
        Some(Class::C3) => "33–64",
        Some(Class::C4) => "65–128",
        Some(Class::C5) => "129–256",
        Some(Class::C6) => "257–512",
        Some(Class::C7) => "513–1024",
        Some(Class::Mid) => "> 1 KiB",
        Some(Class::Large) => "spans",
        Some(Class::None) | None => "",
    }
}

/// How a routing finds the class of a freed pointer, and what that means for C7.
pub fn routing(routing: &str) -> &'static str {
    match Routing::from_name(routing) {
        Some(Routing::Direct) => {
            "no headers: the class map answers with one load, so C7 is freed as fast as any class"
        }
        Some(Routing::Registry) => {
            "registry first, then the header: every free pays the lookup, \
             and C7 takes the slow path"
        }
        Some(Routing::Exclude) => {
            "header first; C7 has no valid one, so each of its frees asks the registry (slow path)"
        }
        Some(Routing::Uniform) => {
            "a header on every class: C7 is freed fast, and each of its blocks costs 1040 bytes"
        }
        Some(Routing::Hybrid) => {
            "header, but the registry for 1024-aligned pointers: every C7 is one, and freed slowly"
        }
        Some(Routing::E3) => {
            "UNSAFE: header only; C7 has none, and a byte like one sends it to a wrong list"
        }
        None => "a routing that this version does not know",
    }
}

/// Whether the routing frees C7 without leaving the fast path; `None` for an unknown routing.
pub fn c7_is_fast(routing: &str) -> Option<bool> {
    Some(matches!(Routing::from_name(routing)?, Routing::Direct | Routing::Uniform))
}

/// Why an allocation was slow.
pub fn alloc_reason(reason: &str) -> &'static str {
    match AllocReason::from_name(reason) {
        Some(AllocReason::RefillCentral) => "list empty, batch from the central store",
        Some(AllocReason::RefillSlab) => "list empty, blocks of a slab in use",
        Some(AllocReason::NewSlab) => "list empty, a slab taken into use",
        Some(AllocReason::LargeMap) => "a span of its own",
        Some(AllocReason::Aligned) => "aligned more strictly than any bin",
        Some(AllocReason::FirstUse) => "the thread's first",
        Some(AllocReason::OutOfMemory) => "failed",
        Some(AllocReason::RefillSpare) => "list empty, the spare list took over",
        None => "",
    }
}

/// Why a free was slow.
pub fn free_reason(reason: &str) -> &'static str {
    match FreeReason::from_name(reason) {
        Some(FreeReason::FlushFull) => "lists full, batch to the central store",
        Some(FreeReason::LargeUnmap) => "a span of its own",
        Some(FreeReason::Routed) => "the routing sends it to the slow path",
        Some(FreeReason::Check) => "chosen for checking",
        Some(FreeReason::Late) => "after the thread's end",
        Some(FreeReason::Rejected) => "not a live block of hakmem's",
        Some(FreeReason::FlushSpare) => "list full, became the spare list",
        None => "",
    }
}

/// How a freed pointer was recognised.
pub fn outcome(outcome: &str) -> &'static str {
    match Outcome::from_name(outcome) {
        Some(Outcome::Sized) => "the caller passed its size",
        Some(Outcome::Map) => "one load from the class map",
        Some(Outcome::Header) => "a valid header",
        Some(Outcome::Headerless) => "the registry: C7 has no header",
        Some(Outcome::Mid) => "a mid class",
        Some(Outcome::Large) => "a large span",
        Some(Outcome::Foreign) => "not this allocator's",
        Some(Outcome::HeaderFalsePositive) => "looked like a header but was not one",
        Some(Outcome::HeaderMissing) => "a header should be there",
        Some(Outcome::Interior) => "inside a block, not its start",
        Some(Outcome::DoubleFree) => "free already",
        Some(Outcome::SizeMismatch) => "the caller passed another class's size",
        None => "",
    }
}

/// Whether the value of an event with this outcome is the byte before the pointer.
pub fn is_of_header(outcome: &str) -> bool {
    let outcome = Outcome::from_name(outcome);
    matches!(outcome, Some(Outcome::HeaderFalsePositive | Outcome::HeaderMissing))
}

/// Whether only a bug can cause `outcome`; false for words that this version does not know.
pub fn is_anomaly(outcome: &str) -> bool {
    Outcome::from_name(outcome).is_some_and(Outcome::is_anomaly)
}

/// The name of a signal as in `signal(7)`, with the numbers of x86-64 and aarch64: `SIGTERM`, or
/// `signal 40` if it has no name.
pub fn signal_name(signal: i32) -> String {
    const NAMES: [&str; 31] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
        "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
        "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
    ];
    let index = usize::try_from(signal).ok().and_then(|number| number.checked_sub(1));
    match index.and_then(|index| NAMES.get(index)) {
        Some(name) => format!("SIG{name}"),
        None => format!("signal {signal}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(strides: &[(&str, u32, u32)]) -> proto::Identity {
        let bins = strides.iter().zip(1..).map(|(&(class, stride_bytes, header_bytes), bin)| {
            proto::Bin { bin, class: class.into(), stride_bytes, header_bytes }
        });
        proto::Identity { bins: bins.collect(), ..Default::default() }
    }

    fn sizes(identity: &proto::Identity) -> Vec<String> {
        let classes = ["C0", "C1", "C2", "C6", "C7", "mid", "large"];
        classes.iter().map(|class| class_sizes(identity, class)).collect()
    }

    #[test]
    fn without_headers_classes_have_the_usual_sizes() {
        let usual = ["≤ 8", "9–16", "17–32", "257–512", "513–1024", "> 1 KiB", "spans"];
        assert_eq!(sizes(&proto::Identity::default()), usual);
        let bins = [("C0", 8, 0), ("C1", 16, 0), ("C2", 24, 0), ("C2", 32, 0), ("C7", 1024, 0)];
        assert_eq!(sizes(&identity(&bins)), usual);
    }

    #[test]
    fn a_header_takes_its_byte_from_the_largest_request() {
        let mut bins = vec![("C1", 16, 1), ("C2", 32, 1), ("C5", 256, 1), ("C6", 512, 1)];
        bins.extend([("C7", 1024, 0), ("mid", 1280, 0)]);
        let mixed = ["", "≤ 15", "16–31", "256–511", "512–1024", "> 1 KiB", "spans"];
        assert_eq!(sizes(&identity(&bins)), mixed);
        bins[4] = ("C7", 1040, 1);
        let uniform = ["", "≤ 15", "16–31", "256–511", "512–1039", "> 1039", "spans"];
        assert_eq!(sizes(&identity(&bins)), uniform);
    }

    #[test]
    fn signals_have_the_names_that_people_know() {
        let names = [1, 9, 11, 15, 31].map(signal_name);
        assert_eq!(names, ["SIGHUP", "SIGKILL", "SIGSEGV", "SIGTERM", "SIGSYS"]);
        assert_eq!([0, -1, 40].map(signal_name), ["signal 0", "signal -1", "signal 40"]);
    }
}
