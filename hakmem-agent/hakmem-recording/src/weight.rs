//! Estimates the memory that an entry takes once decoded, before it is decoded.
//!
//! An empty process takes two bytes in a message and hundreds in memory, so a bound on bytes alone
//! would let a small file take gigabytes. This module walks the wire format and adds the size of
//! each message and string where the contract has one; the decoder drops unknown fields, so they
//! weigh nothing.

use std::mem::size_of;

use hakmem_proto::v1::{
    AgentStatus, Bin, BinCounters, ClassCounters, DurationBucket, DurationHistogram, Event,
    Identity, ListDepth, Loss, Machine, Memory, OutcomeCount, Process, ReasonCount, RecordingEntry,
    Thread, Totals,
};
use prost::bytes::Buf as _;
use prost::encoding::{WireType, decode_key, decode_varint};

/// Maximum weight of the entries of one block, in bytes.
pub const MAX: usize = 96 << 20;

/// Factor for the capacity that vectors reserve beyond their content.
const GROWTH: usize = 2;
/// Bytes of an allocation, and of a node of a map, beyond its content.
const OVERHEAD: usize = 32;

/// Kinds of fields, by what they contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Entry,
    Start,
    Machine,
    Update,
    Events,
    Process,
    Identity,
    Class,
    Durations,
    Thread,
    Bins,
    /// Numbers that take eight bytes each in memory and may take one when encoded.
    Numbers,
    /// No content to be weighed separately.
    Leaf,
}

/// The bytes that an encoded [`RecordingEntry`] takes once decoded; `None` if it is not a message.
pub fn of_entry(bytes: &[u8]) -> Option<usize> {
    Some(size_of::<RecordingEntry>() * GROWTH + weigh(bytes, Kind::Entry)?)
}

fn weigh(mut bytes: &[u8], kind: Kind) -> Option<usize> {
    let mut weight = 0;
    while !bytes.is_empty() {
        let (field, wire_type) = decode_key(&mut bytes).ok()?;
        match wire_type {
            WireType::Varint => {
                decode_varint(&mut bytes).ok()?;
                // A list of numbers may also be encoded one by one.
                if child(kind, field).1 == Kind::Numbers {
                    weight += size_of::<u64>() * GROWTH;
                }
            }
            WireType::SixtyFourBit => skip(&mut bytes, 8)?,
            WireType::ThirtyTwoBit => skip(&mut bytes, 4)?,
            WireType::LengthDelimited => {
                let length = usize::try_from(decode_varint(&mut bytes).ok()?).ok()?;
                let content = bytes.get(..length)?;
                let (size, inner) = child(kind, field);
                weight += size + OVERHEAD + length + weigh_inner(content, inner)?;
                bytes.advance(length);
            }
            WireType::StartGroup | WireType::EndGroup => return None,
        }
    }
    Some(weight)
}

fn weigh_inner(content: &[u8], kind: Kind) -> Option<usize> {
    match kind {
        Kind::Leaf => Some(0),
        Kind::Numbers => Some(content.len() * size_of::<u64>() * GROWTH),
        _ => weigh(content, kind),
    }
}

fn skip(bytes: &mut &[u8], count: usize) -> Option<()> {
    *bytes = bytes.get(count..)?;
    Some(())
}

/// The size of a field's message as an element, and the kind of its content. A test compares every
/// field number with the contract's descriptor.
fn child(kind: Kind, field: u32) -> (usize, Kind) {
    let list = |size: usize, kind| (size * GROWTH, kind);
    match (kind, field) {
        (Kind::Entry, 1) => (0, Kind::Start),
        (Kind::Start, 4) => (size_of::<Machine>(), Kind::Machine),
        (Kind::Entry, 2) => (0, Kind::Update),
        (Kind::Entry, 3) => (0, Kind::Events),
        (Kind::Update, 3) => list(size_of::<Process>(), Kind::Process),
        (Kind::Update, 7) => (size_of::<AgentStatus>(), Kind::Leaf),
        (Kind::Events, 1) => list(size_of::<Event>(), Kind::Leaf),
        (Kind::Process, 2) => (size_of::<Identity>(), Kind::Identity),
        (Kind::Process, 6) => (size_of::<Totals>(), Kind::Leaf),
        (Kind::Process, 7) => list(size_of::<ClassCounters>(), Kind::Class),
        (Kind::Process, 8) => list(size_of::<Thread>(), Kind::Thread),
        (Kind::Process, 9) => (size_of::<Memory>(), Kind::Leaf),
        (Kind::Process, 10) => (size_of::<Loss>(), Kind::Leaf),
        (Kind::Identity, 14) => list(size_of::<Bin>(), Kind::Leaf),
        (Kind::Class, 6 | 7) => list(size_of::<ReasonCount>(), Kind::Leaf),
        (Kind::Class, 8) => list(size_of::<OutcomeCount>(), Kind::Leaf),
        (Kind::Class, 14) => (size_of::<DurationHistogram>(), Kind::Durations),
        (Kind::Class, 16) => list(size_of::<BinCounters>(), Kind::Bins),
        (Kind::Bins, 4 | 5) => (0, Kind::Numbers),
        (Kind::Durations, 1) => list(size_of::<DurationBucket>(), Kind::Leaf),
        (Kind::Thread, 9) => list(size_of::<ListDepth>(), Kind::Leaf),
        // Strings, which may be elements of a list, or pairs of strings in a map.
        _ => list(2 * size_of::<String>(), Kind::Leaf),
    }
}

#[cfg(test)]
mod tests;
