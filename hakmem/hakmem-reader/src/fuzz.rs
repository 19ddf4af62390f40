//! The body of the fuzz target, which `cargo test` runs too.

use rustix::fs::{MemfdFlags, memfd_create};

use crate::events::EventCursor;
use crate::segment::Segment;

/// Reads `bytes` as a segment in every way that the crate offers. It must neither panic nor hang,
/// nor use memory out of proportion to the input.
pub fn read_bytes(bytes: &[u8]) {
    let Ok(fd) = memfd_create("hakmem-fuzz", MemfdFlags::CLOEXEC) else { return };
    if rustix::io::pwrite(&fd, bytes, 0) != Ok(bytes.len()) {
        return;
    }
    let Ok(mut segment) = Segment::from_fd(fd) else { return };
    let _ = segment.key();
    let mut cursor = EventCursor::from_beginning();
    for _ in 0..2 {
        let Ok(sample) = segment.sample() else { return };
        for class in sample.classes() {
            let _ = (class.slow_allocations(), class.slow_frees(), class.anomalies());
            let _ = class.durations.quantile_ns(0.99);
            let _ = class.durations.to_hdr();
        }
        let _ = (sample.threads(), sample.suppressed_events(), sample.threads_alive());
        let _ = (sample.check_identity(), sample.check_conservation());
        let Ok(batch) = segment.read_events(&mut cursor) else { return };
        for event in batch.events {
            let _ = (event.detail.name(), event.header_byte());
        }
    }
}
