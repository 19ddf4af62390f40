//! A sparse histogram of slow-path durations.

use hakmem_segment::duration::{BUCKETS, bucket_start_ns};

/// Counts by the buckets of [`hakmem_segment::duration`]. Only non-empty buckets take memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Ascending by index; no count is 0.
    buckets: Vec<(u8, u64)>,
}

const _: () = assert!(BUCKETS <= u8::MAX as usize);

impl Histogram {
    /// Makes a histogram of one count per bucket; counts beyond [`BUCKETS`] are ignored.
    pub fn from_counts(counts: impl IntoIterator<Item = u64>) -> Self {
        let counted = counts.into_iter().take(BUCKETS).enumerate();
        let kept = counted.filter(|&(_, count)| count > 0);
        Self { buckets: kept.map(|(index, count)| (index as u8, count)).collect() }
    }

    /// Whether nothing was recorded.
    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    /// Number of recorded durations, saturating.
    pub fn count(&self) -> u64 {
        self.buckets.iter().fold(0, |sum, &(_, count)| sum.saturating_add(count))
    }

    /// Non-empty buckets, ascending, as pairs of index and count.
    pub fn buckets(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        self.buckets.iter().map(|&(index, count)| (usize::from(index), count))
    }

    /// Adds the counts of `other`, saturating.
    pub fn add(&mut self, other: &Self) {
        for &(index, count) in &other.buckets {
            match self.buckets.binary_search_by_key(&index, |&(index, _)| index) {
                Ok(at) => self.buckets[at].1 = self.buckets[at].1.saturating_add(count),
                Err(at) => self.buckets.insert(at, (index, count)),
            }
        }
    }

    /// The durations recorded since `earlier`, which must be a former state of the same histogram;
    /// buckets that fell count as unchanged.
    pub fn since(&self, earlier: &Self) -> Self {
        let former = |index| {
            let found = earlier.buckets.binary_search_by_key(&index, |&(index, _)| index);
            found.map_or(0, |at| earlier.buckets[at].1)
        };
        let grown = self.buckets.iter().map(|&(index, n)| (index, n.saturating_sub(former(index))));
        Self { buckets: grown.filter(|&(_, count)| count > 0).collect() }
    }

    /// The duration in nanoseconds that the fraction `quantile` (0 to 1) of all durations did not
    /// exceed, interpolated inside its bucket; 0 if nothing was recorded.
    pub fn quantile_ns(&self, quantile: f64) -> u64 {
        let count = self.count();
        let rank = ((quantile.clamp(0.0, 1.0) * count as f64).ceil() as u64).clamp(1, count.max(1));
        let mut before = 0u64;
        for (index, in_bucket) in self.buckets() {
            if before.saturating_add(in_bucket) >= rank {
                let start = bucket_start_ns(index);
                let width = bucket_start_ns(index + 1) - start;
                let share = (rank - before) as f64 / in_bucket as f64;
                return start + ((width - 1) as f64 * share) as u64;
            }
            before = before.saturating_add(in_bucket);
        }
        0
    }

    /// Converts to an HdrHistogram of nanoseconds, each count at the lowest value of its bucket.
    /// Nothing is lost: its buckets are finer, so [`Histogram::from_hdr`] restores the original.
    pub fn to_hdr(&self) -> hdrhistogram::Histogram<u64> {
        let highest = bucket_start_ns(BUCKETS);
        let mut hdr = hdrhistogram::Histogram::new_with_bounds(1, highest, SIGNIFICANT_DIGITS)
            .expect("the bounds are constant and valid");
        for (index, count) in self.buckets() {
            hdr.saturating_record_n(bucket_start_ns(index), count);
        }
        hdr
    }

    /// Converts an HdrHistogram of nanoseconds, counting each of its buckets at its lowest value.
    pub fn from_hdr(hdr: &hdrhistogram::Histogram<u64>) -> Self {
        let mut counts = [0u64; BUCKETS];
        for step in hdr.iter_recorded() {
            let lowest = hdr.lowest_equivalent(step.value_iterated_to());
            let count = &mut counts[hakmem_segment::duration::bucket(lowest)];
            *count = count.saturating_add(step.count_at_value());
        }
        Self::from_counts(counts)
    }
}

/// Enough for buckets that are finer than ours, each of which is at least an eighth of its value
/// wide.
const SIGNIFICANT_DIGITS: u8 = 1;

#[cfg(test)]
mod tests;
