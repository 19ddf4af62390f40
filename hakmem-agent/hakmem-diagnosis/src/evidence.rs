//! The evidence: everything that rules about causes may look at.

use crate::bootstrap::{RUNS_MIN, Random, Urn, half_width_factor};
use crate::decomposition::{Known, PartsLayout, Sums, known, split};
use crate::diagnosis::Estimate;
use crate::layout::{Layout, StratumId, is_slow_path};
use crate::options::Options;
use crate::prices::{Prices, median_ns};
use crate::reading::Reading;
use crate::side::Side;
use crate::statistics::per;

/// If the slow share fell below this part of its former value, slow paths as a whole are not taken
/// more often.
const FEWER_SLOW: f64 = 0.8;
/// Where the least change that counts is derived from the runs, it is this multiple of the
/// half-width of the confidence interval.
const DERIVED_HALVES: f64 = 2.0;
/// Lower bound of the derived threshold, in nanoseconds per operation: a smaller change is less
/// than a hundredth of an operation's duration.
const DERIVED_MIN_NS: f64 = 0.05;

/// Two sides, read, split and resampled.
#[derive(Debug)]
pub(crate) struct Evidence<'a> {
    pub(crate) sides: [&'a Side; 2],
    pub(crate) readings: [Reading; 2],
    pub(crate) layout: Layout,
    pub(crate) prices: Prices,
    pub(crate) at: PartsLayout,
    pub(crate) options: Options,
    /// Describes how the intervals of each side were drawn.
    pub(crate) drawn: [String; 2],
    /// Number of nearly independent values, on the side with fewer.
    pub(crate) independent: f64,
    /// Whether whole runs were drawn.
    pub(crate) by_run: bool,
    sums: [Vec<f64>; 2],
    parts: Vec<f64>,
    replicates: Vec<Vec<f64>>,
    factor: f64,
    /// Factor by which the interval of one stratum's estimate is wider than that of a single
    /// estimate, because all strata are looked at (Bonferroni).
    widened: f64,
}

impl<'a> Evidence<'a> {
    /// Reads and compares two sides.
    pub(crate) fn of(before: &'a Side, after: &'a Side, options: &Options) -> Self {
        let options = options.bounded();
        let layout = Layout::of(before, after);
        let readings =
            [before, after].map(|side| Reading::of(side, &layout, options.intervals_max));
        let prices = Prices::of(&readings[0], &readings[1], &layout);
        let by_run = readings.iter().all(|reading| reading.runs.len() >= RUNS_MIN);
        let rows = [0, 1].map(|side| prices.rows(&readings[side], &layout));
        let urns = Urn::pair(rows, by_run, options.intervals_max, &layout, &prices);
        let sums = [urns[0].sums(&layout), urns[1].sums(&layout)];
        let at = PartsLayout::of(&layout);
        let views = [Sums::of(&sums[0], &layout), Sums::of(&sums[1], &layout)];
        let known = known([&views[0], &views[1]], &layout);
        let mut parts = vec![0.0; at.width()];
        split([&views[0], &views[1]], &prices, &known, &at, &mut parts);
        let replicates = replicates(&urns, &options, &layout, &prices, &known, &at);
        let factor = |confidence| half_width_factor(&urns[0], &urns[1], confidence);
        let used = layout.strata().filter(|&it| views.iter().any(|side| side.operations(it) > 0.0));
        let of_many = 1.0 - (1.0 - options.confidence) / used.count().max(1) as f64;
        Self {
            sides: [before, after],
            factor: factor(options.confidence),
            widened: factor(of_many) / factor(options.confidence),
            drawn: [urns[0].describe(), urns[1].describe()],
            independent: urns[0].blocks().min(urns[1].blocks()),
            readings,
            layout,
            prices,
            at,
            options,
            by_run,
            sums,
            parts,
            replicates,
        }
    }

