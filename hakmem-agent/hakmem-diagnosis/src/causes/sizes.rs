//! Causes in the sizes that the program asks for: other classes, other sizes within one class, a
//! crossing between two classes, and large spans.

use hakmem_segment::vocabulary::Class;

use super::wording::{bytes, number, percent};
use super::{Causes, Item, Words, calls};
use crate::diagnosis::{Cause, CauseKind, Estimate};
use crate::evidence::Evidence;
use crate::layout::{DIRECTIONS, StratumId};
use crate::statistics::per;

/// Share of operations that must be of another class for the mix to have changed.
const MIX_SHARE: f64 = 0.05;
/// Share of operations that must cross between neighbouring classes; a crossing is easier to tell
/// from chance than a change of the mix.
const CROSSING_SHARE: f64 = 0.02;
/// The class that loses operations and its neighbour that gains them must agree by this ratio.
const CROSSING_MATCH: f64 = 0.6;
/// Change among the other classes, as a share of the operations that crossed, above which the
/// change is more than a crossing.
const CROSSING_REST: f64 = 0.5;
/// Share of a class's operations that must be of other bins for its sizes to have changed.
const WITHIN_SHARE: f64 = 0.2;
/// Operations below which the bins of a class say nothing.
const WITHIN_OPERATIONS: f64 = 1_000.0;
/// Rise of the share of large spans that is worth a cause of its own.
const LARGE_RATE: f64 = 1.2;

/// Operations that moved from one class to its neighbour.
#[derive(Clone, Copy, Debug)]
struct Crossing {
    from: usize,
    to: usize,
    /// As a share of all operations.
    moved: f64,
}

/// The change between the bins of a class.
#[derive(Clone, Copy, Debug)]
struct Within {
    /// Share of the class's operations that are of other bins.
    moved: f64,
    /// The bin with most operations on each side.
    usual: [usize; 2],
}

impl Within {
    /// `None` where a side does not tell its bins, or hardly uses the class.
    fn of(evidence: &Evidence, class: usize) -> Option<Self> {
        let bins = 0..evidence.layout.bins[class].len();
        let operations = |side: usize, bin: usize| -> f64 {
            let sums = evidence.sums(side);
            (0..2).map(|direction| sums.bin_operations(StratumId { class, direction }, bin)).sum()
        };
        let all = [0, 1].map(|side| bins.clone().map(|bin| operations(side, bin)).sum::<f64>());
        if all.iter().any(|&it| it < WITHIN_OPERATIONS) {
            return None;
        }
        let share = |side: usize, bin: usize| per(operations(side, bin), all[side]);
        let same: f64 = bins.clone().map(|bin| share(0, bin).min(share(1, bin))).sum();
        let most =
            |side: usize| bins.clone().max_by(|&a, &b| share(side, a).total_cmp(&share(side, b)));
        Some(Self { moved: 1.0 - same, usual: [most(0)?, most(1)?] })
    }
}

