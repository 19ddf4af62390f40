//! The price of a slow path, by class.
//!
//! The histogram of a class covers its slow allocations and frees of all timed reasons together, so
//! there is one price per class. Durations above the 99.9th percentile of both sides, or above a
//! hundred times the median, are clipped to that bound: a thread that was descheduled within a slow
//! path waits milliseconds, and a few of those would outweigh a hundred thousand slow paths.

use std::collections::BTreeMap;

use hakmem_segment::duration::{bucket, bucket_start_ns};

use crate::layout::Layout;
use crate::reading::{Delta, Reading};
use crate::statistics::per;

/// Price of a slow path if none was ever timed, in nanoseconds.
pub(crate) const NOMINAL_NS: f64 = 100.0;
/// Share of durations that are not clipped.
const WHOLE_SHARE: f64 = 0.999;
/// Durations up to this multiple of the median are not clipped.
const WHOLE_MEDIANS: f64 = 100.0;

/// Prices that are common to both sides.
#[derive(Clone, Debug, Default)]
pub(crate) struct Prices {
    /// Mean duration by class, in nanoseconds.
    pub(crate) ns: Vec<f64>,
    /// Whether no slow path of any class was timed, so that prices are nominal.
    pub(crate) is_nominal: bool,
    /// Bound to which durations are clipped, by class.
    longest_ns: Vec<f64>,
}

impl Prices {
    /// Computes the prices from the durations of both sides.
    pub(crate) fn of(before: &Reading, after: &Reading, layout: &Layout) -> Self {
        let mut pooled: Vec<BTreeMap<u64, f64>> = vec![BTreeMap::new(); layout.classes.len()];
        for interval in before.intervals().chain(after.intervals()) {
            for &(class, start, count) in &interval.durations {
                *pooled[class].entry(start).or_default() += count;
            }
        }
        let longest_ns: Vec<f64> = pooled.iter().map(longest_ns).collect();
        let sums: Vec<(f64, f64)> = pooled
            .iter()
            .zip(&longest_ns)
            .map(|(buckets, &longest)| sum(buckets.iter().map(|(&ns, &n)| (ns, n)), longest))
            .collect();
        let all = sums.iter().fold((0.0, 0.0), |all, it| (all.0 + it.0, all.1 + it.1));
        let usual = if all.0 > 0.0 { per(all.1, all.0) } else { NOMINAL_NS };
        let price = |&(count, ns): &(f64, f64)| if count > 0.0 { per(ns, count) } else { usual };
        Self { ns: sums.iter().map(price).collect(), is_nominal: all.0 <= 0.0, longest_ns }
    }

    /// The row of each interval of each run, with the number and sum of its durations filled in.
    pub(crate) fn rows(&self, reading: &Reading, layout: &Layout) -> Vec<Vec<Vec<f64>>> {
        let row = |interval: &Delta| {
            let mut row = interval.row.clone();
            for &(class, start, count) in &interval.durations {
                let (count, ns) = sum([(start, count)].into_iter(), self.longest_ns[class]);
                row[layout.durations(class)] += count;
                row[layout.durations(class) + 1] += ns;
            }
            row
        };
        reading.runs.iter().map(|run| run.intervals.iter().map(row).collect()).collect()
    }
}

/// The median duration of a class's timed slow paths on a side; `None` if none was timed.
pub(crate) fn median_ns(reading: &Reading, class: usize) -> Option<f64> {
    let mut buckets: BTreeMap<u64, f64> = BTreeMap::new();
    let durations = reading.intervals().flat_map(|interval| &interval.durations);
    for &(_, start, count) in durations.filter(|duration| duration.0 == class) {
        *buckets.entry(start).or_default() += count;
    }
    Some(quantile_ns(&buckets, 0.5)).filter(|ns| ns.is_finite())
}

/// Number and sum of durations, each clipped to `longest`.
fn sum(buckets: impl Iterator<Item = (u64, f64)>, longest: f64) -> (f64, f64) {
    buckets.fold((0.0, 0.0), |(sum, ns), (start, count)| {
        (sum + count, ns + count * middle_ns(start).min(longest))
    })
}

/// The middle of the bucket that starts at `start_ns`.
fn middle_ns(start_ns: u64) -> f64 {
    start_ns.midpoint(bucket_start_ns(bucket(start_ns) + 1)).max(1) as f64
}

fn longest_ns(buckets: &BTreeMap<u64, f64>) -> f64 {
    quantile_ns(buckets, WHOLE_SHARE).min(quantile_ns(buckets, 0.5) * WHOLE_MEDIANS)
}

/// The middle of the bucket in which the quantile `share` of the durations lies; infinite if there
/// are none.
fn quantile_ns(buckets: &BTreeMap<u64, f64>, share: f64) -> f64 {
    let all: f64 = buckets.values().sum();
    let mut seen = 0.0;
    for (&start, &count) in buckets {
        seen += count;
        if seen >= all * share {
            return middle_ns(start);
        }
    }
    f64::INFINITY
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_a_bucket_lies_between_its_start_and_the_next() {
        for number in [3, 4, 5, 17, 30] {
            let [start, next] = [number, number + 1].map(bucket_start_ns);
            assert_eq!(middle_ns(start), ((start + next) / 2) as f64, "{start} to {next}");
        }
    }
}
