//! The counters of one sample, and their difference between two samples.

use std::collections::BTreeMap;

use hakmem_proto::v1::{ClassCounters, Process, ReasonCount};

use crate::layout::{Layout, StratumId, is_anomaly};

/// Counters since the start of the process.
#[derive(Clone, Debug, Default)]
pub(super) struct Cumulative {
    /// By the index of the class; `None` until the class was used.
    classes: Vec<Option<ClassCounts>>,
    /// By class and outcome.
    pub(super) anomalies: BTreeMap<(String, String), u64>,
    /// By slot.
    pub(super) threads: BTreeMap<u32, ThreadCounts>,
}

#[derive(Clone, Debug, Default)]
struct ClassCounts {
    operations: [u64; 2],
    /// In the order of the layout.
    reasons: [Vec<u64>; 2],
    /// By the start of the bucket.
    durations: BTreeMap<u64, u64>,
    /// In the order of the layout's bins.
    bins: Vec<BinCounts>,
}

#[derive(Clone, Debug, Default)]
struct BinCounts {
    operations: [u64; 2],
    /// In the order of the layout.
    reasons: [Vec<u64>; 2],
}

#[derive(Clone, Debug, Default)]
pub(super) struct ThreadCounts {
    pub(super) name: String,
    pub(super) allocations: u64,
    pub(super) frees: u64,
    pub(super) owners: u64,
}

/// The change between two samples.
#[derive(Clone, Debug, Default)]
pub(crate) struct Delta {
    /// Seconds between them.
    pub(crate) seconds: f64,
    /// Counts at the places of the layout; those of durations stay 0 until prices are known.
    pub(crate) row: Vec<f64>,
    /// Timed slow paths by class and start of the bucket.
    pub(crate) durations: Vec<(usize, u64, f64)>,
}

impl Cumulative {
    /// Takes the counters of a sample, and of the previous one where this one lacks them.
    pub(super) fn of(sample: &Process, last: Option<&Self>, layout: &Layout) -> Self {
        let mut now = last.cloned().unwrap_or_default();
        now.classes.resize_with(layout.classes.len(), || None);
        for class in &sample.classes {
            let Some(index) = layout.class(&class.class) else { continue };
            now.classes[index] = Some(class_counts(class, &layout.bins[index], layout));
            for outcome in class.outcomes.iter().filter(|outcome| is_anomaly(&outcome.outcome)) {
                let word = (class.class.clone(), outcome.outcome.clone());
                now.anomalies.insert(word, outcome.count);
            }
        }
        for thread in &sample.threads {
            let counts = ThreadCounts {
                name: thread.name.clone(),
                allocations: thread.allocations,
                frees: thread.frees,
                owners: thread.owners.into(),
            };
            now.threads.insert(thread.slot, counts);
        }
        now
    }

    /// The change from `self` to `now`; `None` if counters fell, as they do when a new process
    /// appears under the same name.
    pub(super) fn until(&self, now: &Self, seconds: f64, layout: &Layout) -> Option<Delta> {
        let mut delta = Delta { seconds, row: vec![0.0; layout.width()], durations: Vec::new() };
        let nothing = ClassCounts::default();
        for (class, counts) in now.classes.iter().enumerate() {
            let Some(counts) = counts else { continue };
            let last = self.classes.get(class).and_then(Option::as_ref).unwrap_or(&nothing);
            for direction in 0..2 {
                let stratum = StratumId { class, direction };
                let operations = counts.operations[direction];
                let operations = operations.checked_sub(last.operations[direction])?;
                delta.row[layout.operations(stratum)] = operations as f64;
                for (place, at) in layout.slow(stratum).enumerate() {
                    let of = |it: &ClassCounts| it.reasons[direction].get(place).copied();
                    let (now, last) = (of(counts).unwrap_or(0), of(last).unwrap_or(0));
                    delta.row[at] = now.saturating_sub(last) as f64;
                }
                counts.fill_bins(last, stratum, layout, &mut delta.row);
            }
            for (&start, &count) in &counts.durations {
                let before = last.durations.get(&start).copied().unwrap_or(0);
                if count > before {
                    delta.durations.push((class, start, (count - before) as f64));
                }
            }
        }
        Some(delta)
    }
}

impl ClassCounts {
    /// Writes to `row` the change of the stratum's bins since `last`.
    fn fill_bins(&self, last: &Self, stratum: StratumId, layout: &Layout, row: &mut [f64]) {
        let nothing = BinCounts::default();
        for (bin, counts) in self.bins.iter().enumerate() {
            let last = last.bins.get(bin).unwrap_or(&nothing);
            let direction = stratum.direction;
            let operations = counts.operations[direction];
            let operations = operations.saturating_sub(last.operations[direction]);
            row[layout.bin_operations(stratum, bin)] = operations as f64;
            for (place, at) in layout.bin_slow(stratum, bin).enumerate() {
                let of = |it: &BinCounts| it.reasons[direction].get(place).copied().unwrap_or(0);
                row[at] = of(counts).saturating_sub(of(last)) as f64;
            }
        }
    }
}

impl Delta {
    /// Operations of all strata.
    pub(crate) fn operations(&self, layout: &Layout) -> f64 {
        layout.strata().map(|stratum| self.row[layout.operations(stratum)]).sum()
    }
}

fn class_counts(class: &ClassCounters, bins: &[u32], layout: &Layout) -> ClassCounts {
    let mut durations = BTreeMap::new();
    for bucket in class.slow_durations.iter().flat_map(|histogram| &histogram.buckets) {
        let sum: &mut u64 = durations.entry(bucket.start_ns).or_default();
        *sum = sum.saturating_add(bucket.count);
    }
    ClassCounts {
        operations: [class.allocations, class.frees],
        reasons: [
            in_order(&class.slow_allocations, &layout.reasons[0]),
            in_order(&class.slow_frees, &layout.reasons[1]),
        ],
        durations,
        bins: bins.iter().map(|&bin| bin_counts(class, bin, layout)).collect(),
    }
}

/// The counts of bin `number`. A bin lists its slow paths in the order of its class's reasons.
fn bin_counts(class: &ClassCounters, number: u32, layout: &Layout) -> BinCounts {
    let Some(bin) = class.bins.iter().find(|it| it.bin == number) else {
        return BinCounts::default();
    };
    let reasons = |listed: &[ReasonCount], counts: &[u64], words: &[String]| {
        let of_bin = listed.iter().zip(counts);
        let of_bin = of_bin.map(|(it, &count)| ReasonCount { reason: it.reason.clone(), count });
        in_order(&of_bin.collect::<Vec<_>>(), words)
    };
    BinCounts {
        operations: [bin.allocations, bin.frees],
        reasons: [
            reasons(&class.slow_allocations, &bin.slow_allocations, &layout.reasons[0]),
            reasons(&class.slow_frees, &bin.slow_frees, &layout.reasons[1]),
        ],
    }
}

fn in_order(counts: &[ReasonCount], words: &[String]) -> Vec<u64> {
    let count = |word: &String| {
        let of_word = counts.iter().filter(|count| count.reason == *word);
        of_word.fold(0, |sum: u64, count| sum.saturating_add(count.count))
    };
    words.iter().map(count).collect()
}
