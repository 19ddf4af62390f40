//! Regions: address space that grows in place, in steps.
//!
//! What a region may become is only a plan: addresses of which nothing is mapped. Its used part is
//! mapped from its start, further pages right behind those that there are, so the size of the
//! process is what it uses, and a limit on address space (`RLIMIT_AS`, set at whatever time) takes
//! nothing that is not needed. A step that the system refuses is tried again with half of its
//! surplus.
//!
//! Plans lie where the kernel never maps anything of its own accord: low, behind what executables
//! and 32-bit heaps use and far below the kernel's own choices (`place`). They begin at a random
//! address and follow each other with gaps, so what overflows from a program's span or from one
//! region runs into addresses that nobody has. Where somebody has mapped a planned address after
//! all, the region ends there ([`Refusal::Taken`]), and its owner plans another.
//!
//! Where the system gives no address that it is asked for, a region is reserved without access, at
//! an address of the system's choice, and made usable in the same steps.
//!
//! # Safety
//! A region's range belongs to its owner, and is never unmapped.
#![allow(unsafe_code)]

mod place;

use core::ptr::NonNull;

use crate::os::memory::{self, Access, PAGE, Refusal};
use crate::steps;
pub(crate) use place::Scale;

/// Places that are tried for a region before it is reserved where the system likes.
const PLACES_MAX: usize = 8;
/// Inaccessible bytes in front of a reserved region.
const GUARD_BYTES: usize = place::UNIT;

/// A planned range, usable from its start on.
pub(crate) struct Region {
    start: usize,
    /// Bytes that there may be, and bytes that are usable.
    planned: usize,
    usable: usize,
    /// Bytes that the next step may ask for beyond what is needed.
    surplus_max: usize,
    backing: Backing,
}

/// What the unused part of a region is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backing {
    /// Addresses that belong to nobody.
    Plan,
    /// Inaccessible memory.
    Reserved,
}

/// Addresses for regions, which the owner divides among them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) start: usize,
    pub(crate) bytes: usize,
    pub(crate) backing: Backing,
}

impl Plan {
    /// No addresses.
    pub(crate) const NOTHING: Self = Self { start: 0, bytes: 0, backing: Backing::Plan };

    /// Plans `bytes` at a place where `try_first` can map the first of them; where there is none,
    /// reserves them, or the half or a quarter … of them, `least` at the least. The places are
    /// aligned to 64 KiB.
    pub(crate) fn find<T>(
        bytes: usize,
        least: usize,
        mut try_first: impl FnMut(Self) -> Result<T, Refusal>,
    ) -> Option<T> {
        for _ in 0..PLACES_MAX {
            let Some(start) = place::next(bytes) else { break };
            match try_first(Self { start, bytes, backing: Backing::Plan }) {
                Ok(found) => return Some(found),
                Err(Refusal::Taken) => {}
                Err(Refusal::NoMemory) => break,
            }
        }
        let mut bytes = bytes;
        loop {
            if let Some(plan) = Self::reserve(bytes) {
                let found = try_first(plan).ok();
                if found.is_none() {
                    plan.give_up();
                }
                return found;
            }
            if bytes / 2 < least {
                return None;
            }
            bytes /= 2;
        }
    }

    fn reserve(bytes: usize) -> Option<Self> {
        let guard = memory::reserve(GUARD_BYTES + bytes, place::UNIT)?;
        let start = guard.as_ptr() as usize + GUARD_BYTES;
        Some(Self { start, bytes, backing: Backing::Reserved })
    }

    /// Unmaps a reservation in which nothing has been used; addresses that are but planned belong to
    /// nobody.
    pub(crate) fn give_up(self) {
        if self.backing == Backing::Plan {
            return;
        }
        let Some(guard) = NonNull::new((self.start - GUARD_BYTES) as *mut u8) else { return };
        // A refusal is counted; what stays reserved costs address space only.
        // SAFETY: reserved by `reserve`, and nothing is in it.
        let _ = unsafe { memory::unmap(guard, GUARD_BYTES + self.bytes) };
    }

    /// Makes part of the plan usable that was not, whose bytes read as zeros then.
    pub(crate) fn make_usable(
        self,
        address: usize,
        bytes: usize,
        access: Access,
    ) -> Result<(), Refusal> {
        debug_assert!(address >= self.start && address + bytes <= self.start + self.bytes);
        make_usable(self.backing, address, bytes, access)
    }

    /// The region of the plan's bytes `from..to`, which are multiples of a page.
    pub(crate) fn region(self, from: usize, to: usize) -> Region {
        debug_assert!(from.is_multiple_of(PAGE) && from <= to && to <= self.bytes);
        let (start, planned) = (self.start + from, to - from);
        Region { start, planned, usable: 0, surplus_max: usize::MAX, backing: self.backing }
    }
}

