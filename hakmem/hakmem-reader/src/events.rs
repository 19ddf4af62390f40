//! Reads events: the ones that the rings still hold, and the number that were overwritten unread.
//!
//! A ring is read twice. A record counts if both copies are equal and carry the expected number.
//! The first read then ended before the second one found the number still there, so no write had
//! begun to overwrite the record; and the second read began after the first one had found the
//! number, so the record was complete.

use std::mem::offset_of;
use std::time::Duration;

use hakmem_segment::event::RING_EVENTS;
use hakmem_segment::{
    AllocReason, Class, EventKind, FreeReason, Outcome, Routing, Slot, SlotHeader,
};

use crate::error::SampleError;
use crate::fields::Fields;
use crate::segment::{Segment, processor_time};
use crate::segment_file::{Buffer, ReadError};

const RECORD_BYTES: usize = size_of::<hakmem_segment::Event>();
const RING_BYTES: usize = RING_EVENTS * RECORD_BYTES;
/// Number of slots that are read between two looks at the clock.
const TIMED_SLOTS: u32 = 16;
/// Attempts at one ring in one call, if its writer interferes.
const ATTEMPTS: u32 = 4;

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The slot whose ring held the event.
    pub slot: u32,
    /// 1 for the slot's first event, and one more for each following one.
    pub number: u64,
    /// `CLOCK_MONOTONIC` in nanoseconds; see [`Identity::unix_ns`](crate::Identity::unix_ns).
    pub monotonic_ns: u64,
    /// The kind of event.
    pub kind: EventKind,
    /// The class that the event concerns.
    pub class: Class,
    /// The bin that the event concerns.
    pub bin: u8,
    /// Reason, outcome or routing, depending on the kind.
    pub detail: EventDetail,
    /// Class that a header or the caller's size claimed, if that is the anomaly.
    pub claimed_class: Option<Class>,
    /// The thread that wrote the event.
    pub thread_id: u32,
    /// Duration of the slow path in nanoseconds; 0 if it was not timed.
    pub duration_ns: u32,
    /// Bytes or a number, depending on the kind.
    pub value: u64,
    /// The pointer that the event concerns, or 0.
    pub address: u64,
}

impl Event {
    /// The byte in front of the pointer, if the event is an anomaly of headers.
    pub fn header_byte(&self) -> Option<u8> {
        self.detail.is_of_header().then_some(self.value as u8)
    }
}

/// The meaning of an event's detail byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventDetail {
    /// The kind has no detail, or one that this version does not know.
    None,
    /// Why an allocation was slow.
    Alloc(AllocReason),
    /// Why a free was slow.
    Free(FreeReason),
    /// What an anomaly or a check found.
    Outcome(Outcome),
    /// The routing in force from now on.
    Routing(Routing),
}

impl EventDetail {
    /// The name of the value; empty if there is none.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Alloc(reason) => reason.name(),
            Self::Free(reason) => reason.name(),
            Self::Outcome(outcome) => outcome.name(),
            Self::Routing(routing) => routing.name(),
        }
    }

    fn is_of_header(self) -> bool {
        matches!(self, Self::Outcome(Outcome::HeaderFalsePositive | Outcome::HeaderMissing))
    }

    fn decode(kind: EventKind, detail: u8) -> Self {
        let decoded = match kind {
            EventKind::SlowAllocation => AllocReason::from_number(detail).map(Self::Alloc),
            EventKind::SlowFree => FreeReason::from_number(detail).map(Self::Free),
            EventKind::Anomaly | EventKind::CheckFinding => {
                Outcome::from_number(detail).map(Self::Outcome)
            }
            EventKind::RoutingChosen => Routing::from_number(detail).map(Self::Routing),
            _ => None,
        };
        decoded.unwrap_or(Self::None)
    }
}

/// The result of [`Segment::read_events`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventBatch {
    /// New events, in the order of time.
    pub events: Vec<Event>,
    /// Number of events that were overwritten before they could be read.
    pub lost: u64,
    /// Number of events of kinds that this version does not know.
    pub unknown: u64,
}

impl EventBatch {
    fn sort(&mut self) {
        self.events.sort_by_key(|event| (event.monotonic_ns, event.slot, event.number));
    }
}

/// How far a caller has read a segment's events.
#[derive(Clone, Debug)]
pub struct EventCursor {
    start: Start,
    /// Number of the next event of each slot seen so far.
    next: Vec<u64>,
    /// The slot at which the next call begins.
    from_slot: u32,
    started: bool,
}

#[derive(Clone, Copy, Debug)]
enum Start {
    Beginning,
    Oldest,
    Newest,
}

impl EventCursor {
    /// Starts at the process's first event: those overwritten before the first call count as lost.
    pub fn from_beginning() -> Self {
        Self::new(Start::Beginning)
    }

    /// Starts at the oldest events that the rings still hold at the first call.
    pub fn from_oldest() -> Self {
        Self::new(Start::Oldest)
    }

    /// Starts at the first call, which returns no events.
    pub fn from_newest() -> Self {
        Self::new(Start::Newest)
    }

    fn new(start: Start) -> Self {
        Self { start, next: Vec::new(), from_slot: 0, started: false }
    }

