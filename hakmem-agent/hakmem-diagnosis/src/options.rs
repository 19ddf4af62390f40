//! The settings of a comparison.

/// How sure and how large a change must be to count, and how much data an answer needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Confidence of the two-sided intervals, above 0.5 and below 1.
    pub confidence: f64,
    /// Least change that counts, as a share of the cost before.
    pub threshold_relative: f64,
    /// Least change that counts, in nanoseconds per operation of the program.
    pub threshold_ns: f64,
    /// Whether a change below `threshold_ns` counts where whole runs are compared and differ by
    /// less.
    pub is_threshold_derived: bool,
    /// Least change of the duration that counts, as a share of the cost before. It is much larger
    /// than the threshold for frequency, because durations carry the machine's own noise.
    pub threshold_duration: f64,
    /// Least growth of live memory over the window that can be a leak, in bytes.
    pub leak_bytes_min: u64,
    /// Least growth of live memory that can be a leak, as a share of the live bytes.
    pub leak_share_min: f64,
    /// Least rise of held memory that is not live, in bytes.
    pub retention_bytes_min: u64,
    /// Operations that each side must have.
    pub operations_min: u64,
    /// Intervals between samples that each side must have.
    pub intervals_min: usize,
    /// Most intervals on a side; neighbours are merged until no more remain.
    pub intervals_max: usize,
    /// Replicates of the bootstrap.
    pub replicates: usize,
    /// Seed of the random numbers: equal seeds and sides give equal answers.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            confidence: 0.99,
            threshold_relative: 0.10,
            threshold_ns: 0.5,
            is_threshold_derived: false,
            threshold_duration: 1.0,
            leak_bytes_min: 256 * 1024,
            leak_share_min: 0.02,
            retention_bytes_min: 16 * 1024 * 1024,
            operations_min: 10_000,
            intervals_min: 8,
            intervals_max: 240,
            replicates: 400,
            seed: 0x6861_6b6d_656d,
        }
    }
}

impl Options {
    /// For comparisons that are repeated every few seconds: the confidence is higher, because there
    /// are many of them, and the work is less. Windows are short, so only large growth is a leak.
    pub fn live() -> Self {
        Self {
            confidence: 0.995,
            intervals_max: 60,
            replicates: 200,
            leak_share_min: 0.10,
            ..Self::default()
        }
    }

    /// A copy with every value clamped to the range in which it has a meaning.
    pub(crate) fn bounded(&self) -> Self {
        let or = |value: f64, low: f64, high: f64, default: f64| {
            if value.is_nan() { default } else { value.clamp(low, high) }
        };
        let default = Self::default();
        Self {
            confidence: or(self.confidence, 0.5, 0.999_999, default.confidence),
            threshold_relative: or(self.threshold_relative, 0.0, 1e9, default.threshold_relative),
            threshold_ns: or(self.threshold_ns, 0.0, 1e18, default.threshold_ns),
            threshold_duration: or(self.threshold_duration, 0.0, 1e9, default.threshold_duration),
            leak_share_min: or(self.leak_share_min, 0.0, 1e9, default.leak_share_min),
            intervals_max: self.intervals_max.clamp(8, 10_000),
            replicates: self.replicates.clamp(50, 100_000),
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_live_comparison_is_surer_and_does_less_work() {
        let (live, usual) = (Options::live(), Options::default());
        assert!(live.confidence > usual.confidence);
        assert!(live.leak_share_min > usual.leak_share_min);
        assert!(live.intervals_max < usual.intervals_max && live.replicates < usual.replicates);
    }
}
