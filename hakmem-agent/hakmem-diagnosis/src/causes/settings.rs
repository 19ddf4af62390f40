//! Causes that are settings: routing, check and the capacity of lists.

use std::collections::BTreeSet;

use hakmem_segment::vocabulary::{Class, FreeReason};

use super::wording::bytes;
use super::{Causes, Item, Words, is_exchange};
use crate::diagnosis::CauseKind;
use crate::layout::Reason;
use crate::side::Side;

/// Share of frees by which `routed` or `check` must move for the class to count as routed or
/// checked differently.
const WAY_SHARE: f64 = 0.001;

impl Causes<'_> {
    /// Another routing sends some classes through another path and changes the layout of all of
    /// them.
    pub(super) fn find_routing(&mut self) {
        let routing = self.setting(|series| series.identity.routing.clone());
        let moved = self.moved_ways(FreeReason::Routed);
        let items = match (&routing, moved.is_empty()) {
            (None, true) => return,
            // Only the routed frees point to the routing; other changes have other causes.
            (None, false) => self.items(|_, it, _| moved.contains(&it.class)),
            (Some(_), _) => self.items(|class, it, reason| {
                moved.contains(&it.class) || (class != Some(Class::Large) && is_exchange(reason))
            }),
        };
        let routed: Vec<Item> = self.with_reason(&items, FreeReason::Routed);
        let Some(shown) = self.most(if routed.is_empty() { &items } else { &routed }) else {
            return;
        };
        if !self.cost(&items).is_change(self.floor_ns) {
            return;
        }
        let which = routing.map_or_else(String::new, |it| format!("; routing {it}"));
        let text = format!("{}{which}", self.sentence(shown));
        let advice = "set HAKMEM_ROUTING=direct, under which every class takes the fast path, or \
                      compare the routings with `bench_routings`";
        self.list(CauseKind::Routing, &items, shown, Words::new(text, advice));
    }

    /// Every checked free takes the slow path, whatever it would have taken otherwise, and leaves
    /// no block on the list for the next allocation.
    pub(super) fn find_check(&mut self) {
        let check = self.setting(|series| series.identity.check.clone());
        let moved = self.moved_ways(FreeReason::Check);
        let items = self.items(|_, it, reason| {
            moved.contains(&it.class)
                && (reason == Reason::Free(FreeReason::Check) || is_exchange(reason))
        });
        let checked = self.with_reason(&items, FreeReason::Check);
        let Some(shown) = self.most(&checked) else { return };
        if !self.cost(&items).is_change(self.floor_ns) {
            return;
        }
        let which = check.map_or_else(String::new, |it| format!("; check {it}"));
        let text = format!("{}{which}", self.sentence(shown));
        let advice = "set HAKMEM_CHECK=sample, which checks one free in 1024, and keep `full` for \
                      hunting bugs";
        self.list(CauseKind::Check, &items, shown, Words::new(text, advice));
    }

    /// Lists with a smaller limit are empty and full more often.
    pub(super) fn find_capacity_setting(&mut self) {
        let limits = [0, 1].map(|side| {
            let series = &self.evidence.sides[side].series;
            let limits = series.iter().map(|it| it.identity.list_bytes_max).filter(|&it| it > 0);
            limits.collect::<BTreeSet<u32>>()
        });
        let [before, after] = &limits;
        if before.is_empty() || after.is_empty() || before == after {
            return;
        }
        let items =
            self.items(|class, _, reason| class != Some(Class::Large) && is_exchange(reason));
        let Some(shown) = self.most(&items) else { return };
        if !self.cost(&items).is_change(self.floor_ns) {
            return;
        }
        let words = limits.map(|limits| {
            let limits = limits.iter().map(|&limit| bytes(limit.into()));
            limits.collect::<Vec<String>>().join(", ")
        });
        let text = format!(
            "{}; a list may hold {} instead of {}",
            self.sentence(shown),
            words[1],
            words[0]
        );
        let advice = "unset HAKMEM_LIST_BYTES, or raise it: lists that hold all the blocks that \
                      the program allocates and frees at once need no central store";
        self.list(CauseKind::Capacity, &items, shown, Words::new(text, advice));
    }

    /// Lists that hold less per thread than before, and so are empty and full more often, where no
    /// setting explains it.
    pub(super) fn find_smaller_lists(&mut self) {
        let evidence = self.evidence;
        let per_thread = |side: usize, class: usize| {
            let median = evidence.readings[side].median(|moment| {
                let threads = moment.threads[0];
                (threads >= 1.0).then(|| moment.capacity_blocks[class] / threads)
            });
            median.unwrap_or(0.0)
        };
        let shrunk: Vec<usize> = (0..evidence.layout.classes.len())
            .filter(|&class| {
                let [before, after] = [0, 1].map(|side| per_thread(side, class));
                after > 0.0 && after < before * 0.7
            })
            .collect();
        let items = self.items(|class, it, reason| {
            class != Some(Class::Large) && shrunk.contains(&it.class) && is_exchange(reason)
        });
        let Some(shown) = self.most(&items) else { return };
        if !self.cost(&items).is_rise(self.floor_ns) {
            return;
        }
        let [before, after] = [0, 1].map(|side| per_thread(side, shown.stratum.class));
        let text = format!(
            "{}; its lists hold {after:.0} blocks a thread instead of {before:.0}",
            self.sentence(shown)
        );
        let advice = "check whether more threads share the work, and compare HAKMEM_LIST_BYTES on \
                      both sides";
        self.list(CauseKind::Capacity, &items, shown, Words::new(text, advice));
    }

    /// Classes whose share of frees with `reason` has surely changed.
    fn moved_ways(&self, reason: FreeReason) -> Vec<usize> {
        let items = self.items(|_, _, it| it == Reason::Free(reason));
        let is_moved = |item: &&Item| {
            let place = self.evidence.at.share(item.stratum).start + item.reason;
            self.evidence.estimate(&[place]).is_change(WAY_SHARE)
        };
        items.iter().filter(is_moved).map(|item| item.stratum.class).collect()
    }

    fn with_reason(&self, items: &[Item], reason: FreeReason) -> Vec<Item> {
        let is = |item: &&Item| self.evidence.reason(item.stratum, item.reason) == reason.name();
        items.iter().filter(is).copied().collect()
    }

    /// "direct -> exclude", if both sides know the setting and it differs.
    fn setting(&self, of: impl Fn(&crate::side::Series) -> String) -> Option<String> {
        let [before, after] = self.evidence.sides.map(|side| values(side, &of));
        let differ = !before.is_empty() && !after.is_empty() && before != after;
        differ.then(|| format!("{before} -> {after}"))
    }
}

/// The known values of a setting on a side, each once.
pub(crate) fn values(side: &Side, of: impl Fn(&crate::side::Series) -> String) -> String {
    let values: BTreeSet<String> = side.series.iter().map(of).filter(|it| !it.is_empty()).collect();
    values.into_iter().collect::<Vec<String>>().join(", ")
}