    fn first(&self, written: u64) -> u64 {
        match self.start {
            // A slot that is first used after the first call is followed from its beginning.
            _ if self.started => 1,
            Start::Beginning => 1,
            Start::Oldest => oldest(written),
            Start::Newest => written.saturating_add(1),
        }
    }
}

/// Number of the oldest event that a ring can hold.
fn oldest(written: u64) -> u64 {
    written.saturating_sub(RING_EVENTS as u64) + 1
}

impl Segment {
    /// Returns the events since the last call with this cursor.
    pub fn read_events(&self, cursor: &mut EventCursor) -> Result<EventBatch, SampleError> {
        cursor.from_slot = 0;
        self.read_events_up_to(cursor, usize::MAX, Duration::MAX)
    }

    /// Returns events since the last call with this cursor. Stops at the next slot once it has
    /// `events_max` events, so it may return one ring more, or once it has spent `slice` of
    /// processor time, which may be exceeded by that of a few slots. The next call continues with
    /// the slots after these, so no slot keeps others from being read.
    pub fn read_events_up_to(
        &self,
        cursor: &mut EventCursor,
        events_max: usize,
        slice: Duration,
    ) -> Result<EventBatch, SampleError> {
        let begun = processor_time();
        let mut batch = EventBatch::default();
        let slots_used = self.sample_process()?.slots_used;
        for slot in cursor.from_slot.min(slots_used)..slots_used {
            let is_over = slot % TIMED_SLOTS == TIMED_SLOTS - 1
                && processor_time().saturating_sub(begun) > slice;
            if batch.events.len() >= events_max || (is_over && slot > cursor.from_slot) {
                cursor.from_slot = slot;
                batch.sort();
                return Ok(batch);
            }
            let offset = self.geometry.slot_offset(slot);
            let written = self.read_events_written(offset)?;
            if cursor.next.len() <= slot as usize {
                cursor.next.push(cursor.first(written));
            }
            let next = &mut cursor.next[slot as usize];
            for _ in 0..ATTEMPTS {
                let written = self.read_events_written(offset)?;
                if *next > written {
                    break;
                }
                self.read_ring(slot, offset, written, next, &mut batch)?;
            }
        }
        (cursor.started, cursor.from_slot) = (true, 0);
        batch.sort();
        Ok(batch)
    }

    fn read_events_written(&self, offset: u64) -> Result<u64, ReadError> {
        let written = self.file.read_u64(offset + offset_of!(SlotHeader, events_written) as u64)?;
        // No writer gets that far, but a forged number must leave room for its successor.
        Ok(written.min(u64::MAX - 1))
    }

    /// Reads events `*next..=written` as far as the writer leaves them alone.
    fn read_ring(
        &self,
        slot: u32,
        offset: u64,
        written: u64,
        next: &mut u64,
        batch: &mut EventBatch,
    ) -> Result<(), ReadError> {
        let mut copies = Box::new([Buffer::<RING_BYTES>::new(), Buffer::<RING_BYTES>::new()]);
        for copy in copies.iter_mut() {
            self.file.read(&mut copy.0, offset + offset_of!(Slot, events) as u64)?;
        }
        let oldest = oldest(written);
        batch.lost = batch.lost.saturating_add(oldest.saturating_sub(*next));
        *next = oldest.max(*next);
        while *next <= written {
            let at = ((*next - 1) % RING_EVENTS as u64) as usize * RECORD_BYTES;
            let [first, second] =
                [&copies[0], &copies[1]].map(|copy| Fields(&copy.0).bytes(at, RECORD_BYTES));
            let record = Fields(second);
            let number = record.u64(offset_of!(hakmem_segment::Event, number));
            if number == *next && first == second {
                match decode(slot, record) {
                    Some(event) => batch.events.push(event),
                    None => batch.unknown += 1,
                }
            } else if number == *next || (*next == written && number < *next) {
                // The record was incomplete when it was read: the caller reads it again.
                return Ok(());
            } else {
                batch.lost = batch.lost.saturating_add(1);
            }
            *next += 1;
        }
        Ok(())
    }
}

fn decode(slot: u32, record: Fields<'_>) -> Option<Event> {
    macro_rules! at {
        ($field:ident) => {
            offset_of!(hakmem_segment::Event, $field)
        };
    }
    let kind = EventKind::from_number(record.u8(at!(kind)))?;
    let detail = EventDetail::decode(kind, record.u8(at!(detail)));
    let of_claim = detail.is_of_header() || detail == EventDetail::Outcome(Outcome::SizeMismatch);
    let claimed_class = Class::from_number(record.u8(at!(claimed_class)));
    Some(Event {
        slot,
        number: record.u64(at!(number)),
        monotonic_ns: record.u64(at!(monotonic_ns)),
        kind,
        class: Class::from_number(record.u8(at!(class))).unwrap_or(Class::None),
        bin: record.u8(at!(bin)),
        detail,
        claimed_class: claimed_class.filter(|&class| of_claim && class != Class::None),
        thread_id: record.u32(at!(thread_id)),
        duration_ns: record.u32(at!(duration_ns)),
        value: record.u64(at!(value)),
        address: record.u64(at!(address)),
    })
}

#[cfg(test)]
mod tests;
