//! Splits the change of the cost exactly into its parts.
//!
//! The cost of a side is T = Σ m·s·p over strata: m is the stratum's share of all operations, s the
//! timed slow paths per operation of it, p what one of them takes. With P, the price over both
//! sides, the change splits as Kitagawa splits a difference of two rates ("Components of a
//! difference between two rates", J. Am. Stat. Assoc. 50, 1955): evenly, so that it does not matter
//! which side comes first.
//!
//! - mix = Σ P·(m₁−m₀)·(s₀+s₁)/2
//! - frequency = Σ P·(m₀+m₁)/2·(s₁−s₀), and this by reason, because s is a sum over reasons
//! - duration = Σ m₁·s₁·(p₁−P) + m₀·s₀·(P−p₀)
//!
//! The three sum to T₁−T₀ whatever the numbers are. A slow share is known only where a stratum was
//! used: one that a side hardly used is all mix, because nothing can be said about its path.
//!
//! Where the bins of a class are told apart, as those of `mid` from 1 to 256 KiB, mix and frequency
//! are summed over them instead: blocks of 70 KiB take more slow paths than those of 9 KiB on any
//! day. A price is that of a class. So as far as the slow paths of the sides are of other bins,
//! longer ones are another size's and count as mix.

use std::ops::Range;

use crate::layout::{Layout, StratumId};
use crate::prices::Prices;
use crate::statistics::per;

/// Operations below which a stratum's slow share is not known.
const KNOWN_OPERATIONS: f64 = 200.0;
/// A stratum whose share of all operations differs by more than this between sides is used for
/// something else: its slow share on the smaller side says nothing about the larger.
const COMPARABLE_SHARES: f64 = 10.0;

/// Share of a stratum's operations that its bins account for where they are told.
const TOLD_SHARE: f64 = 0.99;

/// Where each part of a change lies in a row of parts.
#[derive(Clone, Debug)]
pub(crate) struct PartsLayout {
    reasons: [usize; 2],
    classes: usize,
    timed: [Vec<bool>; 2],
}

/// The strata and bins of which both sides have enough operations for a comparison.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// Whether the slow share of each stratum is known.
    strata: Vec<bool>,
    /// Whether the slow share of each bin of a stratum is known; empty where bins are not told
    /// apart.
    bins: Vec<Vec<bool>>,
    /// Share of the slow paths of a class that are of the same bins on both sides.
    alike: Vec<f64>,
}

impl PartsLayout {
    /// Parts for the strata of a layout.
    pub(crate) fn of(layout: &Layout) -> Self {
        let reasons = [layout.reasons[0].len(), layout.reasons[1].len()];
        Self { reasons, classes: layout.classes.len(), timed: layout.timed.clone() }
    }

    /// Numbers in a row.
    pub(crate) fn width(&self) -> usize {
        self.start(StratumId { class: self.classes, direction: 0 })
    }

    fn start(&self, stratum: StratumId) -> usize {
        let class = 2 * (self.reasons[0] + self.reasons[1]) + 6;
        let direction = if stratum.direction == 0 { 0 } else { 2 * self.reasons[0] + 3 };
        stratum.class * class + direction
    }

    /// The part of the stratum's changed share of operations.
    pub(crate) fn mix(&self, stratum: StratumId) -> usize {
        self.start(stratum)
    }

    /// The part of the stratum's longer slow paths.
    pub(crate) fn duration(&self, stratum: StratumId) -> usize {
        self.start(stratum) + 1
    }

    /// The gain of the stratum's share of all operations.
    pub(crate) fn weight(&self, stratum: StratumId) -> usize {
        self.start(stratum) + 2
    }

    /// The parts of the stratum's more frequent slow paths, by reason.
    pub(crate) fn frequency(&self, stratum: StratumId) -> Range<usize> {
        let start = self.start(stratum) + 3;
        start..start + self.reasons[stratum.direction]
    }

    /// How many more slow paths an operation of the stratum takes, by reason.
    pub(crate) fn share(&self, stratum: StratumId) -> Range<usize> {
        let start = self.frequency(stratum).end;
        start..start + self.reasons[stratum.direction]
    }
}

/// Sums over a side, and the quantities derived from them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sums<'a> {
    /// A row of counts.
    pub(crate) row: &'a [f64],
    layout: &'a Layout,
    all: f64,
}

