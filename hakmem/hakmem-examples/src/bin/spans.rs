//! The allocations of a span: `tracing` records them as fields, so that every log and every trace
//! has them. A span that crosses an `await` may be continued by another thread, whose counts are
//! its own: measure the work between two `await`s.

use std::hint::black_box;

use tracing::field::Empty;
use tracing::{Span, info_span};
use tracing_subscriber::fmt::format::FmtSpan;

#[global_allocator]
static GLOBAL: hakmem::Hakmem = hakmem::Hakmem;

/// Runs `work` in `span`, which has the fields `allocations` and `allocated_bytes`.
fn counted<T>(span: Span, work: impl FnOnce() -> T) -> T {
    let _entered = span.enter();
    let (value, counts) = hakmem::measure(work);
    span.record("allocations", counts.allocations());
    span.record("allocated_bytes", counts.allocated_bytes());
    value
}

fn answer(request: usize) -> Vec<Box<[u8]>> {
    (0..request).map(|_| black_box(vec![0; 100].into_boxed_slice())).collect()
}

fn main() {
    tracing_subscriber::fmt()
        .with_span_events(FmtSpan::CLOSE)
        .with_ansi(false)
        .without_time()
        .init();
    for request in 1..=3 {
        let span = info_span!("answer", request, allocations = Empty, allocated_bytes = Empty);
        drop(counted(span, || answer(request)));
    }
}
