//! Sums over a sample: by class over all slots, and by slot over all bins.

use hakmem_segment::{AllocReason, Class, FreeReason, Outcome};

use crate::histogram::Histogram;
use crate::sample::{BinSample, Sample, SlotSample};
use crate::text::CleanText;

/// Number of classes.
pub const CLASSES: usize = Class::ALL.len();
/// Number of outcomes.
pub const OUTCOMES: usize = Outcome::ALL.len();

/// All counts of one class, summed over all slots. Sums saturate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassTotals {
    /// The class.
    pub class: Class,
    /// Successful allocations, fast and slow.
    pub allocations: u64,
    /// Frees, fast and slow; the sum of `outcomes`.
    pub frees: u64,
    /// Allocations on the fast path, from the identity.
    pub allocations_fast: u64,
    /// Frees on the fast path.
    pub frees_fast: u64,
    /// Slow allocations by [`AllocReason`]; failed ones are not part of `allocations`.
    pub alloc_reasons: [u64; 8],
    /// Slow frees by [`FreeReason`].
    pub free_reasons: [u64; 8],
    /// Frees by [`Outcome`].
    pub outcomes: [u64; OUTCOMES],
    /// Frees on the fast path, by [`Outcome`].
    pub outcomes_fast: [u64; OUTCOMES],
    /// Blocks on the threads' lists now, spares included.
    pub depth_blocks: u64,
    /// The blocks among them that are in spares.
    pub spare_blocks: u64,
    /// Blocks that the lists of living threads may hold, spares included.
    pub capacity_blocks: u64,
    /// Blocks that wait in the central store.
    pub central_blocks: u64,
    /// Blocks that were live when the process was forked.
    pub inherited_blocks: u64,
    /// Blocks allocated and not freed, inherited ones included. Signed, because slots are read one
    /// after another.
    pub live_blocks: i64,
    /// Bytes of live blocks, with each request rounded up to its bin.
    pub live_bytes: i64,
    /// Durations of timed slow paths.
    pub durations: Histogram,
    /// Number of bins of slots for which the identity gives a negative number of fast allocations,
    /// which counts as 0 above. Always 0 unless the writer was killed in a slow path or is broken.
    pub identity_violations: u64,
}

impl ClassTotals {
    fn new(class: Class) -> Self {
        Self {
            class,
            allocations: 0,
            frees: 0,
            allocations_fast: 0,
            frees_fast: 0,
            alloc_reasons: [0; 8],
            free_reasons: [0; 8],
            outcomes: [0; OUTCOMES],
            outcomes_fast: [0; OUTCOMES],
            depth_blocks: 0,
            spare_blocks: 0,
            capacity_blocks: 0,
            central_blocks: 0,
            inherited_blocks: 0,
            live_blocks: 0,
            live_bytes: 0,
            durations: Histogram::default(),
            identity_violations: 0,
        }
    }

    /// Whether the class was ever used: whether anything was allocated, freed or refused.
    pub fn is_used(&self) -> bool {
        let requested = self.allocations > 0 || self.failed_allocations() > 0;
        requested || self.frees > 0 || self.inherited_blocks > 0
    }

    /// Successful slow allocations.
    pub fn slow_allocations(&self) -> u64 {
        self.slow_allocations_by_reason().fold(0, |sum, (_, count)| sum.saturating_add(count))
    }

