//! Tests whether a quantity grows without bound, from a few dozen points that depend on each other.
//!
//! The slope is the estimator of Theil and Sen (1968), the median over all pairs of points, which a
//! burst does not move. The existence of a trend is tested by Mann and Kendall's test, with its
//! variance corrected for autocorrelation by Hamed and Rao's method (J. Hydrol. 204, 1998).
//! Significance is not enough: a working set that wanders drifts significantly too. So the growth
//! must also exceed the residuals, and continue in the second half of the window.
//!
//! A cache that fills grows significantly too, but ever more slowly. So the second half is compared
//! with the first, and the end with the whole: growth that slowed by more than noise can explain is
//! no leak. Where bursts hide a slow growth, the minima reveal it: leaked blocks raise every
//! minimum.

use crate::statistics::{median, normal_quantile, per, quantile};

/// Number of points to which a course is condensed.
const POINTS_MAX: usize = 48;
/// Number of points below which there is no answer.
pub(crate) const POINTS_MIN: usize = 8;
/// Growth over the window must be at least this multiple of the spread of the residuals.
const SPREADS_MIN: f64 = 3.0;
/// The slope of the second half must be at least this share of the whole, however much noise there
/// is.
const STEADY_SHARE: f64 = 0.4;
/// A second half that is surely slower than this share of the first indicates a limit.
const SLOWER_SHARE: f64 = 0.7;
/// An end that is surely slower than this share of the whole means that growth has stopped.
const ENDED_SHARE: f64 = 0.25;
/// The end of a course is one of this number of parts.
const END_PART: usize = 6;
/// Standard errors by which slopes must differ to differ surely.
const SURE_ERRORS: f64 = 3.0;
/// Spreads from the 10th to the 90th percentile of normal noise, in standard deviations.
const SPREAD_DEVIATIONS: f64 = 2.56;
/// Number of parts whose minima are compared, and least number of points in each.
const TROUGHS: usize = 10;
const TROUGH_POINTS_MIN: usize = 3;
/// No step between two minima may exceed this multiple of the mean step: growth made up of a few
/// steps is not steady.
const TROUGH_STEP_MAX: f64 = 3.0;

/// The trend of values over operations or time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Trend {
    /// Units per unit of the axis.
    pub(crate) slope: f64,
    /// Units over the whole window, at that slope.
    pub(crate) growth: f64,
    /// Whether the values grow surely and steadily.
    pub(crate) is_steady: bool,
    /// Whether the values grow surely, but ever more slowly.
    pub(crate) is_slowing: bool,
}

impl Trend {
    /// The trend of points of place and value, ordered by place; `None` if there are too few.
    pub(crate) fn of(all: &[(f64, f64)], confidence: f64) -> Option<Self> {
        let points = condensed(all);
        if points.len() < POINTS_MIN {
            return None;
        }
        let slope = slope(&points)?;
        let growth = slope * (points[points.len() - 1].0 - points[0].0);
        let mut rest: Vec<f64> = points.iter().map(|(at, value)| value - slope * at).collect();
        let sure = score(&points, &rest) > normal_quantile(0.5 + confidence / 2.0);
        let spread = quantile(&mut rest, 0.9)? - quantile(&mut rest, 0.1)?;
        if sure && growth > SPREADS_MIN * spread {
            let pace = Pace::of(&points, slope);
            return Some(Self {
                slope,
                growth,
                is_steady: pace == Pace::Steady,
                is_slowing: pace == Pace::Slowing,
            });
        }
        let raised = troughs(all);
        Some(Self {
            slope: raised.map_or(slope, |(slope, _)| slope),
            growth: raised.map_or(growth, |(_, growth)| growth),
            is_steady: raised.is_some(),
            is_slowing: false,
        })
    }
}

/// The pace at which growth continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    Steady,
    Slowing,
    /// Growth begins late, or with a jump.
    Uneven,
}

