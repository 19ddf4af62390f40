//! Estimates how much the split would vary if the same programs ran again.
//!
//! Counts of neighbouring intervals depend on each other, so single intervals must not be
//! resampled. The *circular moving-block bootstrap* (Künsch 1989; Politis & Romano 1992) draws
//! blocks of neighbouring intervals, the last followed by the first, until the resample has the
//! original number of intervals, and computes the ratios anew from the sums. The block length is
//! the one that Politis & White (2004) find best for a first-order autoregression, with its
//! coefficient estimated from the linearised cost, and at least n^(1/3). Where both sides have
//! three runs or more, whole runs are drawn, because runs differ by more than intervals do.
//!
//! An interval is value ± t·e: e is the standard deviation of the replicates, widened because it
//! comes from few blocks; t is Student's quantile with the degrees of freedom of Welch and
//! Satterthwaite. This keeps statements about thirty intervals as careful as they must be;
//! percentiles of the replicates would not.

use crate::decomposition::Sums;
use crate::layout::{Layout, StratumId};
use crate::prices::Prices;
use crate::statistics::{per, student_quantile};

/// Runs that each side must have for whole runs to be drawn.
pub(crate) const RUNS_MIN: usize = 3;

/// The intervals or runs of one side, from which resamples are drawn.
#[derive(Clone, Debug)]
pub(crate) struct Urn {
    /// Rows of each run's intervals; with `by_run`, a single list with one row for each run.
    runs: Vec<Vec<Vec<f64>>>,
    block: usize,
    by_run: bool,
    /// Number of blocks that are nearly independent.
    blocks: f64,
    /// Variance of the linearised cost per operation.
    variance: f64,
    /// Share of the variance that blocks of this length show.
    shown: f64,
}

/// Random numbers: SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// A generator that starts at `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A random number below `end`, which must be more than 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.next()) * end as u128) >> 64) as usize
    }
}

impl Urn {
    /// Fills an urn for each side with the side's `rows` by run. Neighbouring rows are merged until
    /// at most `intervals_max` remain.
    pub(crate) fn pair(
        rows: [Vec<Vec<Vec<f64>>>; 2],
        by_run: bool,
        intervals_max: usize,
        layout: &Layout,
        prices: &Prices,
    ) -> [Self; 2] {
        let runs = rows.map(|rows| merged(&rows, by_run, intervals_max, layout));
        let residuals = [0, 1].map(|side| residuals(&runs[side], layout, prices));
        // Few values say little about their dependence, and both sides run the same program, so the
        // stronger dependence of the two is assumed for both.
        let rho =
            residuals.each_ref().map(|it| autocorrelation(it)).into_iter().fold(0.0, f64::max);
        let rho = if by_run { 0.0 } else { rho };
        let mut residuals = residuals.into_iter();
        runs.map(|runs| Self::of(runs, residuals.next().unwrap_or_default(), by_run, rho))
    }

    fn of(runs: Vec<Vec<Vec<f64>>>, residuals: Vec<Vec<f64>>, by_run: bool, rho: f64) -> Self {
        let count: usize = runs.iter().map(Vec::len).sum();
        let block = if by_run { 1 } else { block_length(rho, count) };
        // Intervals that depend on their neighbours count as fewer.
        let independent = count as f64 * (1.0 - rho) / (1.0 + rho);
        let blocks = per(count as f64, block as f64).min(independent);
        let shown = shown_share(rho, block);
        let squares = residuals.iter().flatten().map(|it| it * it).sum::<f64>();
        let variance = squares * block as f64 / shown;
        Self { runs, block, by_run, blocks, variance, shown }
    }

    /// Sums over all rows.
    pub(crate) fn sums(&self, layout: &Layout) -> Vec<f64> {
        let mut sums = vec![0.0; layout.width()];
        self.runs.iter().flatten().for_each(|row| add(&mut sums, row));
        sums
    }

    /// Draws as many intervals as the urn holds, and writes their sum to `sums`.
    pub(crate) fn draw(&self, random: &mut Random, sums: &mut [f64]) {
        sums.fill(0.0);
        for run in self.runs.iter().filter(|run| !run.is_empty()) {
            let mut left = run.len();
            while left > 0 {
                let start = random.below(run.len());
                let length = self.block.min(left);
                (start..start + length).for_each(|place| add(sums, &run[place % run.len()]));
                left -= length;
            }
        }
    }

    /// Number of values that are nearly independent.
    pub(crate) fn blocks(&self) -> f64 {
        self.blocks
    }

    /// Tells people how the intervals were drawn.
    pub(crate) fn describe(&self) -> String {
        let count: usize = self.runs.iter().map(Vec::len).sum();
        if self.by_run {
            format!("{count} runs")
        } else {
            format!("{count} intervals in blocks of {}", self.block)
        }
    }
}

