//! The change of the cost, split exactly.
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

use std::ops::Range;

use crate::layout::{Layout, StratumId};
use crate::prices::Prices;
use crate::statistics::per;

/// Operations below which a stratum's slow share is not known.
const KNOWN_OPERATIONS: f64 = 200.0;
/// A stratum whose share of all operations differs by more than this between sides is used for
/// something else: its slow share on the smaller side says nothing about the larger.
const COMPARABLE_SHARES: f64 = 10.0;

/// Where each part of a change lies in a row of parts.
#[derive(Clone, Debug)]
pub(crate) struct PartsLayout {
    reasons: [usize; 2],
    classes: usize,
}

/// Which strata have a path that both sides know.
pub(crate) type Known = Vec<bool>;

impl PartsLayout {
    /// Parts for the strata of a layout.
    pub(crate) fn of(layout: &Layout) -> Self {
        let reasons = [layout.reasons[0].len(), layout.reasons[1].len()];
        Self { reasons, classes: layout.classes.len() }
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

    /// What the stratum adds by its share.
    pub(crate) fn mix(&self, stratum: StratumId) -> usize {
        self.start(stratum)
    }

    /// What it adds by longer slow paths.
    pub(crate) fn duration(&self, stratum: StratumId) -> usize {
        self.start(stratum) + 1
    }

    /// What its share of all operations gains.
    pub(crate) fn weight(&self, stratum: StratumId) -> usize {
        self.start(stratum) + 2
    }

    /// What it adds by more slow paths, by reason.
    pub(crate) fn frequency(&self, stratum: StratumId) -> Range<usize> {
        let start = self.start(stratum) + 3;
        start..start + self.reasons[stratum.direction]
    }

    /// How many more slow paths an operation of it takes, by reason.
    pub(crate) fn share(&self, stratum: StratumId) -> Range<usize> {
        let start = self.frequency(stratum).end;
        start..start + self.reasons[stratum.direction]
    }
}

/// Sums over a side, with what follows from them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sums<'a> {
    /// A row of counts.
    pub(crate) row: &'a [f64],
    layout: &'a Layout,
    all: f64,
}

impl<'a> Sums<'a> {
    /// Of a row.
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

/// Which strata were used enough, and alike enough, for their paths to be compared.
pub(crate) fn known(sides: [&Sums; 2], layout: &Layout) -> Known {
    let is_known = |stratum| {
        let [before, after] = sides.map(|side| side.share(stratum));
        let enough = sides.iter().all(|side| side.operations(stratum) >= KNOWN_OPERATIONS);
        enough && before.max(after) <= before.min(after) * COMPARABLE_SHARES
    };
    layout.strata().map(is_known).collect()
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
        let is_known = known[stratum.index()];
        parts[at.mix(stratum)] = if is_known {
            price * (m[1] - m[0]) * (s[0] + s[1]) / 2.0
        } else {
            price * (m[1] * s[1] - m[0] * s[0])
        };
        parts[at.duration(stratum)] = m[1] * s[1] * (p[1] - price) + m[0] * s[0] * (price - p[0]);
        parts[at.weight(stratum)] = m[1] - m[0];
        let places = at.frequency(stratum).zip(at.share(stratum));
        for (reason, (frequency, share)) in places.enumerate() {
            let per_operation =
                sides.map(|side| per(side.slow(stratum, reason), side.operations(stratum)));
            let change = if is_known { per_operation[1] - per_operation[0] } else { 0.0 };
            let price = if layout.timed[stratum.direction][reason] { price } else { 0.0 };
            parts[frequency] = price * (m[0] + m[1]) / 2.0 * change;
            parts[share] = change;
        }
    }
}
