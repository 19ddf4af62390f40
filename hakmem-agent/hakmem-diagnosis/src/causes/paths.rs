//! Plain reasons, for changes that no named cause explains.

use super::{Causes, Item, Words, is_exchange};
use crate::diagnosis::CauseKind;

impl Causes<'_> {
    /// One cause for each stratum and family of reasons. All refills and flushes are one family,
    /// because the store that a batch came from changes by chance.
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

    /// Where all classes became a little slower, one cause lists them together: no single class is
    /// worth a line.
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
}

fn advice(reason: &str) -> &'static str {
    match reason {
        "refill_central" | "flush_full" | "refill_spare" | "flush_spare" => {
            "look at the depth of the threads' lists: the program holds, or frees at once, more \
             blocks of the class than its lists can hold"
        }
        "refill_slab" | "new_slab" => {
            "look at live bytes: the program holds more blocks of the class than before, or frees \
             many and allocates them again"
        }
        "large_map" | "large_unmap" => "look for buffers that could be reused",
        "aligned" => "look for callers that ask for a stricter alignment than they need",
        "first_use" | "late" => "look at how often threads start and end",
        "check" => "look at HAKMEM_CHECK on both sides",
        "routed" => "look at HAKMEM_ROUTING on both sides",
        "rejected" => "run the program with HAKMEM_CHECK=full HAKMEM_ON_ERROR=abort",
        _ => "look at the events of the class while it happens",
    }
}