    /// Successful slow allocations, by all reasons but [`AllocReason::OutOfMemory`].
    pub fn slow_allocations_by_reason(&self) -> impl Iterator<Item = (AllocReason, u64)> + '_ {
        let reasons = AllocReason::ALL.iter().filter(|&&reason| reason != AllocReason::OutOfMemory);
        reasons.map(|&reason| (reason, self.alloc_reasons[reason as usize]))
    }

    /// Failed requests.
    pub fn failed_allocations(&self) -> u64 {
        self.alloc_reasons[AllocReason::OutOfMemory as usize]
    }

    /// Slow frees.
    pub fn slow_frees(&self) -> u64 {
        self.free_reasons.iter().fold(0, |sum, &count| sum.saturating_add(count))
    }

    /// Slow frees, by all reasons.
    pub fn slow_frees_by_reason(&self) -> impl Iterator<Item = (FreeReason, u64)> + '_ {
        FreeReason::ALL.iter().map(|&reason| (reason, self.free_reasons[reason as usize]))
    }

    /// Frees by outcome: the outcome, all its frees, and those on the fast path.
    pub fn frees_by_outcome(&self) -> impl Iterator<Item = (Outcome, u64, u64)> + '_ {
        let counts = |index: usize| (self.outcomes[index], self.outcomes_fast[index]);
        Outcome::ALL.iter().map(move |&outcome| {
            let (all, fast) = counts(outcome as usize);
            (outcome, all, fast)
        })
    }

    /// Frees with outcomes that only a bug can cause.
    pub fn anomalies(&self) -> u64 {
        let anomalies = Outcome::ALL.iter().filter(|outcome| outcome.is_anomaly());
        anomalies.fold(0, |sum, &outcome| sum.saturating_add(self.outcomes[outcome as usize]))
    }

    fn add_bin(&mut self, bin: &BinSample, stride_bytes: u32, fast_outcome: Outcome) {
        let allocated_fast = bin.allocated_fast();
        if allocated_fast < 0 {
            self.identity_violations += 1;
        }
        let allocated_fast = count(allocated_fast);
        add(&mut self.allocations_fast, allocated_fast);
        add(&mut self.allocations, allocated_fast);
        add(&mut self.allocations, count(bin.slow_allocations()));
        add(&mut self.frees_fast, bin.list.freed_fast);
        add(&mut self.frees, count(bin.frees()));
        add_all(&mut self.alloc_reasons, &bin.record.alloc_reasons);
        add_all(&mut self.free_reasons, &bin.record.free_reasons);
        add_all(&mut self.outcomes, &bin.record.outcomes);
        let unsized_fast = bin.unsized_frees_fast();
        let fast = [(Outcome::Sized, bin.sized_frees_fast), (fast_outcome, unsized_fast)];
        for (outcome, fast) in fast {
            add(&mut self.outcomes[outcome as usize], fast);
            add(&mut self.outcomes_fast[outcome as usize], fast);
        }
        add(&mut self.depth_blocks, u64::from(bin.list.depth));
        add(&mut self.depth_blocks, bin.record.spare_blocks);
        add(&mut self.spare_blocks, bin.record.spare_blocks);
        self.add_live(bin.live_blocks(), stride_bytes);
    }

    fn add_live(&mut self, blocks: i128, stride_bytes: u32) {
        self.live_blocks = self.live_blocks.saturating_add(signed(blocks));
        let bytes = blocks.saturating_mul(i128::from(stride_bytes));
        self.live_bytes = self.live_bytes.saturating_add(signed(bytes));
    }
}

/// Sums over all classes of one slot. They cover all threads that have owned the slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadTotals {
    /// Index of the slot.
    pub slot: u32,
    /// Thread id of the owner, 0 if nobody owns the slot now.
    pub thread_id: u32,
    /// Name of the owner, or of the last owner.
    pub name: CleanText,
    /// Number of threads that have owned the slot so far.
    pub owners: u32,
    /// `CLOCK_MONOTONIC` in nanoseconds when the owner took the slot.
    pub owned_since_ns: u64,
    /// Successful allocations, fast and slow.
    pub allocations: u64,
    /// Frees, fast and slow.
    pub frees: u64,
    /// Successful slow allocations.
    pub slow_allocations: u64,
    /// Slow frees.
    pub slow_frees: u64,
    /// Lists by class, for the classes whose lists may hold or do hold blocks.
    pub lists: Vec<ListDepth>,
    /// Events ever written to the slot's ring.
    pub events_written: u64,
    /// Events that were not written to the ring.
    pub suppressed_events: u64,
    /// See [`SlotSample::torn`].
    pub torn: bool,
}

/// A thread's lists for one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListDepth {
    /// The class.
    pub class: Class,
    /// Blocks on the lists, spares included.
    pub depth_blocks: u64,
    /// Blocks that the lists may hold, spares included; 0 while the slot has no owner.
    pub capacity_blocks: u64,
}

impl Sample {
    /// Sums over all slots: one entry per class, in the order of [`Class::ALL`].
    pub fn classes(&self) -> [ClassTotals; CLASSES] {
        let mut classes: [ClassTotals; CLASSES] =
            std::array::from_fn(|index| ClassTotals::new(Class::ALL[index]));
        for bin in 0..self.bins.all().len() {
            let class = &mut classes[self.bins.class(bin) as usize];
            let inherited = self.process.inherited_blocks[bin];
            add(&mut class.central_blocks, self.process.central_blocks[bin]);
            add(&mut class.inherited_blocks, inherited);
            class.add_live(i128::from(inherited), self.bins.stride_bytes(bin));
        }
        let mut large_bytes = i128::from(self.process.inherited_large_bytes);
        for slot in &self.slots {
            large_bytes += i128::from(slot.large_allocated_bytes);
            large_bytes -= i128::from(slot.large_freed_bytes);
            self.add_slot(&mut classes, slot);
        }
        let large = &mut classes[Class::Large as usize].live_bytes;
        *large = large.saturating_add(signed(large_bytes));
        classes
    }

