//! The uncertainty of a median, as an interval between two order statistics.
//!
//! Of n independent values, the k-th smallest and the k-th largest enclose the median of the
//! distribution, unless fewer than k values lie on one of its sides, which has the probability 2
//! P(B < k), where B is binomial with n trials of one half. Nothing is assumed about the
//! distribution, and no random number is drawn, so equal laps give equal intervals (Conover,
//! "Practical Nonparametric Statistics", 3rd edition, 1999, section 3.2; Le Boudec, "Performance
//! Evaluation of Computer and Communication Systems", 2010, chapter 2). The largest k is taken
//! whose interval holds with [`CONFIDENCE`]. For fewer than six values there is none; the interval
//! then reaches from the least to the greatest value and states its own confidence.

use std::fmt;

use serde::Serialize;

/// Least confidence of an interval from enough values.
pub const CONFIDENCE: f64 = 0.95;

/// The interval in which a median lies.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Probability that the interval encloses the median.
    pub confidence: f64,
}

impl Interval {
    /// The interval of the median of `values`; from 0 to 0 with confidence 0 without values.
    pub fn of_median(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let count = sorted.len();
        if count == 0 {
            return Self { low: 0.0, high: 0.0, confidence: 0.0 };
        }
        let (rank, confidence) = rank(count);
        Self { low: sorted[rank - 1], high: sorted[count - rank], confidence }
    }

    /// Distance of the two ends.
    pub fn width(self) -> f64 {
        self.high - self.low
    }

    /// Whether the interval holds with [`CONFIDENCE`] and is no wider than `width`.
    pub fn is_within(self, width: f64) -> bool {
        self.confidence >= CONFIDENCE && self.width() <= width
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Rounded down, so that the text never claims more than is true: 94.9 % is not 95 %.
        let percent = (self.confidence * 100.0).floor();
        write!(out, "{:.3}..{:.3} at {percent} %", self.low, self.high)
    }
}

/// The rank k for `count` values, at least 1, and its confidence.
fn rank(count: usize) -> (usize, f64) {
    // Beyond a thousand values, 2^-n underflows to 0, and the first terms then vanish.
    let mut term = 0.5_f64.powi(i32::try_from(count).unwrap_or(i32::MAX));
    let mut below = term;
    let mut best = (1, (1.0 - 2.0 * below).max(0.0));
    for rank in 2..=count.div_ceil(2) {
        term *= (count - rank + 2) as f64 / (rank - 1) as f64;
        below += term;
        let confidence = 1.0 - 2.0 * below;
        if confidence < CONFIDENCE {
            break;
        }
        best = (rank, confidence);
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use hakmem_bench::xor_shift::XorShift;

    fn check(count: usize, expected_rank: usize, expected_percent: f64) {
        let (rank, confidence) = rank(count);
        assert_eq!(rank, expected_rank, "{count}");
        assert!((confidence * 100.0 - expected_percent).abs() < 0.06, "{count}: {confidence}");
    }

    #[test]
    fn ranks_are_those_of_the_published_tables() {
        check(1, 1, 0.0);
        check(5, 1, 93.8);
        check(6, 1, 96.9);
        check(7, 1, 98.4);
        check(8, 1, 99.2);
        check(9, 2, 96.1);
        check(15, 4, 96.5);
        check(20, 6, 95.9);
        check(25, 8, 95.7);
        check(70, 27, 95.9);
    }

    #[test]
    fn the_ends_are_values_and_few_values_say_how_little_they_prove() {
        let interval = Interval::of_median(&[5.0, 1.0, 3.0, 2.0, 4.0, 9.0, 6.0, 8.0, 7.0]);
        assert_eq!(interval.to_string(), "2.000..8.000 at 96 %");
        assert!(interval.is_within(6.0) && !interval.is_within(5.9));
        let few = Interval::of_median(&[1.0, 1.5, 2.0]);
        assert_eq!(few.to_string(), "1.000..2.000 at 75 %");
        assert!(!few.is_within(100.0), "three values prove too little");
        assert_eq!(Interval::of_median(&[]).confidence, 0.0);
    }

    #[test]
    fn the_true_median_lies_within_as_often_as_is_said() {
        // Squares of even numbers from 0 to 1: the median is a quarter, and the mean is not.
        let mut random = XorShift::new(1);
        for count in [6, 9, 15, 40] {
            let mut held = 0;
            for _ in 0..4_000 {
                let value = |bits: u64| ((bits >> 11) as f64 / (1_u64 << 53) as f64).powi(2);
                let values: Vec<f64> = (0..count).map(|_| value(random.draw())).collect();
                let interval = Interval::of_median(&values);
                held += u32::from(interval.low <= 0.25 && 0.25 <= interval.high);
            }
            let (_, confidence) = rank(count);
            let part = f64::from(held) / 4_000.0;
            assert!((part - confidence).abs() < 0.015, "{count}: {part} is not {confidence}");
        }
    }
}
