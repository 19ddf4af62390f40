//! Plain reasons, for changes that no named cause explains.

use hakmem_segment::vocabulary::{AllocReason, FreeReason};

use super::{Causes, Item, Words, is_exchange};
use crate::diagnosis::CauseKind;
use crate::layout::Reason;

impl Causes<'_> {
    /// One cause for each stratum and family of reasons. All refills and flushes are one family,
    /// because the store that a batch came from changes by chance.
    pub(super) fn find_reasons(&mut self) {
        let families: [fn(Reason) -> bool; 2] = [is_exchange, |reason| !is_exchange(reason)];
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
        let reason = Reason::of(self.evidence.reason(shown.stratum, shown.reason));
        let words = Words::new(self.sentence(shown), advice(reason));
        self.list(CauseKind::Reason, items, shown, words);
    }
}

fn advice(reason: Reason) -> &'static str {
    use {AllocReason as Alloc, FreeReason as Free};
    match reason {
        Reason::Allocation(Alloc::RefillCentral | Alloc::RefillSpare)
        | Reason::Free(Free::FlushFull | Free::FlushSpare) => {
            "look at the depth of the threads' lists: the program holds, or frees at once, more \
             blocks of the class than its lists can hold"
        }
        Reason::Allocation(Alloc::RefillSlab | Alloc::NewSlab) => {
            "look at live bytes: the program holds more blocks of the class than before, or frees \
             many and allocates them again"
        }
        Reason::Allocation(Alloc::LargeMap) | Reason::Free(Free::LargeUnmap) => {
            "look for buffers that could be reused"
        }
        Reason::Allocation(Alloc::Aligned) => {
            "look for callers that ask for a stricter alignment than they need"
        }
        Reason::Allocation(Alloc::FirstUse) | Reason::Free(Free::Late) => {
            "look at how often threads start and end"
        }
        Reason::Free(Free::Check) => "look at HAKMEM_CHECK on both sides",
        Reason::Free(Free::Routed) => "look at HAKMEM_ROUTING on both sides",
        Reason::Free(Free::Rejected) => {
            "run the program with HAKMEM_CHECK=full HAKMEM_ON_ERROR=abort"
        }
        Reason::Allocation(Alloc::OutOfMemory) | Reason::Unknown => {
            "look at the events of the class while it happens"
        }
    }
}
