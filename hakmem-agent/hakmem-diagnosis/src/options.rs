//! What a comparison may be told.

/// How sure and how large a change must be, and how much data it takes to say so.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Confidence of the two-sided intervals, above 0.5 and below 1.
    pub confidence: f64,
    /// Least change that counts, as a share of the cost before.
    pub threshold_relative: f64,
    /// Least change that counts, in nanoseconds per operation of the program.
    pub threshold_ns: f64,
    /// Whether less than `threshold_ns` counts where whole runs are compared and differ by less.
    pub is_threshold_derived: bool,
    /// Least change of the duration that counts, as a share of the cost before: much more than of
    /// the frequency, because the machine's own noise shows in durations.
    pub threshold_duration: f64,
    /// Least growth of live memory over the window that can be a leak, in bytes.
    pub leak_bytes_min: u64,
    /// The same as a share of what is live.
    pub leak_share_min: f64,
    /// Least rise of memory that is held and not live, in bytes.
    pub retention_bytes_min: u64,
    /// Operations that each side must have.
    pub operations_min: u64,
    /// Intervals between samples that each side must have.
    pub intervals_min: usize,
    /// Intervals that a side is cut into at most; neighbours are merged to get there.
    pub intervals_max: usize,
    /// Replicates of the bootstrap.
    pub replicates: usize,
    /// Start of the random numbers: equal seeds and sides give equal answers.
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
    /// For comparisons that are made again every few seconds: surer, because there are many of
    /// them, and cheaper. Windows are short, so that what grows must grow a lot to be a leak.
    pub fn live() -> Self {
        Self {
            confidence: 0.995,
            intervals_max: 60,
            replicates: 200,
            leak_share_min: 0.10,
            ..Self::default()
        }
    }

    /// The same with every value inside the range where it has a meaning.
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
