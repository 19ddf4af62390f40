//! Events: the recent past, as each slot's ring keeps it. Counters are authoritative, events tell
//! the story.

crate::vocabulary::vocabulary! {
    /// The kinds of events.
    EventKind {
        /// A sample of slow allocations; `detail` is an [`AllocReason`](crate::AllocReason).
        SlowAllocation = 1, "slow_allocation";
        /// A sample of slow frees; `detail` is a [`FreeReason`](crate::FreeReason).
        SlowFree = 2, "slow_free";
        /// A freed pointer was not a live block; `detail` is an [`Outcome`](crate::Outcome).
        Anomaly = 3, "anomaly";
        /// A check found an inconsistency; `detail` is an [`Outcome`](crate::Outcome).
        CheckFinding = 4, "check_finding";
        /// A request failed; `value` is its size.
        OutOfMemory = 5, "out_of_memory";
        /// Address space for slabs was made usable; `value` is its size.
        SlabMapped = 6, "slab_mapped";
        /// A large span was mapped; `value` is its size.
        LargeMapped = 7, "large_mapped";
        /// A large span was returned to the system; `value` is its size.
        LargeUnmapped = 8, "large_unmapped";
        /// Memory of empty slabs was returned to the system; `value` is its size.
        SlabReturned = 9, "slab_returned";
        /// The routing in force; `detail` is a [`Routing`](crate::Routing).
        RoutingChosen = 10, "routing_chosen";
        /// A thread took the slot; `value` is its thread id.
        ThreadStart = 11, "thread_start";
        /// The thread gave the slot up; `value` is its thread id.
        ThreadExit = 12, "thread_exit";
    }
}

/// Events a slot's ring holds.
pub const RING_EVENTS: usize = 64;

/// One record of the ring.
///
/// The writer stores 0 in `number`, then the other fields, then the number: a reader takes a
/// record only if `number` is the one it expects before and after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Event {
    /// 1 for the slot's first event, and one more for each following one; the event lies at
    /// `(number - 1) % RING_EVENTS`.
    pub number: u64,
    /// `CLOCK_MONOTONIC`, nanoseconds.
    pub monotonic_ns: u64,
    /// An [`EventKind`]; a reader skips numbers that it does not know.
    pub kind: u8,
    /// A [`Class`](crate::Class).
    pub class: u8,
    /// The bin, below [`BINS`](crate::BINS).
    pub bin: u8,
    /// Meaning depends on the kind.
    pub detail: u8,
    /// Class that a header claimed, if the event is an anomaly of headers.
    pub claimed_class: u8,
    /// Zero.
    pub reserved: [u8; 3],
    /// Thread id of the writer.
    pub thread_id: u32,
    /// Duration of the slow path in nanoseconds, saturating; 0 if it was not timed.
    pub duration_ns: u32,
    /// Bytes or a number; meaning depends on the kind.
    pub value: u64,
    /// The pointer that the event concerns, or 0.
    pub address: u64,
    /// Zero.
    pub reserved_words: [u64; 2],
}

const _: () = assert!(size_of::<Event>() == 64);