impl Region {
    /// A region of no bytes.
    pub(crate) const NONE: Self =
        Self { start: 0, planned: 0, usable: 0, surplus_max: 0, backing: Backing::Plan };

    /// A region of its own, of `bytes` (a multiple of a page) or, where it must be reserved and those
    /// are too many, of `least` at the least. The first `first` are usable at once. `None` if there is
    /// no memory.
    pub(crate) fn new(bytes: usize, least: usize, first: usize, access: Access) -> Option<Self> {
        Plan::find(bytes, least, |plan| {
            let mut region = plan.region(0, plan.bytes);
            region.extend(first, 0, access).map(|()| region)
        })
    }

    /// Puts another region in its place. A child process may find this half done, by a thread that does
    /// not exist: then nothing is usable of either.
    pub(crate) fn replace(&mut self, other: Self) {
        let usable = other.usable;
        self.usable = 0;
        steps::next();
        *self = Self { usable: 0, ..other };
        steps::next();
        self.usable = usable;
        steps::next();
    }

    /// Unmaps all but the first `bytes`, a multiple of a page; false if the system refuses, or if the
    /// region is reserved, as the addresses would be lost.
    pub(crate) fn retreat(&mut self, bytes: usize) -> bool {
        let Some(unused) = self.usable.checked_sub(bytes) else { return false };
        let Some(start) = NonNull::new((self.start + bytes) as *mut u8) else { return false };
        if self.backing == Backing::Reserved {
            return false;
        }
        // SAFETY: the owner has no use for it any more.
        let is_unmapped = unused == 0 || unsafe { memory::unmap(start, unused) };
        if is_unmapped {
            self.usable = bytes;
        }
        is_unmapped
    }

    /// Unmaps what is usable of a region that nothing has been put into.
    pub(crate) fn give_up(self) {
        if self.backing == Backing::Plan
            && self.usable > 0
            && let Some(start) = NonNull::new(self.start as *mut u8)
        {
            // A refusal is counted; what stays mapped costs address space only.
            // SAFETY: the region's own mapping, in which nothing is.
            let _ = unsafe { memory::unmap(start, self.usable) };
        }
    }

    /// Address of its first byte.
    pub(crate) fn start(&self) -> usize {
        self.start
    }

    /// Bytes that can be used, from its start.
    pub(crate) fn usable(&self) -> usize {
        self.usable
    }

    /// Makes the first `needed` bytes usable, and up to `surplus` more. New bytes read as zeros.
    pub(crate) fn extend(
        &mut self,
        needed: usize,
        surplus: usize,
        access: Access,
    ) -> Result<(), Refusal> {
        let (backing, before) = (self.backing, self.usable);
        self.extend_by(needed, surplus, |address, bytes| {
            make_usable(backing, address, bytes, access)
        })?;
        if access == Access::ReadWrite
            && self.usable > before
            && let Some(new) = NonNull::new((self.start + before) as *mut u8)
        {
            memory::refuse_huge_pages(new, self.usable - before);
        }
        Ok(())
    }

    /// [`Region::extend`] with the system call as a parameter.
    fn extend_by(
        &mut self,
        needed: usize,
        surplus: usize,
        mut map: impl FnMut(usize, usize) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        if needed <= self.usable {
            return Ok(());
        }
        if needed > self.planned {
            return Err(Refusal::Taken);
        }
        let needed = needed.next_multiple_of(PAGE);
        let mut surplus = surplus.min(self.surplus_max).min(self.planned - needed);
        loop {
            let wanted = needed + surplus / PAGE * PAGE;
            match map(self.start + self.usable, wanted - self.usable) {
                Ok(()) => {
                    self.usable = wanted;
                    self.surplus_max = self.surplus_max.saturating_mul(2);
                    return Ok(());
                }
                Err(refusal) if wanted == needed => return Err(refusal),
                // What was refused now is not asked for each time anew.
                Err(_) => {
                    surplus /= 2;
                    self.surplus_max = surplus.max(PAGE);
                }
            }
        }
    }
}

/// Makes addresses usable that belong to a plan and were not so.
fn make_usable(
    backing: Backing,
    address: usize,
    bytes: usize,
    access: Access,
) -> Result<(), Refusal> {
    if backing == Backing::Plan {
        return memory::map_at(address, bytes, access);
    }
    let base = NonNull::new(address as *mut u8).ok_or(Refusal::Taken)?;
    // SAFETY: part of a reservation that belongs to the plan, and nothing is in it.
    let is_usable = unsafe { memory::make_accessible(base, bytes, access) };
    if is_usable { Ok(()) } else { Err(Refusal::NoMemory) }
}

#[cfg(test)]
mod tests;