    fn add_slot(&self, classes: &mut [ClassTotals; CLASSES], slot: &SlotSample) {
        for bin in &slot.bins {
            let index = usize::from(bin.bin);
            let class = &mut classes[self.bins.class(index) as usize];
            class.add_bin(bin, self.bins.stride_bytes(index), self.bins.fast_outcome(index));
        }
        for (class, durations) in slot.durations.iter() {
            classes[*class as usize].durations.add(durations);
        }
        if slot.thread_id != 0 {
            for (bin, &capacity) in slot.capacities.iter().enumerate() {
                let class = &mut classes[self.bins.class(bin) as usize];
                add(&mut class.capacity_blocks, 2 * u64::from(capacity));
            }
        }
    }

    /// One entry for each slot that was ever owned.
    pub fn threads(&self) -> Vec<ThreadTotals> {
        self.slots.iter().map(|slot| self.thread(slot)).collect()
    }

    fn thread(&self, slot: &SlotSample) -> ThreadTotals {
        let total = |of: fn(&BinSample) -> i128| {
            slot.bins.iter().fold(0u64, |sum, bin| sum.saturating_add(count(of(bin))))
        };
        ThreadTotals {
            slot: slot.index,
            thread_id: slot.thread_id,
            name: slot.thread_name.clone(),
            owners: slot.owners,
            owned_since_ns: slot.owned_since_ns,
            allocations: total(|bin| bin.allocated_fast().max(0) + bin.slow_allocations()),
            frees: total(BinSample::frees),
            slow_allocations: total(BinSample::slow_allocations),
            slow_frees: total(BinSample::slow_frees),
            lists: self.lists(slot),
            events_written: slot.events_written,
            suppressed_events: slot.suppressed_events(),
            torn: slot.torn,
        }
    }

    fn lists(&self, slot: &SlotSample) -> Vec<ListDepth> {
        let mut lists = Class::ALL
            .iter()
            .map(|&class| ListDepth { class, depth_blocks: 0, capacity_blocks: 0 })
            .collect::<Vec<_>>();
        for bin in &slot.bins {
            let list = &mut lists[self.bins.class(usize::from(bin.bin)) as usize];
            add(&mut list.depth_blocks, u64::from(bin.list.depth));
            add(&mut list.depth_blocks, bin.record.spare_blocks);
        }
        if slot.thread_id != 0 {
            for (bin, &capacity) in slot.capacities.iter().enumerate() {
                let list = &mut lists[self.bins.class(bin) as usize];
                add(&mut list.capacity_blocks, 2 * u64::from(capacity));
            }
        }
        lists.retain(|list| list.depth_blocks > 0 || list.capacity_blocks > 0);
        lists
    }
}

/// The counts of one bin, summed over all slots. Sums saturate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BinTotals {
    /// The bin.
    pub bin: usize,
    /// Successful allocations, fast and slow.
    pub allocations: u64,
    /// Frees, fast and slow.
    pub frees: u64,
    /// Slow allocations by [`AllocReason`].
    pub alloc_reasons: [u64; 8],
    /// Slow frees by [`FreeReason`].
    pub free_reasons: [u64; 8],
}

impl Sample {
    /// Sums over all slots for each bin of `class` that was ever used. They add up to the sums of
    /// the class.
    pub fn bins_of(&self, class: Class) -> Vec<BinTotals> {
        let mut bins: Vec<BinTotals> = Vec::new();
        for sample in self.slots.iter().flat_map(|slot| &slot.bins) {
            let bin = usize::from(sample.bin);
            if self.bins.class(bin) != class {
                continue;
            }
            let at = bins.binary_search_by_key(&bin, |it| it.bin).unwrap_or_else(|at| {
                let [alloc_reasons, free_reasons] = [[0; 8]; 2];
                let unused =
                    BinTotals { bin, allocations: 0, frees: 0, alloc_reasons, free_reasons };
                bins.insert(at, unused);
                at
            });
            let sums = &mut bins[at];
            add(&mut sums.allocations, count(sample.allocated_fast()));
            add(&mut sums.allocations, count(sample.slow_allocations()));
            add(&mut sums.frees, count(sample.frees()));
            add_all(&mut sums.alloc_reasons, &sample.record.alloc_reasons);
            add_all(&mut sums.free_reasons, &sample.record.free_reasons);
        }
        bins
    }
}

fn add(total: &mut u64, count: u64) {
    *total = total.saturating_add(count);
}

fn add_all(totals: &mut [u64], counts: &[u64]) {
    for (total, &count) in totals.iter_mut().zip(counts) {
        add(total, count);
    }
}

fn count(value: i128) -> u64 {
    value.clamp(0, i128::from(u64::MAX)) as u64
}

fn signed(value: i128) -> i64 {
    value.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
}

#[cfg(test)]
mod tests;
