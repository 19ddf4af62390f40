//! The body of the fuzz target `segment`, which `cargo test` runs too.
//!
//! A segment is large and mostly zero, and it changes while it is read. So an input is not a file
//! but the making of one: a byte whose lowest bit says whether a writer holds the lock, and parts.
//! A part is a place (4 bytes, little-endian), a length (2 bytes), and that many bytes to store at
//! the place. A part without bytes sets the file's length to the place, unless that is 0, and the
//! reader looks at the file; it looks again at the end.

use std::collections::BTreeSet;
use std::os::fd::{AsRawFd as _, OwnedFd};

use hakmem_segment::event::RING_EVENTS;
use rustix::fs::{FlockOperation, MemfdFlags, Mode, OFlags};

use crate::events::{EventBatch, EventCursor};
use crate::histogram::Histogram;
use crate::sample::Sample;
use crate::segment::Segment;

/// Bytes of the largest file: room for a header and slots of the largest sizes.
const FILE_BYTES_MAX: u32 = 4 << 20;
/// Looks at one file, each of which may wait for its writer.
const LOOKS_MAX: usize = 4;

/// Makes a segment of `input` and reads it in every way that the crate offers. It must neither
/// panic nor hang, nor use memory out of proportion to the file. Returns the number of samples.
pub fn read_parts(input: &[u8]) -> usize {
    let Some((first, parts)) = input.split_first() else { return 0 };
    let Some(mut file) = File::new(first & 1 == 1) else { return 0 };
    let mut samples = 0;
    for (place, bytes) in Parts(parts) {
        if !bytes.is_empty() {
            file.write(place, bytes);
            continue;
        }
        if place > 0 {
            file.set_length(place);
        }
        if !file.look() {
            return samples;
        }
        samples += 1;
        if samples == LOOKS_MAX {
            return samples;
        }
    }
    samples + usize::from(file.look())
}

/// Reads `bytes` as a segment: twice, since the second time copies only what changed. Returns the
/// number of samples.
pub fn read_bytes(bytes: &[u8]) -> usize {
    let Some(mut file) = File::new(false) else { return 0 };
    file.write(0, bytes);
    (0..2).take_while(|_| file.look()).count()
}

/// The input of [`read_parts`] that makes a file of `bytes`, at which the reader looks twice.
pub fn parts_of(bytes: &[u8], is_locked: bool) -> Vec<u8> {
    const UNIT: usize = 64;
    let mut input = vec![u8::from(is_locked)];
    let mut push = |place: usize, bytes: &[u8]| {
        input.extend((place as u32).to_le_bytes());
        input.extend((bytes.len() as u16).to_le_bytes());
        input.extend(bytes);
    };
    for (index, unit) in bytes.chunks(UNIT).enumerate() {
        // Without the zeros at the end, since most fields are small numbers.
        if let Some(last) = unit.iter().rposition(|&byte| byte != 0) {
            push(index * UNIT, &unit[..=last]);
        }
    }
    push(bytes.len(), &[]);
    input
}

/// The parts of an input.
struct Parts<'a>(&'a [u8]);

impl<'a> Iterator for Parts<'a> {
    type Item = (u32, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (place, rest) = self.0.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
        let (bytes, rest) = rest.split_at(length);
        self.0 = rest;
        Some((u32::from_le_bytes(*place) % FILE_BYTES_MAX, bytes))
    }
}

/// A file in memory, and the reader's view of it.
struct File {
    writer: OwnedFd,
    reader: Option<(Segment, EventCursor)>,
}

impl File {
    /// An empty file; `None` if the system refuses one.
    fn new(is_locked: bool) -> Option<Self> {
        let writer = rustix::fs::memfd_create("hakmem-fuzz", MemfdFlags::CLOEXEC).ok()?;
        if is_locked {
            rustix::fs::flock(&writer, FlockOperation::NonBlockingLockExclusive).ok()?;
        }
        Some(Self { writer, reader: None })
    }

    fn write(&self, place: u32, bytes: &[u8]) {
        let written = rustix::io::pwrite(&self.writer, bytes, u64::from(place));
        assert_eq!(written, Ok(bytes.len()), "there is memory for the file");
    }

    fn set_length(&self, bytes: u32) {
        rustix::fs::ftruncate(&self.writer, u64::from(bytes)).expect("files are small");
    }

    /// Opens the segment unless it is open, takes a sample and reads the events; `false` if the
    /// segment is invalid.
    fn look(&mut self) -> bool {
        if self.reader.is_none() {
            // Opened anew, because the lock belongs to the writer's open file.
            let path = format!("/proc/self/fd/{}", self.writer.as_raw_fd());
            let opened = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
            let segment = Segment::from_fd(opened.expect("/proc is mounted")).ok();
            self.reader = segment.map(|segment| (segment, EventCursor::from_beginning()));
        }
        let Some((segment, cursor)) = &mut self.reader else { return false };
        assert!(segment.key().len() <= 64, "a key is short");
        let Ok(sample) = segment.sample() else { return false };
        check_sample(&sample);
        let Ok(batch) = segment.read_events(cursor) else { return false };
        check_events(&sample, &batch);
        true
    }
}

fn check_sample(sample: &Sample) {
    assert_eq!(sample.slots.len(), sample.process.slots_used as usize, "every slot is read");
    for (index, slot) in sample.slots.iter().enumerate() {
        assert_eq!(slot.index as usize, index, "slots are in their order");
        assert!(slot.bytes() < 64 << 10, "a slot takes {} bytes", slot.bytes());
        for bin in &slot.bins {
            assert!(bin.sized_frees_fast <= bin.list.freed_fast, "sized frees are frees");
        }
    }
    for class in sample.classes() {
        let _ = (class.slow_allocations(), class.slow_frees(), class.anomalies());
        let _ = sample.bins_of(class.class);
        check_histogram(&class.durations);
    }
    assert!(sample.threads().len() <= sample.slots.len(), "a thread has a slot");
    let _ = (sample.suppressed_events(), sample.events_written(), sample.threads_alive());
    // A writer may break every equation between its numbers, but not the check of them.
    let _ = (sample.check_identity(), sample.check_conservation());
}

fn check_histogram(histogram: &Histogram) {
    let quantiles = [0.0, 0.5, 0.99, 0.999, 1.0].map(|it| histogram.quantile_ns(it));
    assert!(quantiles.is_sorted(), "{quantiles:?}");
    let converted = Histogram::from_hdr(&histogram.to_hdr());
    if histogram.count() < u64::MAX {
        assert_eq!(converted, *histogram, "another form has the same counts");
    }
}

fn check_events(sample: &Sample, batch: &EventBatch) {
    let is_in_time = batch.events.is_sorted_by_key(|event| event.monotonic_ns);
    assert!(is_in_time, "events are in the order of time");
    let mut numbers = BTreeSet::new();
    for event in &batch.events {
        let _ = (event.detail.name(), event.header_byte());
        assert!(numbers.insert((event.slot, event.number)), "an event comes once");
        assert!((event.slot as usize) < sample.slots.len(), "events come from slots");
    }
    assert!(numbers.len() <= sample.slots.len() * RING_EVENTS, "a ring holds no more");
}
