//! One-line explanations of the vocabulary's words. Words that this version does not know explain
//! themselves: they are shown as they came.

use hakmem_segment::{AllocReason, Class, FreeReason, Outcome, Routing};

/// Request sizes that a class serves.
pub fn class_sizes(class: &str) -> &'static str {
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
            "registry first, then the header: exact, but every C7 free pays the lookup (slow path)"
        }
        Some(Routing::Exclude) => {
            "header first: C7 has none, so each of its frees takes the slow path to the registry"
        }
        Some(Routing::Uniform) => {
            "a header on every class: C7 is freed fast, and each of its blocks costs 1040 bytes"
        }
        Some(Routing::Hybrid) => {
            "header, and the registry where it is ambiguous: C7 always is, so it is freed slowly"
        }
        Some(Routing::E3) => {
            "UNSAFE: header only, although C7 has none: its frees are misclassified"
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
        Some(AllocReason::Aligned) => "aligned more than any bin",
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
        Some(FreeReason::Routed) => "the routing sends it the slow way",
        Some(FreeReason::Check) => "chosen for checking",
        Some(FreeReason::Late) => "after the thread's end",
        Some(FreeReason::Rejected) => "not a live block of ours",
        Some(FreeReason::FlushSpare) => "list full, became the spare list",
        None => "",
    }
}

/// How a freed pointer was recognised.
pub fn outcome(outcome: &str) -> &'static str {
    match Outcome::from_name(outcome) {
        Some(Outcome::Sized) => "the caller told its size",
        Some(Outcome::Map) => "one load from the class map",
        Some(Outcome::Header) => "a valid header",
        Some(Outcome::Headerless) => "the registry: C7 has no header",
        Some(Outcome::Mid) => "a mid class",
        Some(Outcome::Large) => "a large span",
        Some(Outcome::Foreign) => "not this allocator's",
        Some(Outcome::HeaderFalsePositive) => "looked like a header and was none",
        Some(Outcome::HeaderMissing) => "a header should be there",
        Some(Outcome::Interior) => "inside a block, not its start",
        Some(Outcome::DoubleFree) => "free already",
        None => "",
    }
}

/// Whether an outcome can only come from a bug; false for words this version does not know.
pub fn is_anomaly(outcome: &str) -> bool {
    Outcome::from_name(outcome).is_some_and(Outcome::is_anomaly)
}
