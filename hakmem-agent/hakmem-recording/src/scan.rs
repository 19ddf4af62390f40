//! Finds the intact blocks of a file, and the damage between them.

use std::io;

use crate::format::{BLOCK_HEADER_BYTES, BlockHeader, FILE_HEADER_BYTES, PAYLOAD_BYTES_MAX, SYNC};
use crate::source::Source;

/// Number of bytes that are searched for a sync marker at a time.
const SEARCH_BYTES: usize = 64 << 10;
/// Limit of the bytes that are read in vain behind markers that do not begin a block, in addition
/// to four times the length of the file. Without a limit, a file full of markers would take
/// quadratic time.
const VAIN_BYTES_MAX: u64 = 64 << 20;

/// The kind of damage to a part of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DamageKind {
    /// The file's header was changed.
    Header,
    /// The bytes are not a block, or were changed.
    Corrupted,
    /// The last block is incomplete: its writer was killed, or is still writing it.
    CutOff,
    /// Blocks are missing without a trace, or occur twice.
    Order,
    /// A block is intact but has content that no writer writes.
    Content,
}

impl DamageKind {
    /// A few words for people.
    pub fn text(self) -> &'static str {
        match self {
            Self::Header => "the file's header was changed",
            Self::Corrupted => "corrupted",
            Self::CutOff => "the last block is not complete",
            Self::Order => "blocks are missing or out of order",
            Self::Content => "a block has contents that no writer produces",
        }
    }
}

/// A part of a file that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Its offset from the start of the file, in bytes.
    pub offset: u64,
    /// Number of skipped bytes; 0 where blocks are missing.
    pub length: u64,
    /// The kind of damage.
    pub kind: DamageKind,
}

/// An intact block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockPlace {
    pub(crate) offset: u64,
    pub(crate) header: BlockHeader,
}

impl BlockPlace {
    pub(crate) fn length(&self) -> u64 {
        BLOCK_HEADER_BYTES as u64 + u64::from(self.header.payload_bytes)
    }
}

/// The intact blocks and the damage of a file.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    pub(crate) blocks: Vec<BlockPlace>,
    pub(crate) damage: Vec<Damage>,
}

/// The result of parsing at an offset.
enum Found {
    Block(BlockPlace),
    /// The beginning of a block that would extend beyond the end of the file.
    CutOff,
    Nothing,
}

/// Scans everything after the file's header.
pub(crate) fn scan(source: &Source) -> io::Result<Scan> {
    let mut scan = Scan::default();
    let mut vain_bytes = source.length().saturating_mul(4).saturating_add(VAIN_BYTES_MAX);
    let mut offset = FILE_HEADER_BYTES as u64;
    while offset < source.length() {
        match block_at(source, offset, &mut vain_bytes)? {
            Found::Block(place) => {
                scan.push(place);
                offset += place.length();
            }
            found => {
                let next = next_block(source, offset + 1, &mut vain_bytes)?;
                let end = next.unwrap_or(source.length());
                let is_tail = next.is_none() && matches!(found, Found::CutOff);
                let kind = if is_tail { DamageKind::CutOff } else { DamageKind::Corrupted };
                scan.damage.push(Damage { offset, length: end - offset, kind });
                offset = end;
            }
        }
    }
    Ok(scan)
}

impl Scan {
    /// Adds a block unless its number shows that it came before.
    fn push(&mut self, place: BlockPlace) {
        let number = place.header.number;
        let expected = self.blocks.last().map_or(0, |last| last.header.number.wrapping_add(1));
        let order = |length| Damage { offset: place.offset, length, kind: DamageKind::Order };
        if number < expected {
            self.damage.push(order(place.length()));
            return;
        }
        // After damage, it is known why blocks are missing.
        let is_explained =
            self.damage.last().is_some_and(|it| it.offset + it.length == place.offset);
        if number > expected && !is_explained {
            self.damage.push(order(0));
        }
        self.blocks.push(place);
    }
}

fn block_at(source: &Source, offset: u64, vain_bytes: &mut u64) -> io::Result<Found> {
    let bytes = source.read(offset, BLOCK_HEADER_BYTES)?;
    if bytes.len() < BLOCK_HEADER_BYTES {
        let begins = bytes.starts_with(&SYNC) || SYNC.starts_with(&bytes);
        return Ok(if begins { Found::CutOff } else { Found::Nothing });
    }
    let Some(header) = BlockHeader::parse(&bytes) else { return Ok(Found::Nothing) };
    let place = BlockPlace { offset, header };
    if place.length() > source.length() - offset {
        return Ok(Found::CutOff);
    }
    let length = u64::from(header.payload_bytes);
    if length > *vain_bytes {
        return Ok(Found::Nothing);
    }
    debug_assert!(header.payload_bytes as usize <= PAYLOAD_BYTES_MAX);
    let payload = source.read(offset + BLOCK_HEADER_BYTES as u64, header.payload_bytes as usize)?;
    if header.checksum_of(&payload) != header.checksum {
        *vain_bytes -= length;
        return Ok(Found::Nothing);
    }
    Ok(Found::Block(place))
}

/// Offset of the next intact block, at `offset` or later.
fn next_block(source: &Source, mut offset: u64, vain_bytes: &mut u64) -> io::Result<Option<u64>> {
    loop {
        let bytes = source.read(offset, SEARCH_BYTES)?;
        if bytes.len() < BLOCK_HEADER_BYTES {
            return Ok(None);
        }
        for at in markers(&bytes) {
            let candidate = offset + at as u64;
            if let Found::Block(_) = block_at(source, candidate, vain_bytes)? {
                return Ok(Some(candidate));
            }
        }
        // A marker may span two searches.
        offset += (bytes.len() - (SYNC.len() - 1)) as u64;
    }
}

fn markers(bytes: &[u8]) -> impl Iterator<Item = usize> + '_ {
    bytes.windows(SYNC.len()).enumerate().filter(|(_, it)| *it == SYNC).map(|(at, _)| at)
}

#[cfg(test)]
mod tests;
