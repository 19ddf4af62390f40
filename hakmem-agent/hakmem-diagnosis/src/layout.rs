//! The places of counts in a row, so that intervals can be added as plain rows of numbers.
//!
//! A row holds, for each stratum (a class and a direction), its operations and its slow paths by
//! reason, and then, for each class, the number of its timed slow paths and the sum of their
//! durations. For each bin of the classes whose bins are told apart, operations and slow paths by
//! reason of both directions follow.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use hakmem_proto::v1::Process;
use hakmem_segment::BINS;
use hakmem_segment::vocabulary::{AllocReason, Class, FreeReason, Outcome};

use crate::diagnosis::Direction;
use crate::side::Side;

/// The number of classes, or of reasons of one direction, that are kept: three times as many as
/// exist. A forged file must not exhaust memory; words that no version knows come last and are
/// dropped first.
const WORDS_MAX: usize = 32;

/// Both directions, in the order of strata.
pub(crate) const DIRECTIONS: [Direction; 2] = [Direction::Allocation, Direction::Free];

/// The words that two sides use.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    /// Smallest class first; those that this version does not know come last.
    pub(crate) classes: Vec<String>,
    /// Reasons of allocations and of frees.
    pub(crate) reasons: [Vec<String>; 2],
    /// Whether slow paths with these reasons are timed.
    pub(crate) timed: [Vec<bool>; 2],
    /// Numbers of the bins of each class that are told apart; none where samples do not tell them.
    pub(crate) bins: Vec<Vec<u32>>,
}

/// A word of [`Layout::reasons`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Allocation(AllocReason),
    Free(FreeReason),
    /// A word that this version does not know.
    Unknown,
}

impl Reason {
    /// The reason of either direction with this word; the directions share none.
    pub(crate) fn of(word: &str) -> Self {
        let allocation = AllocReason::from_name(word).map(Self::Allocation);
        let free = || FreeReason::from_name(word).map(Self::Free);
        allocation.or_else(free).unwrap_or(Self::Unknown)
    }
}

/// Whether slow paths with this reason are timed; exchanges with the spare are not.
fn is_timed(reason: Reason) -> bool {
    !matches!(
        reason,
        Reason::Allocation(AllocReason::RefillSpare | AllocReason::OutOfMemory)
            | Reason::Free(FreeReason::FlushSpare)
    )
}

/// Whether the word counts a slow path of an operation; failed requests are no operations.
pub(crate) fn is_slow_path(reason: &str) -> bool {
    reason != AllocReason::OutOfMemory.name()
}

/// Whether only a bug can cause a free with this outcome.
pub(crate) fn is_anomaly(outcome: &str) -> bool {
    Outcome::from_name(outcome).is_some_and(Outcome::is_anomaly)
}

impl Layout {
    /// The words of both sides.
    pub(crate) fn of(before: &Side, after: &Side) -> Self {
        let mut classes = BTreeSet::new();
        let mut bins: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
        let mut reasons = [BTreeSet::new(), BTreeSet::new()];
        let series = before.series.iter().chain(&after.series);
        for sample in series.flat_map(|series| &series.samples) {
            collect(sample, &mut classes, &mut reasons);
            for class in sample.classes.iter().filter(|class| !class.bins.is_empty()) {
                let known = bins.entry(class.class.clone()).or_default();
                known.extend(class.bins.iter().map(|bin| bin.bin));
            }
        }
        let [allocations, frees] = reasons;
        let reasons = [
            ordered(allocations, AllocReason::ALL.iter().map(|reason| reason.name())),
            ordered(frees, FreeReason::ALL.iter().map(|reason| reason.name())),
        ];
        let classes = ordered(classes, Class::ALL.iter().map(|class| class.name()));
        let of_class = |class: &String| {
            let bins = bins.get(class).into_iter().flatten();
            bins.copied().take(BINS).collect()
        };
        Self {
            bins: classes.iter().map(of_class).collect(),
            classes,
            timed: [0, 1]
                .map(|it| reasons[it].iter().map(|word| is_timed(Reason::of(word))).collect()),
            reasons,
        }
    }

    /// Class and direction of each stratum.
    pub(crate) fn strata(&self) -> impl Iterator<Item = StratumId> + use<> {
        let classes = self.classes.len();
        (0..classes).flat_map(|class| (0..2).map(move |direction| StratumId { class, direction }))
    }

    /// Length of a row.
    pub(crate) fn width(&self) -> usize {
        self.bin_operations(StratumId { class: self.classes.len(), direction: 0 }, 0)
    }

    /// Place of the operations of a stratum in one of its bins.
    pub(crate) fn bin_operations(&self, stratum: StratumId, bin: usize) -> usize {
        let width = self.reasons[0].len() + self.reasons[1].len() + 2;
        let before: usize = self.bins[..stratum.class].iter().map(Vec::len).sum();
        let direction = if stratum.direction == 0 { 0 } else { self.reasons[0].len() + 1 };
        self.durations(self.classes.len()) + (before + bin) * width + direction
    }

    /// Places of the slow paths of a stratum in one of its bins, by reason.
    pub(crate) fn bin_slow(&self, stratum: StratumId, bin: usize) -> Range<usize> {
        let start = self.bin_operations(stratum, bin) + 1;
        start..start + self.reasons[stratum.direction].len()
    }