impl Causes<'_> {
    /// Requests that were just below the limit of a class and are now just above it, or the other
    /// way round.
    pub(super) fn find_size_crossing(&mut self) {
        let Some(crossing) = self.crossing() else { return };
        let classes = &self.evidence.layout.classes;
        let (from, to) = (classes[crossing.from].clone(), classes[crossing.to].clone());
        let text = format!(
            "{} of all operations moved from {from} to {to}: {from} went from {} to {} of them, \
             {to} from {} to {}",
            percent(crossing.moved),
            percent(self.evidence.class_share(0, crossing.from)),
            percent(self.evidence.class_share(1, crossing.from)),
            percent(self.evidence.class_share(0, crossing.to)),
            percent(self.evidence.class_share(1, crossing.to)),
        );
        let strata = self.strata_of(&[crossing.from, crossing.to]);
        if to == Class::Large.name() {
            return self.list_crossing_into_large(crossing, &strata, text);
        }
        let advice = "look for a type or buffer that grew past the limit of its class, or shrank \
                      below it";
        let words = Words::new(text, advice);
        self.list_mix(CauseKind::SizeCrossing, crossing.to, &strata, words);
    }

    /// A crossing into large spans is judged by its cost: they have no fast path, so the program
    /// does more than ask for other sizes.
    fn list_crossing_into_large(&mut self, crossing: Crossing, strata: &[StratumId], text: String) {
        let items = self.items(|class, _, _| class == Some(Class::Large));
        let mut places = self.places(&items);
        places.extend(strata.iter().map(|&it| self.evidence.at.mix(it)));
        let cost = self.evidence.estimate(&places);
        let is_dear = cost.is_rise(self.evidence.floor_ns());
        let (kind, advice) = if is_dear {
            let advice = "blocks above 256 KiB are mapped and unmapped one by one: reuse such \
                          buffers, or keep them below that size";
            (CauseKind::LargeSpans, advice)
        } else {
            (CauseKind::SizeCrossing, "look for a buffer that grew past 256 KiB")
        };
        self.list_mix(kind, crossing.to, strata, Words::new(text, advice));
        self.claim(&places);
        if let Some(cause) = self.found.last_mut() {
            cause.cost_ns = cost;
        }
    }

    /// Other sizes within a class. The class hides them, but a block of 70 KiB costs more than one
    /// of 9 KiB on any path.
    pub(super) fn find_sizes_within(&mut self) {
        let evidence = self.evidence;
        for class in 0..evidence.layout.classes.len() {
            let Some(within) = Within::of(evidence, class) else { continue };
            let strata = self.strata_of(&[class]);
            if strata.iter().any(|&it| self.claimed[evidence.at.mix(it)]) {
                continue;
            }
            let of_all = within.moved * evidence.class_share(1, class);
            let cost = self.mix_cost(&strata);
            let matters = of_all >= MIX_SHARE || cost.is_change(self.floor_ns);
            if within.moved < WITHIN_SHARE || !matters {
                continue;
            }
            let [before, after] = within.usual.map(|bin| self.size_of_bin(class, bin));
            let text = format!(
                "{} of the operations of {} use other sizes than before: most used {before}, and \
                 now use {after}",
                percent(within.moved),
                evidence.layout.classes[class],
            );
            let advice = "the program asks for other sizes of the same class: look for a change in \
                          its behaviour, not for a slower path";
            self.list_mix(CauseKind::Mix, class, &strata, Words::new(text, advice));
        }
    }

    /// "up to 80.0 KiB", or the number of the bin where no process tells its size.
    fn size_of_bin(&self, class: usize, bin: usize) -> String {
        let number = self.evidence.layout.bins[class][bin];
        let series = self.evidence.sides.iter().flat_map(|side| &side.series);
        let mut bins = series.flat_map(|it| &it.identity.bins).filter(|it| it.bin == number);
        match bins.find(|it| it.stride_bytes > 0) {
            Some(bin) => format!("up to {}", bytes(bin.stride_bytes.into())),
            None => format!("bin {number}"),
        }
    }

    /// Any other change of the shares of the classes.
    pub(super) fn find_mix(&mut self) {
        let evidence = self.evidence;
        let classes = 0..evidence.layout.classes.len();
        let unclaimed = |class: &usize| {
            self.strata_of(&[*class]).iter().all(|it| !self.claimed[evidence.at.mix(*it)])
        };
        let left: Vec<usize> = classes.filter(unclaimed).collect();
        let strata = self.strata_of(&left);
        let gain = |class: &usize| self.gain(*class);
        let moved = left.iter().map(|class| gain(class).value.abs()).sum::<f64>() / 2.0;
        let Some(&most) = left.iter().max_by(|a, b| gain(a).value.total_cmp(&gain(b).value)) else {
            return;
        };
        let shifted = moved >= MIX_SHARE && gain(&most).is_change(0.0);
        let cost = self.mix_cost(&strata);
        if !shifted && !cost.is_change(self.floor_ns.max(evidence.floor_ns())) {
            return;
        }
        let text = format!(
            "{} of all operations use other classes than before: {} went from {} to {}",
            percent(moved),
            evidence.layout.classes[most],
            percent(evidence.class_share(0, most)),
            percent(evidence.class_share(1, most)),
        );
        let advice = "the program asks for other sizes, or calls in another proportion: look for a \
                      change in its behaviour, not for a slower path";
        self.list_mix(CauseKind::Mix, most, &strata, Words::new(text, advice));
    }

    /// More large spans. They are mapped and unmapped one by one and have no fast path, so more of
    /// them is a slower path and not just another size.
    pub(super) fn find_large_spans(&mut self) {
        let evidence = self.evidence;
        let Some(large) = evidence.layout.class(Class::Large.name()) else { return };
        let [before, after] = [0, 1].map(|side| evidence.class_share(side, large));
        let strata = self.strata_of(&[large]);
        let mixes: Vec<usize> = strata.iter().map(|&it| evidence.at.mix(it)).collect();
        if after < before * LARGE_RATE || mixes.iter().any(|&place| self.claimed[place]) {
            return;
        }
        let items = self.items(|class, _, _| class == Some(Class::Large));
        let mut places = self.places(&items);
        places.extend(mixes);
        let cost = evidence.estimate(&places);
        if !cost.is_rise(self.floor_ns) {
            return;
        }
        let Some(shown) = self.most_frequent(&items) else { return };
        let live = [0, 1].map(|side| evidence.sums(side).operations(shown.stratum));
        let text = format!(
            "{} of a million operations concern a large span instead of {}: {} large {} instead of \
             {}, each mapped, unmapped or resized on its own",
            number(after * 1e6),
            number(before * 1e6),
            live[1],
            calls(shown.stratum.direction),
            live[0],
        );
        let advice = "reuse large buffers, or let them grow by a factor instead of step by step";
        let words = Words::new(text, advice);
        let cause =
            Cause { cost_ns: cost, ..self.cause(CauseKind::LargeSpans, &items, shown, words) };
        self.claim(&places);
        self.found.push(cause);
    }

    /// The neighbouring classes between which most operations moved, if little else changed.
    fn crossing(&self) -> Option<Crossing> {
        let classes = &self.evidence.layout.classes;
        let sized = self.evidence.layout.class(Class::None.name()).unwrap_or(classes.len());
        let pairs = (1..sized).flat_map(|high| [(high - 1, high), (high, high - 1)]);
        let crossings = pairs.filter_map(|(from, to)| self.crossing_between(from, to));
        crossings.max_by(|a, b| a.moved.total_cmp(&b.moved))
    }

    /// Compares the shares of two classes relative to all others, because more or fewer operations
    /// elsewhere dilute the plain shares.
    fn crossing_between(&self, from: usize, to: usize) -> Option<Crossing> {
        let share = |side: usize, class: usize| self.evidence.class_share(side, class);
        let others = [0, 1].map(|side| (1.0 - share(side, from) - share(side, to)).max(0.0));
        // Where the two classes have nearly all operations, nothing dilutes them.
        let scale =
            |side: usize| if others.iter().all(|&it| it > 0.05) { others[side] } else { 1.0 };
        let rate = |side: usize, class: usize| per(share(side, class), scale(side));
        let lost = (rate(0, from) - rate(1, from)) * scale(1);
        let won = (rate(1, to) - rate(0, to)) * scale(1);
        let moved = lost.min(won);
        let is_sure = self.gain(from).is_fall(0.0) && self.gain(to).is_rise(0.0);
        let matches = moved >= CROSSING_MATCH * lost.max(won);
        let rest: f64 = (0..self.evidence.layout.classes.len())
            .filter(|&class| class != from && class != to)
            .map(|class| (rate(1, class) - rate(0, class)).abs() * scale(1))
            .sum();
        let alone = rest / 2.0 <= CROSSING_REST * moved;
        (moved >= CROSSING_SHARE && is_sure && matches && alone).then_some(Crossing {
            from,
            to,
            moved,
        })
    }

    /// The gain of a class's share of all operations.
    fn gain(&self, class: usize) -> Estimate {
        let places =
            [0, 1].map(|direction| self.evidence.at.weight(StratumId { class, direction }));
        self.evidence.estimate(&places)
    }

    fn strata_of(&self, classes: &[usize]) -> Vec<StratumId> {
        let both = |&class: &usize| [0, 1].map(|direction| StratumId { class, direction });
        classes.iter().flat_map(both).collect()
    }

    fn mix_cost(&self, strata: &[StratumId]) -> Estimate {
        let places: Vec<usize> = strata.iter().map(|&it| self.evidence.at.mix(it)).collect();
        self.evidence.estimate(&places)
    }

    fn list_mix(&mut self, kind: CauseKind, shown: usize, strata: &[StratumId], words: Words) {
        let most = StratumId { class: shown, direction: 0 };
        let cause = Cause {
            class: Some(self.evidence.layout.classes[shown].clone()),
            direction: Some(DIRECTIONS[0]),
            cost_ns: self.mix_cost(strata),
            operations: self.operations(most),
            ..Cause::of_program(kind, words)
        };
        let places: Vec<usize> = strata.iter().map(|&it| self.evidence.at.mix(it)).collect();
        self.claim(&places);
        self.found.push(cause);
    }

    /// The item that occurs most often on the side after.
    fn most_frequent(&self, items: &[Item]) -> Option<Item> {
        let sums = self.evidence.sums(1);
        let count = |item: &&Item| sums.slow(item.stratum, item.reason);
        items.iter().max_by(|a, b| count(a).total_cmp(&count(b))).copied()
    }
}
