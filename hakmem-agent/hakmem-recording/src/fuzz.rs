//! The bodies of the fuzz targets `recording` and `entries`, which `cargo test` runs too.

use crate::block::{self, Compressor, push_entry};
use crate::format::{BlockHeader, FLAG_KEY, RAW_BYTES_MAX, file_header};
use crate::reader::Recording;
use crate::window::Window;

/// Reads `bytes` as a recording in every possible way. It must not panic, hang or take
/// disproportionate memory. Returns the recording, if `bytes` is one, for tests that check more.
pub fn read_bytes(bytes: &[u8]) -> Option<Recording> {
    let recording = Recording::from_bytes(bytes.to_vec()).ok()?;
    let summary = recording.summary();
    let middle = summary.from.zip(summary.to).map(|(from, to)| (from + to) / 2.0);
    for window in
        [Window::ALL, Window { from: middle, to: None }, Window { from: None, to: middle }]
    {
        for series in recording.series(window, |_| true) {
            let moments: Vec<f64> = series
                .samples
                .iter()
                .filter_map(|it| it.sampled_at.as_ref().map(crate::window::seconds))
                .collect();
            assert!(moments.is_sorted(), "time runs backwards");
            assert!(moments.iter().all(|at| window.contains(*at)), "a sample is outside");
        }
        recording.for_each_event(window, |_| true, |_| {});
    }
    let damaged: u64 = recording.damage().iter().map(|it| it.length).sum();
    assert!(damaged <= bytes.len() as u64, "more is damaged than there is");
    Some(recording)
}

/// Reads `input` as the decompressed content of a recording's blocks, which no fuzzer would find
/// behind their checksums. The lowest bit of the first byte says whether a block is missing in the
/// middle; the rest is entries. Returns the recording, if all of that are entries.
pub fn read_entries(input: &[u8]) -> Option<Recording> {
    let (first, raw) = input.split_first()?;
    let Ok(entries) = block::decode_raw(raw) else {
        let damaged = read_bytes(&[&file_header()[..], &block_of(0, 0, raw)?].concat())?;
        assert!(!damaged.damage().is_empty(), "damage is reported");
        return None;
    };
    let mut halves = [Vec::new(), Vec::new()];
    let middle = entries.len() / 2;
    for (index, entry) in entries.iter().enumerate() {
        let half = &mut halves[usize::from(index >= middle)];
        assert!(push_entry(half, entry), "an entry is not longer than it was");
    }
    let again = block::decode_raw(&halves.concat()).expect("entries can be encoded again");
    assert_eq!(again, entries, "another encoding says the same");
    let gap = u32::from(first & 1);
    let blocks = [block_of(0, FLAG_KEY, &halves[0])?, block_of(1 + gap, 0, &halves[1])?];
    let recording = read_bytes(&[&file_header()[..], &blocks.concat()].concat());
    Some(recording.expect("a file with a right header is a recording"))
}

/// A block of the entries in `raw`, with the right checksum; `None` if they are too many for one.
pub(crate) fn block_of(number: u32, flags: u32, raw: &[u8]) -> Option<Vec<u8>> {
    if raw.len() > RAW_BYTES_MAX {
        return None;
    }
    let payload = Compressor::new().and_then(|mut it| it.compress(raw)).ok()?;
    let header = BlockHeader::new(number, flags, raw.len(), &payload);
    Some([&header.bytes(), payload.as_slice()].concat())
}

#[cfg(test)]
mod tests;
