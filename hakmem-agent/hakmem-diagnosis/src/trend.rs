//! Whether something grows without bound, from a few dozen points that depend on each other.
//!
//! The slope is Theil's and Sen's (1968), the median over all pairs of points, which a burst does
//! not move. Whether there is a trend at all is Mann's and Kendall's test, with its variance
//! corrected for autocorrelation as Hamed and Rao do (J. Hydrol. 204, 1998). Significance is not
//! enough: a working set that wanders drifts significantly too, so growth must also stand out of
//! what is left beside it, and go on in the second half of the window.

use crate::statistics::{median, normal_quantile, per, quantile};

/// Points that a course is condensed to at most.
const POINTS_MAX: usize = 48;
/// Points without which nothing is said.
pub(crate) const POINTS_MIN: usize = 8;
/// Growth over the window is at least so many spreads of what is left beside the trend.
const SPREADS_MIN: f64 = 3.0;
/// The slope of the second half is at least this share of the whole: what saturates is no leak.
const STEADY_SHARE: f64 = 0.4;

/// A course of values over time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Trend {
    /// Units a second.
    pub(crate) slope: f64,
    /// Units in the whole window, at that slope.
    pub(crate) growth: f64,
    /// Whether it grows surely and steadily.
    pub(crate) is_steady: bool,
}

impl Trend {
    /// The trend of points of time and value, in the order of time; `None` of too few.
    pub(crate) fn of(points: &[(f64, f64)], confidence: f64) -> Option<Self> {
        let points = condensed(points);
        if points.len() < POINTS_MIN {
            return None;
        }
        let slope = slope(&points)?;
        let growth = slope * (points[points.len() - 1].0 - points[0].0);
        let mut rest: Vec<f64> = points.iter().map(|(at, value)| value - slope * at).collect();
        let sure = score(&points, &rest) > normal_quantile(0.5 + confidence / 2.0);
        let spread = quantile(&mut rest, 0.9)? - quantile(&mut rest, 0.1)?;
        let second = self::slope(&points[points.len() / 2..])?;
        let first = self::slope(&points[..points.len() / 2])?;
        let steady = second >= slope * STEADY_SHARE && first > 0.0;
        let is_steady = sure && steady && growth > SPREADS_MIN * spread;
        Some(Self { slope, growth, is_steady })
    }
}

/// The median of each of up to [`POINTS_MAX`] groups of neighbours.
fn condensed(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let group = points.len().div_ceil(POINTS_MAX).max(1);
    let middle = |group: &[(f64, f64)]| {
        let at = median(&mut group.iter().map(|it| it.0).collect::<Vec<f64>>());
        let value = median(&mut group.iter().map(|it| it.1).collect::<Vec<f64>>());
        Some((at?, value?))
    };
    points.chunks(group).filter_map(middle).collect()
}

fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let pairs = points
        .iter()
        .enumerate()
        .flat_map(|(place, first)| points[place + 1..].iter().map(move |second| (first, second)));
    let mut slopes: Vec<f64> = pairs
        .filter(|(first, second)| second.0 > first.0)
        .map(|(first, second)| (second.1 - first.1) / (second.0 - first.0))
        .collect();
    median(&mut slopes)
}

/// Mann's and Kendall's statistic, standardised. `rest` is what is left beside the trend.
fn score(points: &[(f64, f64)], rest: &[f64]) -> f64 {
    let n = points.len() as f64;
    let mut sum = 0.0;
    for (place, first) in points.iter().enumerate() {
        for second in &points[place + 1..] {
            let difference = second.1 - first.1;
            sum += if difference > 0.0 { 1.0 } else { -f64::from(u8::from(difference < 0.0)) };
        }
    }
    let variance = n * (n - 1.0) * (2.0 * n + 5.0) / 18.0 * inflation(rest);
    per(sum - f64::signum(sum), variance.sqrt())
}

/// How much less than n independent values n values with this autocorrelation tell.
fn inflation(rest: &[f64]) -> f64 {
    let n = rest.len() as f64;
    let mut order: Vec<usize> = (0..rest.len()).collect();
    order.sort_by(|&a, &b| rest[a].total_cmp(&rest[b]));
    let mut ranks = vec![0.0; rest.len()];
    order.iter().enumerate().for_each(|(rank, &place)| ranks[place] = rank as f64);
    let mean = (n - 1.0) / 2.0;
    let variance: f64 = ranks.iter().map(|rank| (rank - mean).powi(2)).sum();
    let significant = 1.96 / n.sqrt();
    let mut sum = 0.0;
    for lag in 1..rest.len() {
        let pairs = ranks.iter().zip(&ranks[lag..]);
        let rho = per(pairs.map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>(), variance);
        if rho.abs() > significant {
            let k = lag as f64;
            sum += (n - k) * (n - k - 1.0) * (n - k - 2.0) * rho;
        }
    }
    (1.0 + 2.0 * per(sum, n * (n - 1.0) * (n - 2.0))).max(1.0)
}

#[cfg(test)]
mod tests;