impl Pace {
    /// The pace of points that surely grow, with the overall slope `slope`. If growth was fast only
    /// while the program started and has been steady since, the part after the start decides.
    fn of(points: &[(f64, f64)], slope: f64) -> Self {
        let started = &points[points.len() / 3..];
        match Self::of_part(points, slope) {
            Self::Slowing if started.len() >= POINTS_MIN => match self::slope(started) {
                Some(slope) if Self::of_part(started, slope) == Self::Steady => Self::Steady,
                _ => Self::Slowing,
            },
            pace => pace,
        }
    }

    fn of_part(points: &[(f64, f64)], slope: f64) -> Self {
        let (first, second) = points.split_at(points.len() / 2);
        let end = &points[points.len() - (points.len() / END_PART).max(4)..];
        let slopes = [first, second, end].map(self::slope);
        let [Some(first_slope), Some(second_slope), Some(end_slope)] = slopes else {
            return Self::Uneven;
        };
        if first_slope <= 0.0 {
            return Self::Uneven;
        }
        // Differences between neighbours measure the noise even where the course is not linear.
        let deviation = noise(points, slope);
        let error = |part: &[(f64, f64)]| {
            let length = part[part.len() - 1].0 - part[0].0;
            per(deviation * (12.0 / part.len() as f64).sqrt(), length)
        };
        let is_surely_less = |less: f64, than: f64, error: f64| than - less > SURE_ERRORS * error;
        let of_halves = error(first).hypot(error(second));
        let is_slower = second_slope < first_slope * SLOWER_SHARE
            && is_surely_less(second_slope, first_slope, of_halves);
        let has_ended =
            end_slope < slope * ENDED_SHARE && is_surely_less(end_slope, slope, error(end));
        match second_slope < slope * STEADY_SHARE || is_slower || has_ended {
            true => Self::Slowing,
            false => Self::Steady,
        }
    }
}

/// Standard deviation of the noise around a course that bends slowly.
fn noise(points: &[(f64, f64)], slope: f64) -> f64 {
    let bend = |three: &[(f64, f64)]| {
        let [before, at, after] = [three[0], three[1], three[2]].map(|(x, y)| y - slope * x);
        at - f64::midpoint(before, after)
    };
    let mut bends: Vec<f64> = points.windows(3).map(bend).collect();
    let [low, high] = [0.1, 0.9].map(|share| quantile(&mut bends, share).unwrap_or(0.0));
    let spread = high - low;
    // For independent values, the variance of a bend is one and a half times theirs.
    spread / SPREAD_DEVIATIONS / 1.5_f64.sqrt()
}

/// Slope and growth of the minima of parts of the course, if each is above the one before.
fn troughs(points: &[(f64, f64)]) -> Option<(f64, f64)> {
    let group = points.len() / TROUGHS;
    if group < TROUGH_POINTS_MIN {
        return None;
    }
    let least = |part: &[(f64, f64)]| part.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1));
    let parts = points.chunks_exact(group).take(TROUGHS);
    let troughs: Vec<(f64, f64)> = parts.filter_map(least).collect();
    let (first, last) = (troughs.first()?, troughs.last()?);
    let growth = last.1 - first.1;
    let steps: Vec<f64> = troughs.windows(2).map(|pair| pair[1].1 - pair[0].1).collect();
    let most = growth / steps.len() as f64 * TROUGH_STEP_MAX;
    let is_even = steps.iter().all(|&step| step > 0.0 && step <= most);
    let slope = per(growth, last.0 - first.0);
    let is_steady = is_even && Pace::of_part(&troughs, slope) == Pace::Steady;
    is_steady.then_some((slope, growth))
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

/// The standardised Mann–Kendall statistic. `rest` holds the residuals of the trend.
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
    // The correction for continuity takes one off, towards 0.
    per((sum.abs() - 1.0).max(0.0).copysign(sum), variance.sqrt())
}

/// The factor by which this autocorrelation inflates the variance of n independent values.
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