    /// Sums over a side, 0 or 1.
    pub(crate) fn sums(&self, side: usize) -> Sums<'_> {
        Sums::of(&self.sums[side], &self.layout)
    }

    /// Nanoseconds in slow paths per operation of a side, at the common prices.
    pub(crate) fn cost(&self, side: usize) -> f64 {
        self.sums(side).cost(&self.prices)
    }

    /// The sum of the parts of the split at `places`, with its interval.
    pub(crate) fn estimate(&self, places: &[usize]) -> Estimate {
        let sum = |row: &[f64]| places.iter().map(|&place| row[place]).sum::<f64>();
        let value = sum(&self.parts);
        let squares = self.replicates.iter().map(|row| (sum(row) - value).powi(2)).sum::<f64>();
        let half = self.factor * (squares / self.replicates.len().max(1) as f64).sqrt();
        Estimate { value, low: value - half, high: value + half }
    }

    /// Whether an estimate that is one of many surely rose, by at least `floor`. Among many
    /// estimates, chance makes some look sure that are not.
    pub(crate) fn is_sure_of_many(&self, estimate: &Estimate, floor: f64) -> bool {
        let half = (estimate.value - estimate.low) * self.widened;
        estimate.value >= floor && estimate.value - half > 0.0
    }

    /// Seconds of the shorter side.
    pub(crate) fn seconds(&self) -> f64 {
        self.readings.iter().map(Reading::seconds).fold(f64::INFINITY, f64::min)
    }

    /// The part of the split at `place`.
    pub(crate) fn part(&self, place: usize) -> f64 {
        self.parts[place]
    }

    /// The least change that counts, in nanoseconds per operation.
    pub(crate) fn floor_ns(&self) -> f64 {
        self.threshold_ns().max(self.options.threshold_relative * self.cost(0))
    }

    /// The least change that counts, whatever the cost is. Where whole runs were compared, it
    /// follows from the differences between them.
    pub(crate) fn threshold_ns(&self) -> f64 {
        if !self.options.is_threshold_derived || !self.by_run {
            return self.options.threshold_ns;
        }
        let frequencies: Vec<usize> =
            self.strata().flat_map(|stratum| self.at.frequency(stratum)).collect();
        let all = self.estimate(&frequencies);
        let derived = (DERIVED_HALVES * (all.high - all.value)).max(DERIVED_MIN_NS);
        derived.min(self.options.threshold_ns)
    }

    /// Whether clearly fewer calls of the same classes are slow, over all reasons, timed or not.
    pub(crate) fn has_fewer_slow(&self) -> bool {
        let sums = [self.sums(0), self.sums(1)];
        let slow = |side: usize, it: StratumId| {
            per(sums[side].slow_where(it, is_slow_path), sums[side].operations(it))
        };
        // Each class is weighted with the smaller of its shares on the two sides, so a change of
        // sizes has no effect.
        let weighed = |side: usize| -> f64 {
            let both = |it: StratumId| sums[0].share(it).min(sums[1].share(it));
            self.strata().map(|it| both(it) * slow(side, it)).sum()
        };
        weighed(1) < weighed(0) * FEWER_SLOW
    }

    /// Median duration of a class's slow paths on a side, if any was timed.
    pub(crate) fn typical_ns(&self, side: usize, class: usize) -> Option<f64> {
        median_ns(&self.readings[side], class)
    }

    /// All strata.
    pub(crate) fn strata(&self) -> impl Iterator<Item = StratumId> + use<> {
        self.layout.strata()
    }

    /// The word for a reason of a stratum.
    pub(crate) fn reason(&self, stratum: StratumId, reason: usize) -> &str {
        &self.layout.reasons[stratum.direction][reason]
    }

    /// Share of a class in all operations of a side.
    pub(crate) fn class_share(&self, side: usize, class: usize) -> f64 {
        let sums = self.sums(side);
        (0..2).map(|direction| sums.share(StratumId { class, direction })).sum()
    }
}

impl Estimate {
    /// Whether the interval excludes 0 and the value is at least `floor` in magnitude.
    pub(crate) fn is_change(&self, floor: f64) -> bool {
        self.is_rise(floor) || self.is_fall(floor)
    }

    /// Whether the value surely rose, by at least `floor`.
    pub(crate) fn is_rise(&self, floor: f64) -> bool {
        self.low > 0.0 && self.value >= floor
    }

    /// Whether the value surely fell, by at least `floor`.
    pub(crate) fn is_fall(&self, floor: f64) -> bool {
        self.high < 0.0 && self.value <= -floor
    }
}

fn replicates(
    urns: &[Urn; 2],
    options: &Options,
    layout: &Layout,
    prices: &Prices,
    known: &Known,
    at: &PartsLayout,
) -> Vec<Vec<f64>> {
    let mut random = Random::new(options.seed);
    let mut drawn = [vec![0.0; layout.width()], vec![0.0; layout.width()]];
    let replicate = |_| {
        for (urn, sums) in urns.iter().zip(&mut drawn) {
            urn.draw(&mut random, sums);
        }
        let views = [Sums::of(&drawn[0], layout), Sums::of(&drawn[1], layout)];
        let mut parts = vec![0.0; at.width()];
        split([&views[0], &views[1]], prices, known, at, &mut parts);
        parts
    };
    (0..options.replicates).map(replicate).collect()
}

#[cfg(test)]
mod tests;
