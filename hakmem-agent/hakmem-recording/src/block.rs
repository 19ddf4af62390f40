//! Compressed groups of entries, each of which can be read by itself.
//!
//! Files and the agent's history hold the same payloads; only files put a header in front of them.

use hakmem_proto::v1::RecordingEntry;
use prost::Message as _;

use crate::format::{PAYLOAD_BYTES_MAX, RAW_BYTES_MAX};
use crate::weight;

/// Maximum length of one entry: gRPC's usual limit for a message.
const ENTRY_BYTES_MAX: usize = 4 << 20;

/// Level of compression. Higher levels save a few percent on these small blocks at several times
/// the cost.
const LEVEL: i32 = 1;

/// Why a payload cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// It is longer than any that a writer produces.
    #[error("announces more than 8 MiB")]
    TooLong,
    /// It does not decompress to the length that it announces.
    #[error("does not decompress")]
    Compression,
    /// The entries are not messages of the contract.
    #[error("contains data other than entries")]
    Entries,
    /// The entries would take disproportionate memory.
    #[error("would take too much memory")]
    TooHeavy,
}

/// Compresses payloads, one after another.
pub struct Compressor(zstd::bulk::Compressor<'static>);

impl std::fmt::Debug for Compressor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compressor").finish_non_exhaustive()
    }
}

impl Compressor {
    /// A compressor for any number of payloads.
    ///
    /// # Errors
    ///
    /// The system's error if there is no memory for it.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self(zstd::bulk::Compressor::new(LEVEL)?))
    }

    /// Compresses the entries that [`push_entry`] collected into a payload.
    ///
    /// # Errors
    ///
    /// The compressor's error.
    pub fn compress(&mut self, raw: &[u8]) -> std::io::Result<Vec<u8>> {
        self.0.compress(raw)
    }
}

/// Collects entries and compresses them.
#[derive(Debug)]
pub struct BlockBuilder {
    raw: Vec<u8>,
    compressor: Compressor,
}

impl BlockBuilder {
    /// A builder without entries.
    ///
    /// # Errors
    ///
    /// The system's error if there is no memory for the compressor.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self { raw: Vec::new(), compressor: Compressor::new()? })
    }

    /// Adds an entry; `false` if it is longer than `ENTRY_BYTES_MAX` and was left out.
    pub fn push(&mut self, entry: &RecordingEntry) -> bool {
        push_entry(&mut self.raw, entry)
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// Bytes of the entries before compression.
    pub fn raw_bytes(&self) -> usize {
        self.raw.len()
    }

    /// Returns the payload of the collected entries and their length before compression, and
    /// empties the builder.
    ///
    /// # Errors
    ///
    /// The compressor's error.
    pub fn take(&mut self) -> std::io::Result<(Vec<u8>, usize)> {
        let payload = self.compressor.compress(&self.raw)?;
        let raw_bytes = self.raw.len();
        self.raw.clear();
        Ok((payload, raw_bytes))
    }
}

/// Appends an entry in the encoding of a block; `false` if it is longer than `ENTRY_BYTES_MAX`
/// and was left out.
pub fn push_entry(raw: &mut Vec<u8>, entry: &RecordingEntry) -> bool {
    let bytes = entry.encoded_len();
    if bytes > ENTRY_BYTES_MAX {
        return false;
    }
    raw.reserve(bytes + prost::length_delimiter_len(bytes));
    entry.encode_length_delimited(raw).expect("there is room for it");
    true
}

/// Decodes the entries of a payload that decompresses to `raw_bytes`.
///
/// # Errors
///
/// [`DecodeError`] if the payload does not have exactly that content, or would take too much
/// memory.
pub fn decode(payload: &[u8], raw_bytes: usize) -> Result<Vec<RecordingEntry>, DecodeError> {
    if payload.len() > PAYLOAD_BYTES_MAX || raw_bytes > RAW_BYTES_MAX {
        return Err(DecodeError::TooLong);
    }
    let raw = zstd::bulk::decompress(payload, raw_bytes).map_err(|_| DecodeError::Compression)?;
    if raw.len() != raw_bytes {
        return Err(DecodeError::Compression);
    }
    decode_raw(&raw)
}

/// Decodes the entries that [`push_entry`] collected.
///
/// # Errors
///
/// [`DecodeError`] if `raw` is not a sequence of entries, or would take too much memory.
pub fn decode_raw(raw: &[u8]) -> Result<Vec<RecordingEntry>, DecodeError> {
    let mut left = raw;
    let mut entries = Vec::new();
    let mut weight = 0;
    while !left.is_empty() {
        let length = prost::decode_length_delimiter(&mut left).map_err(|_| DecodeError::Entries)?;
        if length > left.len() || length > ENTRY_BYTES_MAX {
            return Err(DecodeError::Entries);
        }
        let (entry, rest) = left.split_at(length);
        weight += weight::of_entry(entry).ok_or(DecodeError::Entries)?;
        if weight > weight::MAX {
            return Err(DecodeError::TooHeavy);
        }
        entries.push(RecordingEntry::decode(entry).map_err(|_| DecodeError::Entries)?);
        left = rest;
    }
    Ok(entries)
}

#[cfg(test)]
mod tests;
