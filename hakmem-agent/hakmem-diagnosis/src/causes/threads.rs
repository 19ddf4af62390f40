//! Effects of threads on each other's lists: threads come and go, or free blocks that others
//! allocated.

use hakmem_segment::vocabulary::{AllocReason, Class, FreeReason};

use super::wording::{number, percent};
use super::{Causes, Item, Words, is_exchange};
use crate::diagnosis::CauseKind;
use crate::evidence::Evidence;
use crate::layout::Reason;
use crate::reading::{Reading, Run, ThreadDelta};
use crate::statistics::per;

/// Factor by which thread starts per operation must rise to be a cause.
const CHURN_RATE: f64 = 1.5;
/// Operations below which a thread lives too short for its lists to adapt to the load. Where the
/// average thread lives longer, thread churn is no cause.
const SHORT_LIFE: f64 = 1e6;
/// Rise of the share of operations whose block goes to or comes from another thread.
const HANDOVER_SHARE: f64 = 0.1;
/// A thread mostly allocates or mostly frees if this share of its operations is of that kind.
const LEANING_SHARE: f64 = 0.75;

impl Causes<'_> {
    /// A new thread's lists are empty and small, and a thread that exits gives back its blocks.
    pub(super) fn find_thread_churn(&mut self) {
        let evidence = self.evidence;
        let rates = [0, 1].map(|side| starts_per_operation(evidence, side));
        let seconds = [0, 1].map(|side| {
            per(rates[side] * evidence.sums(side).all(), evidence.readings[side].seconds())
        });
        let is_short = rates[1] * SHORT_LIFE >= 1.0;
        if !is_short || rates[1] < rates[0] * CHURN_RATE {
            return;
        }
        let items = self.items(|class, _, reason| {
            let begins_or_ends = matches!(
                reason,
                Reason::Allocation(AllocReason::FirstUse) | Reason::Free(FreeReason::Late)
            );
            begins_or_ends || (class != Some(Class::Large) && is_exchange(reason))
        });
        let items = self.risen(items);
        let Some(shown) = self.most(&items) else { return };
        if !self.cost(&items).is_rise(self.floor_ns) {
            return;
        }
        let text = format!(
            "{} threads begin in a million operations instead of {} \
             ({} a second instead of {}); {}",
            number(rates[1] * 1e6),
            number(rates[0] * 1e6),
            number(seconds[1]),
            number(seconds[0]),
            self.sentence(shown)
        );
        let advice = "reuse threads, as a pool does, instead of starting one for each piece of \
                      work";
        self.list(CauseKind::ThreadChurn, &items, shown, Words::new(text, advice));
    }

    /// Blocks that are freed by another thread than the one that allocated them travel through the
    /// central store.
    pub(super) fn find_handover(&mut self) {
        let evidence = self.evidence;
        let shares = [0, 1].map(|side| handed_over(&evidence.readings[side]));
        let [Some(before), Some(after)] = shares else { return };
        if after - before < HANDOVER_SHARE {
            return;
        }
        let items =
            self.items(|class, _, reason| class != Some(Class::Large) && is_exchange(reason));
        let items: Vec<Item> = self.risen(items);
        let Some(shown) = self.most(&items) else { return };
        if !self.cost(&items).is_rise(self.floor_ns) {
            return;
        }
        let text = format!(
            "{} of operations concern blocks that another thread allocated or will free, instead \
             of {}{}; {}",
            percent(after),
            percent(before),
            leaning(&evidence.readings[1]),
            self.sentence(shown)
        );
        let advice = "free blocks in the thread that allocated them, hand over fewer and larger \
                      ones, or raise HAKMEM_LIST_BYTES";
        self.list(CauseKind::Handover, &items, shown, Words::new(text, advice));
    }
}

/// Thread starts per operation, beyond the largest number of threads that were alive at one time: a
/// program that keeps its initial threads has no churn. Starts are counted by the slots' owners or,
/// if threads were not kept, by `first_use`, which each thread that allocates takes once.
fn starts_per_operation(evidence: &Evidence, side: usize) -> f64 {
    let sums = evidence.sums(side);
    let reading = &evidence.readings[side];
    let starts: f64 = if reading.runs.iter().any(|run| run.has_threads) {
        reading.runs.iter().flat_map(|run| &run.threads).map(|thread| thread.starts).sum()
    } else {
        evidence
            .strata()
            .map(|it| sums.slow_where(it, |it| it == AllocReason::FirstUse.name()))
            .sum()
    };
    let alive = |run: &Run| run.moments.iter().map(|it| it.threads[0]).fold(0.0, f64::max);
    let together: f64 = reading.runs.iter().map(alive).sum();
    per((starts - together).max(0.0), sums.all())
}

/// Share of operations that have their counterpart in another thread; `None` if threads were not
/// kept. Growth or shrinking of the whole program does not count as handover.
fn handed_over(reading: &Reading) -> Option<f64> {
    let runs = reading.runs.iter().filter(|run| run.has_threads);
    let mut all = 0.0;
    let mut apart = 0.0;
    for run in runs {
        let sum = |of: fn(&ThreadDelta) -> f64| run.threads.iter().map(of).sum::<f64>();
        let growth = sum(|it| it.allocations - it.frees).abs();
        apart += (sum(|it| (it.allocations - it.frees).abs()) - growth).max(0.0);
        all += sum(|it| it.allocations + it.frees);
    }
    (all > 0.0).then(|| apart / all)
}

/// ": `reader` mostly allocates, `writer` mostly frees", of the busiest such threads.
fn leaning(reading: &Reading) -> String {
    let busiest = |of: fn(&ThreadDelta) -> f64| {
        let threads = reading.runs.iter().flat_map(|run| &run.threads);
        let leaning = threads.filter(|thread| {
            of(thread) > 0.0 && of(thread) >= LEANING_SHARE * (thread.allocations + thread.frees)
        });
        let busiest = leaning.max_by(|a, b| of(a).total_cmp(&of(b)));
        busiest.map(|thread| thread.name.clone()).filter(|name| !name.is_empty())
    };
    match (busiest(|it| it.allocations), busiest(|it| it.frees)) {
        (Some(giver), Some(taker)) if giver != taker => {
            format!(": `{giver}` mostly allocates, `{taker}` mostly frees")
        }
        _ => String::new(),
    }
}
