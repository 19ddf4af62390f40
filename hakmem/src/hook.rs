//! Functions that one layer calls and a higher one sets.
//!
//! # Orderings
//! Relaxed: hooks are set before the first thread is started, and publish no other memory.
//!
//! # Safety
//! A hook that is not null holds a function of its type, since only [`Hook::set`] stores it.
#![allow(unsafe_code)]

use core::marker::PhantomData;
use core::{mem, ptr};

use crate::sync::{AtomicPtr, Ordering};

/// A function pointer of type `F`, or none.
pub(crate) struct Hook<F>(AtomicPtr<()>, PhantomData<F>);

impl<F: Copy> Hook<F> {
    /// No function.
    pub(crate) const fn none() -> Self {
        const { assert!(size_of::<F>() == size_of::<*mut ()>()) };
        Self(AtomicPtr::new(ptr::null_mut()), PhantomData)
    }

    /// Sets the function.
    pub(crate) fn set(&self, act: F) {
        // SAFETY: `F` is a function pointer, which has the size of a pointer.
        let act = unsafe { mem::transmute_copy::<F, *mut ()>(&act) };
        self.0.store(act, Ordering::Relaxed);
    }

    /// The function, if one was set.
    pub(crate) fn get(&self) -> Option<F> {
        let act = self.0.load(Ordering::Relaxed);
        // SAFETY: not null, so it is a function of this type.
        (!act.is_null()).then(|| unsafe { mem::transmute_copy::<*mut (), F>(&act) })
    }
}
