//! A loop that publishes, as metrics of its own, what it takes of the allocator: one more counter
//! costs the loop less than a hundred instructions each time.

use std::hint::black_box;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::{Registry, Unit};

#[global_allocator]
static GLOBAL: hakmem::Hakmem = hakmem::Hakmem;

#[derive(Default)]
struct Metrics {
    messages: Counter,
    allocations: Counter,
    allocated: Counter,
    slow_paths: Counter,
}

impl Metrics {
    fn register(&self, registry: &mut Registry) {
        registry.register("messages", "Messages handled", self.messages.clone());
        let help = "Allocations for messages";
        registry.register("message_allocations", help, self.allocations.clone());
        let help = "Memory allocated for messages";
        registry.register_with_unit("message_memory", help, Unit::Bytes, self.allocated.clone());
        let help = "Allocations and frees for messages that took a slow path";
        registry.register("message_slow_paths", help, self.slow_paths.clone());
    }

    fn count(&self, counts: &hakmem::Counts) {
        self.messages.inc();
        self.allocations.inc_by(counts.allocations());
        self.allocated.inc_by(counts.allocated_bytes());
        self.slow_paths.inc_by(counts.slow_paths());
    }
}

/// Three allocations a message.
fn handle(message: usize) {
    let fields: [Box<usize>; 3] = std::array::from_fn(|field| Box::new(message + field));
    black_box(fields);
}

fn main() {
    let metrics = Metrics::default();
    let mut registry = Registry::with_prefix("example");
    metrics.register(&mut registry);
    for message in 0..1000 {
        let ((), counts) = hakmem::measure(|| handle(message));
        metrics.count(&counts);
    }
    // A service would serve this page.
    let mut page = String::new();
    encode(&mut page, &registry).expect("a string takes all text");
    print!("{page}");
}