impl<'a> Sums<'a> {
    /// Sums up `row`.
    pub(crate) fn of(row: &'a [f64], layout: &'a Layout) -> Self {
        let all = layout.strata().map(|stratum| row[layout.operations(stratum)]).sum();
        Self { row, layout, all }
    }

    /// Operations of the program.
    pub(crate) fn all(&self) -> f64 {
        self.all
    }

    /// Operations of a stratum.
    pub(crate) fn operations(&self, stratum: StratumId) -> f64 {
        self.row[self.layout.operations(stratum)]
    }

    /// Share of a stratum.
    pub(crate) fn share(&self, stratum: StratumId) -> f64 {
        per(self.operations(stratum), self.all)
    }

    /// Slow paths of a stratum with one reason.
    pub(crate) fn slow(&self, stratum: StratumId, reason: usize) -> f64 {
        self.row[self.layout.slow(stratum).start + reason]
    }

    /// Timed slow paths of a stratum.
    pub(crate) fn timed(&self, stratum: StratumId) -> f64 {
        let counts = &self.row[self.layout.slow(stratum)];
        let timed = counts.iter().zip(&self.layout.timed[stratum.direction]);
        timed.map(|(count, &timed)| if timed { *count } else { 0.0 }).sum()
    }

    /// Operations of a stratum in one of its bins.
    pub(crate) fn bin_operations(&self, stratum: StratumId, bin: usize) -> f64 {
        self.row[self.layout.bin_operations(stratum, bin)]
    }

    /// Slow paths of a stratum in one of its bins, with one reason.
    fn bin_slow(&self, stratum: StratumId, bin: usize, reason: usize) -> f64 {
        self.row[self.layout.bin_slow(stratum, bin).start + reason]
    }

    /// Timed slow paths of a stratum in one of its bins.
    fn bin_timed(&self, stratum: StratumId, bin: usize) -> f64 {
        let counts = &self.row[self.layout.bin_slow(stratum, bin)];
        let timed = counts.iter().zip(&self.layout.timed[stratum.direction]);
        timed.map(|(count, &timed)| if timed { *count } else { 0.0 }).sum()
    }

    /// Slow paths of a stratum whose reason fulfils a condition.
    pub(crate) fn slow_where(&self, stratum: StratumId, is: fn(&str) -> bool) -> f64 {
        let words = &self.layout.reasons[stratum.direction];
        let counts = words.iter().enumerate().filter(|(_, word)| is(word));
        counts.map(|(reason, _)| self.slow(stratum, reason)).sum()
    }

    /// Mean duration of a class's timed slow paths, if any was timed.
    pub(crate) fn price(&self, class: usize) -> Option<f64> {
        let at = self.layout.durations(class);
        (self.row[at] > 0.0).then(|| self.row[at + 1] / self.row[at])
    }

    /// Nanoseconds in slow paths per operation, at these prices.
    pub(crate) fn cost(&self, prices: &Prices) -> f64 {
        let ns = |stratum: StratumId| prices.ns[stratum.class] * self.timed(stratum);
        per(self.layout.strata().map(ns).sum(), self.all)
    }
}

/// Which strata, and which of their bins, were used enough and alike enough for their paths to be
/// compared.
pub(crate) fn known(sides: [&Sums; 2], layout: &Layout) -> Known {
    let is_known = |operations: [f64; 2]| {
        let [before, after] = [0, 1].map(|side| per(operations[side], sides[side].all));
        let enough = operations.iter().all(|&it| it >= KNOWN_OPERATIONS);
        enough && before.max(after) <= before.min(after) * COMPARABLE_SHARES
    };
    let of_bins = |stratum: StratumId| {
        let bins = 0..layout.bins[stratum.class].len();
        let operations = |bin| sides.map(|side| side.bin_operations(stratum, bin));
        // A side that does not tell its bins has none to compare.
        let is_told = sides.iter().all(|side| {
            let told: f64 = bins.clone().map(|bin| side.bin_operations(stratum, bin)).sum();
            told >= side.operations(stratum) * TOLD_SHARE
        });
        if is_told { bins.map(|bin| is_known(operations(bin))).collect() } else { Vec::new() }
    };
    let bins: Vec<Vec<bool>> = layout.strata().map(of_bins).collect();
    let alike = |class| match (0..2)
        .any(|it| bins[StratumId { class, direction: it }.index()].is_empty())
    {
        true => 1.0,
        false => alike_share(sides, class, layout),
    };
    Known {
        strata: layout.strata().map(|it| is_known(sides.map(|side| side.operations(it)))).collect(),
        alike: (0..layout.classes.len()).map(alike).collect(),
        bins,
    }
}

