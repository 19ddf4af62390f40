//! Regions: address space that grows in place, in steps.
//!
//! A region is planned as a range of addresses, none of which is mapped. Its used part is mapped
//! from the start, and each step maps further pages directly behind. So the process is only as
//! large as what it uses, and nothing unused counts against a limit on address space (`RLIMIT_AS`,
//! set at any time). A step that the system refuses is tried again with half of its surplus.
//!
//! Plans lie where the kernel never maps anything of its own accord: low, behind the addresses of
//! executables and 32-bit heaps, and far below the kernel's own choices (`place`). They begin at a
//! random address and follow each other with gaps, so an overflow from a program's span or out of a
//! region runs into unmapped addresses. If other code has mapped a planned address after all, the
//! region ends there ([`Refusal::Taken`]), and its owner plans another.
//!
//! Where the system refuses every address that it is asked for, a region is reserved without
//! access, at an address of the system's choice, and made usable in the same steps.
//!
//! # Safety
//! A region's range belongs to its owner, and is never unmapped.
#![allow(unsafe_code)]

mod place;

use core::ptr::NonNull;

use crate::os::memory::{self, Access, PAGE, Refusal};
use crate::steps;
pub(crate) use place::Scale;

/// Number of places that are tried for a region before it is reserved at an address of the system's
/// choice.
const PLACES_MAX: usize = 8;
/// Inaccessible bytes in front of a reserved region.
const GUARD_BYTES: usize = place::UNIT;

/// A planned range, of which a part from its start on is usable.
pub(crate) struct Region {
    start: usize,
    /// Bytes that the region may grow to, and bytes that are usable.
    planned: usize,
    usable: usize,
    /// Maximum number of bytes that the next step may ask for beyond what is needed.
    surplus_max: usize,
    backing: Backing,
}

/// State of the unused part of a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backing {
    /// Unmapped addresses.
    Plan,
    /// Inaccessible memory.
    Reserved,
}

/// Addresses for regions, among which the plan's owner divides them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) start: usize,
    pub(crate) bytes: usize,
    pub(crate) backing: Backing,
}

impl Plan {
    /// No addresses.
    pub(crate) const NOTHING: Self = Self { start: 0, bytes: 0, backing: Backing::Plan };

    /// Plans `bytes` at a place where `try_first` can map the first of them. If there is no such
    /// place, reserves them, or a half or a quarter … of them, but no fewer than `least`. The
    /// places are aligned to 64 KiB.
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

    /// Unmaps a reservation of which nothing has been used; a mere plan has nothing mapped.
    pub(crate) fn give_up(self) {
        if self.backing == Backing::Plan {
            return;
        }
        let Some(guard) = NonNull::new((self.start - GUARD_BYTES) as *mut u8) else { return };
        // A refusal is counted; what stays reserved costs address space only.
        // SAFETY: reserved by `reserve`, and nothing is in it.
        let _ = unsafe { memory::unmap(guard, GUARD_BYTES + self.bytes) };
    }

    /// Makes an unused part of the plan usable. Its bytes then read as zeros.
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

    /// A region of its own, with a plan for `bytes` (a multiple of a page). If it must be reserved
    /// and that is too much, it may be smaller, but no smaller than `least`. Its first `first`
    /// bytes are usable at once. `None` if there is no memory.
    pub(crate) fn new(bytes: usize, least: usize, first: usize, access: Access) -> Option<Self> {
        Plan::find(bytes, least, |plan| {
            let mut region = plan.region(0, plan.bytes);
            region.extend(first, 0, access).map(|()| region)
        })
    }

    /// Replaces the region by `other`. A child process may find this half done, by a thread that no
    /// longer exists; then nothing is usable of either.
    pub(crate) fn replace(&mut self, other: Self) {
        let usable = other.usable;
        self.usable = 0;
        steps::next();
        *self = Self { usable: 0, ..other };
        steps::next();
        self.usable = usable;
        steps::next();
    }

    /// Unmaps all but the first `bytes`, a multiple of a page. False if the system refuses, or if
    /// the region is reserved, because unmapping would lose the reservation of these addresses.
    pub(crate) fn retreat(&mut self, bytes: usize) -> bool {
        let Some(unused) = self.usable.checked_sub(bytes) else { return false };
        let Some(start) = NonNull::new((self.start + bytes) as *mut u8) else { return false };
        if self.backing == Backing::Reserved {
            return false;
        }
        // SAFETY: the owner no longer uses this part.
        let is_unmapped = unused == 0 || unsafe { memory::unmap(start, unused) };
        if is_unmapped {
            self.usable = bytes;
        }
        is_unmapped
    }

    /// Unmaps the usable part of a region that was never used.
    pub(crate) fn give_up(self) {
        if self.backing == Backing::Plan
            && self.usable > 0
            && let Some(start) = NonNull::new(self.start as *mut u8)
        {
            // A refusal is counted; what stays mapped costs address space only.
            // SAFETY: the region's own mapping, and nothing is in it.
            let _ = unsafe { memory::unmap(start, self.usable) };
        }
    }

    /// Address of its first byte.
    pub(crate) fn start(&self) -> usize {
        self.start
    }

    /// Number of usable bytes, from the start.
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

    /// [`Region::extend`] with the system call `map` as a parameter.
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
                // The next step does not ask again for as much as was refused now.
                Err(_) => {
                    surplus /= 2;
                    self.surplus_max = surplus.max(PAGE);
                }
            }
        }
    }
}

/// Makes an unused part of a plan usable.
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