/// The factor from the standard deviation of the replicates to half the width of an interval.
pub(crate) fn half_width_factor(before: &Urn, after: &Urn, confidence: f64) -> f64 {
    let sides = [before, after];
    // Welch and Satterthwaite.
    let all: f64 = sides.iter().map(|side| side.variance).sum();
    let below: f64 =
        sides.iter().map(|side| per(side.variance.powi(2), (side.blocks - 1.0).max(1.0))).sum();
    let fewest = before.blocks.min(after.blocks).max(2.0);
    let degrees = if below > 0.0 { all.powi(2) / below } else { fewest - 1.0 };
    let shown = sides.iter().map(|side| side.shown).fold(1.0, f64::min);
    let widened = (fewest / (fewest - 1.0) / shown).sqrt();
    student_quantile(0.5 + confidence / 2.0, degrees) * widened
}

/// One row for each whole run, or each run's intervals with neighbours merged.
fn merged(
    rows: &[Vec<Vec<f64>>],
    by_run: bool,
    intervals_max: usize,
    layout: &Layout,
) -> Vec<Vec<Vec<f64>>> {
    if by_run {
        return vec![rows.iter().map(|run| total(run, layout)).collect()];
    }
    let all: usize = rows.iter().map(Vec::len).sum();
    let group = all.div_ceil(intervals_max.max(1)).max(1);
    let groups = |run: &Vec<Vec<f64>>| run.chunks(group).map(|rows| total(rows, layout)).collect();
    rows.iter().map(groups).collect()
}

fn add(sums: &mut [f64], row: &[f64]) {
    sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
}

fn total(rows: &[Vec<f64>], layout: &Layout) -> Vec<f64> {
    let mut sums = vec![0.0; layout.width()];
    rows.iter().for_each(|row| add(&mut sums, row));
    sums
}

/// For each interval, its cost in excess of its operations at the side's average cost, per
/// operation of the side. This is the linearisation of the ratio, and `autocorrelation` is
/// estimated from it.
fn residuals(runs: &[Vec<Vec<f64>>], layout: &Layout, prices: &Prices) -> Vec<Vec<f64>> {
    let mut sums = vec![0.0; layout.width()];
    runs.iter().flatten().for_each(|row| add(&mut sums, row));
    let side = Sums::of(&sums, layout);
    let ratios: Vec<f64> =
        layout.strata().map(|it| per(side.timed(it), side.operations(it))).collect();
    let residual = |row: &Vec<f64>| {
        let interval = Sums::of(row, layout);
        let of_stratum = |it: StratumId| {
            let expected = interval.operations(it) * ratios[it.index()];
            prices.ns[it.class] * (interval.timed(it) - expected)
        };
        per(layout.strata().map(of_stratum).sum(), side.all())
    };
    runs.iter().map(|run| run.iter().map(residual).collect()).collect()
}

/// The coefficient of a first-order autoregression, from 0 to 0.97. It is not the likeliest value
/// but the largest within one standard error: a coefficient that is too small makes intervals too
/// narrow, which is worse than too wide.
fn autocorrelation(residuals: &[Vec<f64>]) -> f64 {
    let count = residuals.iter().map(Vec::len).sum::<usize>() as f64;
    let pairs = residuals.iter().flat_map(|run| run.windows(2));
    let covariance: f64 = pairs.map(|pair| pair[0] * pair[1]).sum();
    let variance: f64 = residuals.iter().flatten().map(|it| it * it).sum();
    let found = per(covariance, variance).clamp(-1.0, 1.0);
    // Kendall's correction: few values make the coefficient look smaller than it is.
    let corrected = found + per(1.0 + 3.0 * found, count);
    (corrected + per(1.0 - found * found, count).sqrt()).clamp(0.0, 0.97)
}

/// The best block length for the circular bootstrap of a first-order autoregression by Politis &
/// White, (6ρ²/(1−ρ²)²)^(1/3)·n^(1/3), between n^(1/3) and a quarter of n.
fn block_length(rho: f64, count: usize) -> usize {
    let n = count as f64;
    let best = (6.0 * rho * rho / (1.0 - rho * rho).powi(2)).cbrt() * n.cbrt();
    best.max(n.cbrt()).min((n / 4.0).max(1.0)).round().max(1.0) as usize
}

/// Variance of the mean of a block of a first-order autoregression, times the block's length, as a
/// share of the limit for long blocks. The covariance across the ends of blocks is missing from it.
fn shown_share(rho: f64, block: usize) -> f64 {
    let b = block as f64;
    let missing = 2.0 * rho * (1.0 - rho.powf(b)) / (b * (1.0 - rho * rho));
    (1.0 - missing).clamp(0.1, 1.0)
}

#[cfg(test)]
mod tests;
