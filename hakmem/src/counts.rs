//! What calls add up to: the counts that a program reads of itself.

use core::fmt;
use core::ops::{Add, AddAssign, Sub};

use hakmem_segment::{AllocReason, Class, FreeReason};

/// Number of classes that blocks and spans belong to.
pub(crate) const CLASSES: usize = Class::Large as usize + 1;
/// Reasons of either kind that a segment has room for.
const REASONS: usize = 8;

/// The counts of one [`Class`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassCounts {
    /// Allocations, without those that were part of a reallocation.
    pub allocations: u64,
    /// Frees, without those that were part of a reallocation.
    pub frees: u64,
    /// Bytes of the blocks and spans that calls took, reallocations included. A block has the size
    /// of its bin, so this is what memory the requests cost and not what they asked for.
    pub allocated_bytes: u64,
    /// Bytes of the blocks and spans that calls gave back, reallocations included.
    pub freed_bytes: u64,
}

impl ClassCounts {
    const ZERO: Self = Self { allocations: 0, frees: 0, allocated_bytes: 0, freed_bytes: 0 };

    fn combined(self, other: Self, combine: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            allocations: combine(self.allocations, other.allocations),
            frees: combine(self.frees, other.frees),
            allocated_bytes: combine(self.allocated_bytes, other.allocated_bytes),
            freed_bytes: combine(self.freed_bytes, other.freed_bytes),
        }
    }
}

/// All counts, each with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Details {
    pub(crate) classes: [ClassCounts; CLASSES],
    pub(crate) reallocations_in_place: u64,
    pub(crate) reallocations_moved: u64,
    /// Indexed by [`AllocReason`].
    pub(crate) slow_allocations: [u64; REASONS],
    /// Indexed by [`FreeReason`].
    pub(crate) slow_frees: [u64; REASONS],
}

impl Details {
    /// Nothing was counted.
    pub(crate) const ZERO: Self = Self {
        classes: [ClassCounts::ZERO; CLASSES],
        reallocations_in_place: 0,
        reallocations_moved: 0,
        slow_allocations: [0; REASONS],
        slow_frees: [0; REASONS],
    };

    /// What was counted after `earlier`.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        self.combined(earlier, u64::saturating_sub)
    }

    fn combined(&self, other: &Self, combine: impl Fn(u64, u64) -> u64 + Copy) -> Self {
        let mut all = *self;
        for (to, &from) in all.classes.iter_mut().zip(&other.classes) {
            *to = to.combined(from, combine);
        }
        let fold = |to: &mut u64, from: u64| *to = combine(*to, from);
        fold(&mut all.reallocations_in_place, other.reallocations_in_place);
        fold(&mut all.reallocations_moved, other.reallocations_moved);
        let reasons = all.slow_allocations.iter_mut().chain(&mut all.slow_frees);
        let others = other.slow_allocations.iter().chain(&other.slow_frees);
        reasons.zip(others).for_each(|(to, &from)| fold(to, from));
        all
    }
}

/// What the calls of a thread, of all threads, or of a piece of code added up to. Exact: fast calls
/// are part of it, and nothing is sampled or estimated.
///
/// A reallocation is counted as such, and not as an allocation and a free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
// `None` if nothing was counted, so that an empty measurement writes one word and not sixty.
pub struct Counts(Option<Details>);

impl Counts {
    /// No calls.
    pub const ZERO: Self = Self(None);

    /// [`Counts::ZERO`], of which the constant would be copied as a whole.
    #[inline(always)]
    pub(crate) fn nothing() -> Self {
        Self(None)
    }

    /// The counts that `details` holds.
    pub(crate) fn of(details: &Details) -> Self {
        Self((*details != Details::ZERO).then_some(*details))
    }

    fn details(&self) -> &Details {
        self.0.as_ref().unwrap_or(&Details::ZERO)
    }

    fn sum(&self, of: impl Fn(&ClassCounts) -> u64) -> u64 {
        self.details().classes.iter().map(of).sum()
    }

    /// Allocations.
    #[must_use]
    pub fn allocations(&self) -> u64 {
        self.sum(|class| class.allocations)
    }

    /// Frees.
    #[must_use]
    pub fn frees(&self) -> u64 {
        self.sum(|class| class.frees)
    }

    /// Reallocations after which the allocation had the same address.
    #[must_use]
    pub fn reallocations_in_place(&self) -> u64 {
        self.details().reallocations_in_place
    }

    /// Reallocations that moved the allocation to another address.
    #[must_use]
    pub fn reallocations_moved(&self) -> u64 {
        self.details().reallocations_moved
    }

    /// Reallocations, in place and moved.
    #[must_use]
    pub fn reallocations(&self) -> u64 {
        self.reallocations_in_place() + self.reallocations_moved()
    }

    /// Requests for memory: allocations and reallocations. This is the number that
    /// [`assert_allocations!`](crate::assert_allocations) bounds.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.allocations() + self.reallocations()
    }

    /// Bytes that calls took; see [`ClassCounts::allocated_bytes`].
    #[must_use]
    pub fn allocated_bytes(&self) -> u64 {
        self.sum(|class| class.allocated_bytes)
    }

    /// Bytes that calls gave back; see [`ClassCounts::freed_bytes`].
    #[must_use]
    pub fn freed_bytes(&self) -> u64 {
        self.sum(|class| class.freed_bytes)
    }

    /// The counts of one class; zeros for [`Class::None`], to which no allocation belongs.
    #[must_use]
    pub fn class(&self, class: Class) -> ClassCounts {
        self.details().classes.get(class as usize).copied().unwrap_or(ClassCounts::ZERO)
    }

    /// Allocations, those of reallocations included, that took the slow path for `reason`.
    /// [`AllocReason::OutOfMemory`] tells the requests that failed, which are not part of
    /// [`Counts::allocations`].
    #[must_use]
    pub fn slow_allocations(&self, reason: AllocReason) -> u64 {
        self.details().slow_allocations[reason as usize]
    }

    /// Frees, those of reallocations included, that took the slow path for `reason`.
    /// [`FreeReason::Rejected`] tells the wrong ones, which are not part of [`Counts::frees`].
    #[must_use]
    pub fn slow_frees(&self, reason: FreeReason) -> u64 {
        self.details().slow_frees[reason as usize]
    }

    /// All calls that took a slow path, whatever the reason.
    #[must_use]
    pub fn slow_paths(&self) -> u64 {
        let details = self.details();
        details.slow_allocations.iter().chain(&details.slow_frees).sum()
    }
}

impl Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self::of(&self.details().combined(other.details(), u64::saturating_add))
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Counts {
    type Output = Self;

    /// What was counted after `earlier`.
    fn sub(self, earlier: Self) -> Self {
        Self::of(&self.details().since(earlier.details()))
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "allocations {}, frees {}, reallocations {} in place and {} moved; bytes taken {}, \
             given back {}; slow paths {}",
            self.allocations(),
            self.frees(),
            self.reallocations_in_place(),
            self.reallocations_moved(),
            self.allocated_bytes(),
            self.freed_bytes(),
            self.slow_paths(),
        )?;
        let allocations = AllocReason::ALL.iter().map(|&r| (r.name(), self.slow_allocations(r)));
        let frees = FreeReason::ALL.iter().map(|&r| (r.name(), self.slow_frees(r)));
        let mut separator = ": ";
        for (name, count) in allocations.chain(frees).filter(|&(_, count)| count > 0) {
            write!(out, "{separator}{name} {count}")?;
            separator = ", ";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