    /// Place of the operations of a stratum.
    pub(crate) fn operations(&self, stratum: StratumId) -> usize {
        let class = self.reasons[0].len() + self.reasons[1].len() + 2;
        let direction = if stratum.direction == 0 { 0 } else { self.reasons[0].len() + 1 };
        stratum.class * class + direction
    }

    /// Places of the slow paths of a stratum, by reason.
    pub(crate) fn slow(&self, stratum: StratumId) -> Range<usize> {
        let start = self.operations(stratum) + 1;
        start..start + self.reasons[stratum.direction].len()
    }

    /// Place of the number of a class's timed slow paths; the sum of their durations follows.
    pub(crate) fn durations(&self, class: usize) -> usize {
        self.operations(StratumId { class: self.classes.len(), direction: 0 }) + class * 2
    }

    /// Index of the class called `name`.
    pub(crate) fn class(&self, name: &str) -> Option<usize> {
        self.classes.iter().position(|class| class == name)
    }
}

/// A class and a direction, as indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct StratumId {
    /// Index into [`Layout::classes`].
    pub(crate) class: usize,
    /// Index into [`DIRECTIONS`].
    pub(crate) direction: usize,
}

impl StratumId {
    /// Index of the stratum in the order of all strata.
    pub(crate) fn index(self) -> usize {
        self.class * 2 + self.direction
    }
}

fn collect(sample: &Process, classes: &mut BTreeSet<String>, reasons: &mut [BTreeSet<String>; 2]) {
    for class in &sample.classes {
        if !classes.contains(&class.class) {
            classes.insert(class.class.clone());
        }
        for (direction, counts) in [&class.slow_allocations, &class.slow_frees].iter().enumerate() {
            for count in counts.iter() {
                if !reasons[direction].contains(&count.reason) {
                    reasons[direction].insert(count.reason.clone());
                }
            }
        }
    }
}

/// Known words in their own order, then the others.
fn ordered(words: BTreeSet<String>, known: impl Iterator<Item = &'static str>) -> Vec<String> {
    let known: Vec<&str> = known.collect();
    let place = |word: &String| known.iter().position(|it| it == word).unwrap_or(known.len());
    let mut words: Vec<String> = words.into_iter().collect();
    words.sort_by_key(place);
    words.truncate(WORDS_MAX);
    words
}

#[cfg(test)]
mod tests {
    use hakmem_proto::v1::{BinCounters, ClassCounters, ReasonCount};

    use super::*;
    use crate::decomposition::PartsLayout;
    use crate::side::Series;

    fn layout() -> Layout {
        let reasons = |words: &[&str]| -> Vec<ReasonCount> {
            let reason = |word: &&str| ReasonCount { reason: (*word).to_owned(), count: 1 };
            words.iter().map(reason).collect()
        };
        let class = |name: &str, bins: &[u32]| ClassCounters {
            class: name.to_owned(),
            slow_allocations: reasons(&["refill_spare", "refill_central", "out_of_memory"]),
            slow_frees: reasons(&["flush_spare", "flush_full", "late", "a word of next year"]),
            bins: bins.iter().map(|&bin| BinCounters { bin, ..Default::default() }).collect(),
            ..ClassCounters::default()
        };
        let classes = vec![class("new", &[]), class("mid", &[30, 22, 23]), class("C7", &[8, 21])];
        let samples = vec![Process { classes, ..Process::default() }];
        let side =
            Side { series: vec![Series { samples, ..Series::default() }], ..Side::default() };
        Layout::of(&side, &Side::default())
    }

    /// Each place of a row has exactly one meaning.
    fn check_places(mut places: Vec<usize>, width: usize) {
        places.sort_unstable();
        assert_eq!(places, (0..width).collect::<Vec<usize>>());
    }

    #[test]
    fn words_that_this_version_knows_come_first_and_in_their_order() {
        let layout = layout();
        assert_eq!(layout.classes, ["C7", "mid", "new"]);
        assert_eq!(layout.reasons[0], ["refill_central", "out_of_memory", "refill_spare"]);
        let frees = ["flush_full", "late", "flush_spare", "a word of next year"];
        assert_eq!(layout.reasons[1], frees);
        assert_eq!(layout.timed, [vec![true, false, false], vec![true, true, false, true]]);
        assert_eq!(layout.bins, [vec![8, 21], vec![22, 23, 30], vec![]]);
        assert_eq!((layout.class("mid"), layout.class("C1")), (Some(1), None));
    }

    #[test]
    fn every_count_of_a_row_has_a_place_of_its_own() {
        let layout = layout();
        let mut places = Vec::new();
        for stratum in layout.strata() {
            places.push(layout.operations(stratum));
            places.extend(layout.slow(stratum));
            for bin in 0..layout.bins[stratum.class].len() {
                places.push(layout.bin_operations(stratum, bin));
                places.extend(layout.bin_slow(stratum, bin));
            }
        }
        for class in 0..layout.classes.len() {
            places.extend([layout.durations(class), layout.durations(class) + 1]);
        }
        check_places(places, layout.width());
        let indices: Vec<usize> = layout.strata().map(StratumId::index).collect();
        assert_eq!(indices, [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn every_part_of_a_split_has_a_place_of_its_own() {
        let layout = layout();
        let at = PartsLayout::of(&layout);
        let mut places = Vec::new();
        for stratum in layout.strata() {
            places.extend([at.mix(stratum), at.duration(stratum), at.weight(stratum)]);
            places.extend(at.frequency(stratum));
            places.extend(at.share(stratum));
        }
        check_places(places, at.width());
    }
}
