//! Finds the causes: named causes first, from the surest to the vaguest, then the remaining
//! reasons.
//!
//! Every part of the split can be claimed once. A rule that finds its cause claims the parts that
//! the cause explains, and later rules see only the rest, so nothing is listed twice and the costs
//! of causes can be added. Rules that know a setting come before rules that infer from behaviour,
//! and those before plain reasons.

mod anomalies;
mod durations;
mod memory;
mod paths;
mod settings;
mod sizes;
mod threads;
mod wording;

pub(crate) use durations::Slower;
pub(crate) use memory::{growth, least_growth};
pub(crate) use settings::values;
pub(crate) use wording::{bytes, number};

use hakmem_segment::vocabulary::{AllocReason, Class, FreeReason};

use crate::diagnosis::{Cause, CauseKind, Direction, Estimate};
use crate::evidence::Evidence;
use crate::layout::{DIRECTIONS, Reason, StratumId, is_slow_path};

/// The causes that the rules found, and the parts that they have claimed.
#[derive(Debug)]
pub(crate) struct Causes<'a> {
    evidence: &'a Evidence<'a>,
    claimed: Vec<bool>,
    floor_ns: f64,
    pub(crate) found: Vec<Cause>,
}

/// One reason of one stratum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) stratum: StratumId,
    pub(crate) reason: usize,
}

impl<'a> Causes<'a> {
    /// Applies all rules. `is_moved` tells whether the total cost changed by more than the
    /// thresholds; if it did, smaller causes are worth naming.
    pub(crate) fn of(evidence: &'a Evidence<'a>, is_moved: bool) -> Vec<Cause> {
        let share = if is_moved { 0.25 } else { 1.0 };
        let claimed = vec![false; evidence.at.width()];
        let floor_ns = evidence.floor_ns() * share;
        let mut causes = Self { evidence, claimed, floor_ns, found: Vec::new() };
        causes.find_anomalies();
        causes.find_routing();
        causes.find_check();
        causes.find_leak();
        causes.find_capacity_setting();
        causes.find_thread_churn();
        causes.find_size_crossing();
        causes.find_large_spans();
        causes.find_sizes_within();
        causes.find_handover();
        causes.find_smaller_lists();
        causes.find_mix();
        causes.find_reasons();
        causes.find_durations();
        causes.find_retention();
        causes.found
    }

    /// The items that no rule has claimed and that fulfil the condition `is`.
    fn items(&self, is: impl Fn(Option<Class>, StratumId, Reason) -> bool) -> Vec<Item> {
        let evidence = self.evidence;
        let mut items = Vec::new();
        for stratum in evidence.strata() {
            let class = Class::from_name(&evidence.layout.classes[stratum.class]);
            for (reason, place) in evidence.at.frequency(stratum).enumerate() {
                let word = evidence.reason(stratum, reason);
                let is_open = !self.claimed[place] && is_slow_path(word);
                if is_open && is(class, stratum, Reason::of(word)) {
                    items.push(Item { stratum, reason });
                }
            }
        }
        items
    }

    fn places(&self, items: &[Item]) -> Vec<usize> {
        items
            .iter()
            .map(|item| self.evidence.at.frequency(item.stratum).start + item.reason)
            .collect()
    }

    fn cost(&self, items: &[Item]) -> Estimate {
        self.evidence.estimate(&self.places(items))
    }

    fn claim(&mut self, places: &[usize]) {
        places.iter().for_each(|&place| self.claimed[place] = true);
    }

    /// Items whose frequency rose.
    fn risen(&self, items: Vec<Item>) -> Vec<Item> {
        let place = |item: &Item| self.evidence.at.frequency(item.stratum).start + item.reason;
        items.into_iter().filter(|item| self.evidence.part(place(item)) > 0.0).collect()
    }

    /// The item with the largest change, in the direction in which all of them together moved.
    fn most(&self, items: &[Item]) -> Option<Item> {
        let sign = self.cost(items).value.signum();
        let weight = |item: &Item| {
            let at = &self.evidence.at;
            let cost = self.evidence.part(at.frequency(item.stratum).start + item.reason);
            // Untimed slow paths cost nothing; the change of their share ranks them.
            (sign * cost, sign * self.evidence.part(at.share(item.stratum).start + item.reason))
        };
        let by_weight = |a: &&Item, b: &&Item| {
            let (a, b) = (weight(a), weight(b));
            a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1))
        };
        items.iter().max_by(by_weight).copied()
    }

    /// A cause made of `items`, described by one of them, `shown`.
    fn cause(&self, kind: CauseKind, items: &[Item], shown: Item, words: Words) -> Cause {
        let evidence = self.evidence;
        let of_stratum = items.iter().filter(|item| item.stratum == shown.stratum);
        let shares: Vec<usize> =
            of_stratum.map(|item| evidence.at.share(item.stratum).start + item.reason).collect();
        Cause {
            kind,
            class: Some(evidence.layout.classes[shown.stratum.class].clone()),
            direction: Some(DIRECTIONS[shown.stratum.direction]),
            reason: Some(evidence.reason(shown.stratum, shown.reason).to_owned()),
            cost_ns: self.cost(items),
            slow_share: evidence.estimate(&shares),
            operations: self.operations(shown.stratum),
            text: words.text,
            advice: words.advice,
        }
    }

    fn operations(&self, stratum: StratumId) -> [u64; 2] {
        [0, 1].map(|side| self.evidence.sums(side).operations(stratum) as u64)
    }

    /// Claims the items and lists the cause.
    fn list(&mut self, kind: CauseKind, items: &[Item], shown: Item, words: Words) {
        let cause = self.cause(kind, items, shown, words);
        self.claim(&self.places(items));
        self.found.push(cause);
    }
}

/// The text and the advice of a cause, for people.
#[derive(Clone, Debug, Default)]
pub(crate) struct Words {
    pub(crate) text: String,
    pub(crate) advice: String,
}

impl Words {
    pub(crate) fn new(text: String, advice: &str) -> Self {
        Self { text, advice: advice.to_owned() }
    }
}

impl Cause {
    /// A cause without a class: one that costs memory, or has no cost that can be counted.
    fn of_program(kind: CauseKind, words: Words) -> Self {
        Self {
            kind,
            class: None,
            direction: None,
            reason: None,
            cost_ns: Estimate::default(),
            slow_share: Estimate::default(),
            operations: [0, 0],
            text: words.text,
            advice: words.advice,
        }
    }
}

/// Whether `reason` means that a thread's list was empty or full.
fn is_exchange(reason: Reason) -> bool {
    is_refill(reason) || is_flush(reason)
}

/// Whether `reason` means that a list was empty.
fn is_refill(reason: Reason) -> bool {
    use AllocReason::{NewSlab, RefillCentral, RefillSlab, RefillSpare};
    matches!(reason, Reason::Allocation(RefillCentral | RefillSlab | NewSlab | RefillSpare))
}

/// Whether `reason` means that a list was full.
fn is_flush(reason: Reason) -> bool {
    matches!(reason, Reason::Free(FreeReason::FlushFull | FreeReason::FlushSpare))
}

/// The word for calls of a direction.
fn calls(direction: usize) -> &'static str {
    match DIRECTIONS[direction] {
        Direction::Allocation => "allocations",
        Direction::Free => "frees",
    }
}
