//! The laps of one routing while they run, and its figures.

use std::collections::BTreeMap;

use hakmem_reader::{Class, FreeReason};
use serde::Serialize;

use crate::race::cell::Cell;
use crate::race::segment_counts::SegmentCounts;
use crate::routings::footprint::Footprint;
use crate::routings::variant::Variant;
use crate::routings::{LOOKUP_CELL, cells};
use crate::statistics::median;

/// What has been measured of one routing so far.
#[derive(Clone, Debug)]
pub struct RoutingRow {
    variant: Variant,
    rates: Vec<(Cell, Vec<f64>)>,
    instructions: Vec<f64>,
    footprint: Option<Footprint>,
    c7: C7Frees,
    anomalies: u64,
    check_findings: u64,
}

/// Frees of C7 over all laps.
#[derive(Clone, Debug, Default)]
struct C7Frees {
    all: u64,
    fast: u64,
    slow: BTreeMap<&'static str, u64>,
}

/// The figures of one routing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// How `free` finds a block's class.
    pub routing: &'static str,
    /// How blocks get onto lists; null where the routing has one form only.
    pub push: Option<&'static str>,
    /// Throughput, in the order of the cells.
    pub throughput: Vec<Throughput>,
    /// Instructions per pair of 64 B; null without valgrind.
    pub instructions_64: Option<f64>,
    /// Instructions per pair of 1024 B; null without valgrind.
    pub instructions_1024: Option<f64>,
    /// Distance of two neighbouring blocks that serve 1024 B.
    pub stride_bytes_1024: Option<u32>,
    /// Growth of the slabs in use, per live block of 1024 B.
    pub slab_bytes_1024: Option<f64>,
    /// Growth of resident memory, per live block of 1024 B.
    pub resident_bytes_1024: Option<f64>,
    /// Number of frees of C7, over all laps.
    pub c7_frees: u64,
    /// Share of them that took the fast path, from 0 to 1; null if there were none.
    pub c7_frees_fast_share: Option<f64>,
    /// Frees of C7 on a slow path, by reason.
    pub c7_frees_slow: BTreeMap<&'static str, u64>,
    /// Frees that only a bug can explain, over all laps.
    pub anomalies: u64,
    /// Findings of checks that were still in the rings at the end of each lap.
    pub check_findings: u64,
}

/// Throughput in one cell.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Throughput {
    /// Name of the cell.
    pub cell: String,
    /// Median of millions of calls a second, a call being one `malloc` or one `free`.
    pub million_operations_per_second: f64,
    /// The slowest lap.
    pub million_operations_per_second_min: f64,
    /// The fastest lap.
    pub million_operations_per_second_max: f64,
}

impl RoutingRow {
    /// A row without laps.
    pub fn new(variant: Variant) -> Self {
        Self {
            variant,
            rates: cells().map(|cell| (cell, Vec::new())).collect(),
            instructions: Vec::new(),
            footprint: None,
            c7: C7Frees::default(),
            anomalies: 0,
            check_findings: 0,
        }
    }

    /// The variant of this row.
    pub fn variant(&self) -> Variant {
        self.variant
    }

    /// Adds a lap: millions of calls a second, and what the allocator counted.
    pub fn record(&mut self, cell: Cell, rate: f64, counts: &SegmentCounts) {
        self.record_rate(cell, rate);
        let c7 = counts.class(Class::C7);
        self.c7.all += c7.frees;
        self.c7.fast += c7.frees_fast;
        for (reason, count) in c7.slow_frees_by_reason().filter(|&(_, count)| count > 0) {
            *self.c7.slow.entry(FreeReason::name(reason)).or_default() += count;
        }
        self.anomalies += counts.anomalies();
        self.check_findings += counts.check_findings;
    }

    /// Adds a throughput without counts.
    pub(crate) fn record_rate(&mut self, cell: Cell, rate: f64) {
        let entry = self.rates.iter_mut().find(|(known, _)| *known == cell);
        entry.expect("the table has this cell").1.push(rate);
    }

    /// Adds the instructions per pair, in the order of `COUNTED_SIZES`.
    pub fn record_instructions(&mut self, per_pair: f64) {
        self.instructions.push(per_pair);
    }

    /// Sets the memory that a block takes.
    pub fn record_footprint(&mut self, footprint: Footprint) {
        self.footprint = Some(footprint);
    }

    /// Nanoseconds per pair in the cell of the lookup.
    pub fn lookup_pair_ns(&self) -> f64 {
        let rates = self.rates.iter().find(|(cell, _)| *cell == LOOKUP_CELL);
        let rate = median(&rates.expect("the table has the cell of the lookup").1);
        2e3 / rate
    }

    /// The figures, once all laps are complete.
    pub fn figures(&self) -> Figures {
        let footprint = self.footprint.as_ref();
        Figures {
            routing: self.variant.routing.name(),
            push: self.variant.push.map(hakmem_reader::Push::name),
            throughput: self.rates.iter().map(|(cell, rates)| throughput(*cell, rates)).collect(),
            instructions_64: self.instructions.first().copied(),
            instructions_1024: self.instructions.get(1).copied(),
            stride_bytes_1024: footprint.map(|footprint| footprint.stride_bytes),
            slab_bytes_1024: footprint.map(|footprint| footprint.slab_bytes),
            resident_bytes_1024: footprint.map(|footprint| footprint.resident_bytes),
            c7_frees: self.c7.all,
            c7_frees_fast_share: (self.c7.all > 0)
                .then(|| self.c7.fast as f64 / self.c7.all as f64),
            c7_frees_slow: self.c7.slow.clone(),
            anomalies: self.anomalies,
            check_findings: self.check_findings,
        }
    }
}

impl Figures {
    /// Routing and push, as the table names them.
    pub fn name(&self) -> String {
        match self.push {
            Some(push) => format!("{}, {push}", self.routing),
            None => self.routing.to_owned(),
        }
    }
}

fn throughput(cell: Cell, rates: &[f64]) -> Throughput {
    Throughput {
        cell: cell.to_string(),
        million_operations_per_second: median(rates),
        million_operations_per_second_min: rates.iter().copied().fold(f64::INFINITY, f64::min),
        million_operations_per_second_max: rates.iter().copied().fold(0.0, f64::max),
    }
}
