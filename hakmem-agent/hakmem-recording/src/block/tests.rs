use hakmem_proto::v1::{Process, WatchProcessesResponse, recording_entry::Entry};

use super::*;

fn update(processes: usize) -> RecordingEntry {
    let changed = vec![Process { key: "1-2-3".to_owned(), ..Process::default() }; processes];
    let update = WatchProcessesResponse { changed, ..WatchProcessesResponse::default() };
    RecordingEntry { entry: Some(Entry::Update(update)) }
}

#[test]
fn entries_come_back_as_they_were() {
    let mut builder = BlockBuilder::new().unwrap();
    let entries = [update(0), update(1), update(300)];
    assert!(entries.iter().all(|entry| builder.push(entry)));
    let (payload, raw_bytes) = builder.take().unwrap();
    assert!(builder.is_empty());
    assert_eq!(decode(&payload, raw_bytes).unwrap(), entries);
}

#[test]
fn an_entry_above_the_limit_is_left_out() {
    let mut builder = BlockBuilder::new().unwrap();
    assert!(!builder.push(&update(1_000_000)));
    assert!(builder.is_empty());
}

#[test]
fn other_lengths_than_announced_are_refused() {
    let mut raw = Vec::new();
    assert!(push_entry(&mut raw, &update(10)));
    let payload = Compressor::new().unwrap().compress(&raw).unwrap();
    for length in [0, raw.len() - 1, raw.len() + 1] {
        assert_eq!(decode(&payload, length), Err(DecodeError::Compression), "{length}");
    }
    assert_eq!(decode(&payload, RAW_BYTES_MAX + 1), Err(DecodeError::TooLong));
    assert_eq!(decode(&payload[..payload.len() - 1], raw.len()), Err(DecodeError::Compression));
}

#[test]
fn a_bomb_is_refused_before_it_takes_memory() {
    // Zeros compress to almost nothing. As a payload they are empty entries, each of which is one
    // byte long and decodes to a large message.
    let zeros = vec![0; RAW_BYTES_MAX];
    let payload = Compressor::new().unwrap().compress(&zeros).unwrap();
    assert!(payload.len() < 1000);
    assert_eq!(decode(&payload, RAW_BYTES_MAX), Err(DecodeError::TooHeavy));
    // The attack works one level down, too: processes of two bytes each.
    let mut update = Vec::new();
    for _ in 0..1_000_000 {
        update.extend([0x1a, 0]);
    }
    let mut entry = vec![0x12];
    prost::encode_length_delimiter(update.len(), &mut entry).unwrap();
    entry.extend(update);
    let mut raw = Vec::new();
    prost::encode_length_delimiter(entry.len(), &mut raw).unwrap();
    raw.extend(entry);
    assert_eq!(decode_raw(&raw), Err(DecodeError::TooHeavy));
}

/// An entry of exactly `bytes` bytes.
fn entry_of(bytes: usize) -> RecordingEntry {
    let named = |length: usize| {
        let process = Process { key: "k".repeat(length), ..Process::default() };
        let update = WatchProcessesResponse { changed: vec![process], ..Default::default() };
        RecordingEntry { entry: Some(Entry::Update(update)) }
    };
    let around = named(bytes / 2).encoded_len() - bytes / 2;
    let entry = named(bytes - around);
    assert_eq!(entry.encoded_len(), bytes);
    entry
}

#[test]
fn an_entry_at_the_limit_is_written_and_read() {
    let mut builder = BlockBuilder::new().unwrap();
    assert!(!builder.push(&entry_of(ENTRY_BYTES_MAX + 1)));
    let largest = entry_of(ENTRY_BYTES_MAX);
    assert!(builder.push(&largest));
    assert!(builder.raw_bytes() > ENTRY_BYTES_MAX);
    let (payload, raw_bytes) = builder.take().unwrap();
    assert_eq!(decode(&payload, raw_bytes).unwrap(), [largest]);
}

#[test]
fn entries_that_no_writer_writes_are_refused() {
    let mut raw = Vec::new();
    assert!(push_entry(&mut raw, &update(10)));
    assert_eq!(decode_raw(&raw[..raw.len() - 1]), Err(DecodeError::Entries));
    let long = entry_of(ENTRY_BYTES_MAX + 1).encode_length_delimited_to_vec();
    assert_eq!(decode_raw(&long), Err(DecodeError::Entries));
    let payload = vec![0; PAYLOAD_BYTES_MAX + 1];
    assert_eq!(decode(&payload, 1), Err(DecodeError::TooLong));
    assert_eq!(decode(&payload[1..], 1), Err(DecodeError::Compression));
}