/// Share of the timed slow paths of a class that are of the same bins on both sides.
fn alike_share(sides: [&Sums; 2], class: usize, layout: &Layout) -> f64 {
    let timed = |side: &Sums, bin| -> f64 {
        (0..2).map(|direction| side.bin_timed(StratumId { class, direction }, bin)).sum()
    };
    let bins = 0..layout.bins[class].len();
    let all = sides.map(|side| bins.clone().map(|bin| timed(side, bin)).sum::<f64>());
    if all.iter().any(|&it| it <= 0.0) {
        return 1.0;
    }
    bins.map(|bin| per(timed(sides[0], bin), all[0]).min(per(timed(sides[1], bin), all[1]))).sum()
}

/// Splits the change between two sides into `parts`, a row of the width of the parts' layout.
pub(crate) fn split(
    sides: [&Sums; 2],
    prices: &Prices,
    known: &Known,
    at: &PartsLayout,
    parts: &mut [f64],
) {
    let layout = sides[0].layout;
    for stratum in layout.strata() {
        let price = prices.ns[stratum.class];
        let m = sides.map(|side| side.share(stratum));
        let s = sides.map(|side| per(side.timed(stratum), side.operations(stratum)));
        let p = sides.map(|side| side.price(stratum.class).unwrap_or(price));
        let bins = &known.bins[stratum.index()];
        let mut shares = Shares { at, parts: &mut *parts, stratum, price, sum: m[0] + m[1] };
        if bins.is_empty() {
            let is_known = known.strata[stratum.index()];
            let slow = |side: usize, reason| sides[side].slow(stratum, reason);
            shares.add(m, s, is_known, sides.map(|side| side.operations(stratum)), slow);
        } else {
            for (bin, &is_known) in bins.iter().enumerate() {
                let operations = sides.map(|side| side.bin_operations(stratum, bin));
                let m = [0, 1].map(|side| per(operations[side], sides[side].all));
                let s = [0, 1].map(|it| per(sides[it].bin_timed(stratum, bin), operations[it]));
                let slow = |side: usize, reason| sides[side].bin_slow(stratum, bin, reason);
                shares.add(m, s, is_known, operations, slow);
            }
        }
        let duration = m[1] * s[1] * (p[1] - price) + m[0] * s[0] * (price - p[0]);
        let alike = known.alike[stratum.class];
        parts[at.duration(stratum)] = duration * alike;
        parts[at.mix(stratum)] += duration * (1.0 - alike);
        parts[at.weight(stratum)] = m[1] - m[0];
    }
}

/// The parts of one stratum, to which a stratum as a whole or each of its bins adds.
struct Shares<'a> {
    at: &'a PartsLayout,
    parts: &'a mut [f64],
    stratum: StratumId,
    price: f64,
    /// Share of the stratum in all operations, of both sides.
    sum: f64,
}

impl Shares<'_> {
    /// Adds a stratum or bin with the shares `m` of all operations and `s` slow paths per
    /// operation. `slow` counts the slow paths of a side by reason.
    fn add(
        &mut self,
        m: [f64; 2],
        s: [f64; 2],
        is_known: bool,
        operations: [f64; 2],
        slow: impl Fn(usize, usize) -> f64,
    ) {
        let (stratum, price) = (self.stratum, self.price);
        self.parts[self.at.mix(stratum)] += if is_known {
            price * (m[1] - m[0]) * (s[0] + s[1]) / 2.0
        } else {
            price * (m[1] * s[1] - m[0] * s[0])
        };
        if !is_known {
            return;
        }
        let places = self.at.frequency(stratum).zip(self.at.share(stratum));
        for (reason, (frequency, share)) in places.enumerate() {
            let [before, after] = [0, 1].map(|side| per(slow(side, reason), operations[side]));
            let change = after - before;
            let price = if self.at.timed[stratum.direction][reason] { price } else { 0.0 };
            self.parts[frequency] += price * (m[0] + m[1]) / 2.0 * change;
            self.parts[share] += per(m[0] + m[1], self.sum) * change;
        }
    }
}

#[cfg(test)]
mod tests;
