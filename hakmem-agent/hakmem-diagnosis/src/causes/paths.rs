//! What no named cause explains: plain reasons, and durations.

use super::wording::{number, percent};
use super::{Causes, Item, Words, is_exchange};
use crate::diagnosis::{Cause, CauseKind};
use crate::statistics::per;

/// Durations must change by so many times what would do for the frequency, in nanoseconds too:
/// where slow paths are few, other load on the machine doubles what little they cost.
const DURATION_THRESHOLDS: f64 = 4.0;

impl Causes<'_> {
    /// One cause for each stratum and family of reasons. Refills belong together: which of the
    /// stores a batch came from changes with chance.
    pub(super) fn find_reasons(&mut self) {
        let families: [fn(&str) -> bool; 2] = [is_exchange, |reason| !is_exchange(reason)];
        for stratum in self.evidence.strata() {
            let [exchange, others] =
                families.map(|is| self.items(|_, it, word| it == stratum && is(word)));
            let each = others.into_iter().map(|item| vec![item]);
            for family in std::iter::once(exchange).chain(each) {
                self.list_reason(&family, self.floor_ns);
            }
        }
        self.list_scattered();
    }

    /// Where all classes became a little slower, none of them is worth a line of its own.
    fn list_scattered(&mut self) {
        if self.found.iter().any(|cause| cause.cost_ns.value > 0.0) {
            return;
        }
        let items = self.items(|_, _, reason| is_exchange(reason));
        self.list_reason(&items, self.evidence.floor_ns());
    }

    fn list_reason(&mut self, items: &[Item], floor_ns: f64) {
        let Some(shown) = self.most(items) else { return };
        if !self.cost(items).is_change(floor_ns) {
            return;
        }
        let reason = self.evidence.reason(shown.stratum, shown.reason);
        let words = Words::new(self.sentence(shown), advice(reason));
        self.list(CauseKind::Reason, items, shown, words);
    }

    /// One cause for all classes together: it is mostly the machine that makes durations longer.
    pub(super) fn find_durations(&mut self) {
        let evidence = self.evidence;
        let places: Vec<usize> =
            evidence.strata().map(|stratum| evidence.at.duration(stratum)).collect();
        let cost = evidence.estimate(&places);
        let floor = evidence.options.threshold_duration * evidence.cost(0);
        let floor = floor.max(evidence.options.threshold_ns * DURATION_THRESHOLDS);
        if !cost.is_change(floor) {
            return;
        }
        let sign = cost.value.signum();
        let weight = |class: usize| {
            let places = [0, 1].map(|direction| {
                evidence.at.duration(crate::layout::StratumId { class, direction })
            });
            places.iter().map(|&place| sign * evidence.part(place)).sum::<f64>()
        };
        let classes = 0..evidence.layout.classes.len();
        let most = classes.max_by(|&a, &b| weight(a).total_cmp(&weight(b)));
        let Some(class) = most else { return };
        let price = |side: usize| evidence.sums(side).price(class).unwrap_or(0.0);
        let (name, share) = (&evidence.layout.classes[class], per(weight(class), cost.value.abs()));
        let text = format!(
            "slow paths take longer or shorter each: those of {name}, {} of the change, took {} ns \
             and take {} ns",
            percent(share.min(1.0)),
            number(price(0)),
            number(price(1))
        );
        let advice = "look at the machine first: other load, another processor, throttling, memory \
                      that is short";
        self.found.push(Cause {
            class: Some(name.clone()),
            cost_ns: cost,
            ..Cause::of_program(CauseKind::Duration, Words::new(text, advice))
        });
    }
}

fn advice(reason: &str) -> &'static str {
    match reason {
        "refill_central" | "flush_full" | "refill_spare" | "flush_spare" => {
            "look at the depth of the threads' lists: the program holds, or frees at a time, more \
             blocks of the class than its lists do"
        }
        "refill_slab" | "new_slab" => {
            "look at live bytes: the program holds more blocks of the class than it did, or gives \
             them back and takes them again"
        }
        "large_map" | "large_unmap" => "look for buffers that could be kept and used again",
        "aligned" => "look for callers that ask for a stricter alignment than they need",
        "first_use" | "late" => "look at how often threads begin and end",
        "check" => "look at HAKMEM_CHECK on both sides",
        "routed" => "look at HAKMEM_ROUTING on both sides",
        "rejected" => "run the program with HAKMEM_CHECK=full HAKMEM_ON_ERROR=abort",
        _ => "look at the events of the class while it happens",
    }
}
