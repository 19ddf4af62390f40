//! Counts that a program reads of itself: of a piece of code, of a thread, of all threads.
//!
//! # Safety
//! The calling thread's heap is its own, as in `threads`.
#![allow(unsafe_code)]

use core::marker::PhantomData;
use core::mem;

use crate::counts::{Counts, Details};
use crate::heap::Heap;
use crate::heap::notes::Moment;
use crate::os::thread_local;
use crate::publication::IS_SYSTEMS;
use crate::threads::{self, Access};

/// Counts what the calling thread allocates and frees from [`Measurement::begin`] on.
///
/// Measurements do not disturb each other: they may be nested, overlap, and end in any order. They
/// allocate nothing. A measurement belongs to the thread that began it and cannot be sent to
/// another one: what other threads do is not part of it, and what a future does between two
/// `await`s is counted by the thread that polls it then. A future that keeps a measurement across
/// an `await` can therefore not be spawned on a runtime of several threads; measure between two
/// `await`s, or count all threads with [`process_counts`].
///
/// ```
/// # #[global_allocator]
/// # static GLOBAL: hakmem::Hakmem = hakmem::Hakmem;
/// let measurement = hakmem::Measurement::begin();
/// let text = String::from("on the heap");
/// assert_eq!(measurement.counts().allocations(), 1);
/// drop(text);
/// assert_eq!(measurement.counts().frees(), 1);
/// ```
#[derive(Debug)]
pub struct Measurement(Start);

/// The beginning of a measurement, which somebody ends by [`Start::leave`].
#[derive(Debug)]
struct Start {
    /// The moment of the beginning, if the heap keeps the counts at that moment.
    shared: Moment,
    /// The counts at the beginning, if the heap does not keep them.
    own: Option<Own>,
    /// The counts are those of the thread.
    thread: PhantomData<*mut ()>,
}

/// Counts of a heap that a measurement keeps itself.
#[derive(Clone, Copy, Debug)]
struct Own {
    /// Number of the heap's life.
    life: u64,
    details: Details,
}

/// The calling thread's heap or a sentinel.
#[inline(always)]
fn heap() -> &'static Heap {
    let heap = thread_local::get().cast::<Heap>();
    // SAFETY: a sentinel or this thread's heap; the zeros of a sentinel, and those of a heap that
    // was wiped, are a valid heap.
    unsafe { &*heap }
}

/// The calling thread's heap, which it gets now if it has made no call yet; `None` if it is ending.
fn heap_or_first_use() -> Option<&'static Heap> {
    match threads::access(thread_local::get().cast()) {
        Access::Own(heap, _) => Some(heap),
        Access::Late => None,
    }
}

impl Measurement {
    /// Begins to measure.
    #[must_use]
    pub fn begin() -> Self {
        Self(Start::now())
    }

    /// What the thread's calls have added up to since the measurement began. In a process that was
    /// forked since, what they have added up to since the fork; zeros in a thread whose
    /// thread-local storage is gone.
    #[must_use]
    pub fn counts(&self) -> Counts {
        if IS_SYSTEMS || heap().moment() == self.0.shared {
            return Counts::nothing();
        }
        self.0.counts_slow()
    }
}

impl Start {
    #[inline(always)]
    fn now() -> Self {
        if IS_SYSTEMS {
            return Self { shared: Moment::NONE, own: None, thread: PhantomData };
        }
        let heap = heap();
        let moment = heap.moment();
        if heap.share_notes(moment) {
            return Self { shared: moment, own: None, thread: PhantomData };
        }
        Self::now_slow()
    }

    #[cold]
    #[inline(never)]
    fn now_slow() -> Self {
        let (shared, own) = match heap_or_first_use() {
            None => (Moment::NONE, None),
            Some(heap) => match heap.take_notes() {
                (moment, None) => (moment, None),
                (_, Some(details)) => (Moment::NONE, Some(Own { life: heap.life(), details })),
            },
        };
        Self { shared, own, thread: PhantomData }
    }

    /// The counts of a measurement that has made no call, after its end; `None` if it has made one.
    #[inline(always)]
    fn end_if_unchanged(&self) -> Option<Counts> {
        if IS_SYSTEMS {
            return Some(Counts::nothing());
        }
        let heap = heap();
        if heap.moment() != self.shared {
            return None;
        }
        heap.leave_notes();
        Some(Counts::nothing())
    }

    /// The counts, after the measurement's end.
    #[cold]
    #[inline(never)]
    fn end_slow(&self) -> Counts {
        let counts = self.counts_slow();
        self.leave();
        counts
    }

    #[cold]
    #[inline(never)]
    fn counts_slow(&self) -> Counts {
        let life = self.own.map_or(self.shared.life(), |own| own.life);
        if life == 0 {
            return Counts::nothing();
        }
        let Some(heap) = heap_or_first_use() else { return Counts::nothing() };
        let (_, now) = heap.details();
        if heap.life() != life {
            return Counts::of(&now);
        }
        Counts::of(&now.since(&self.own.map_or_else(|| heap.noted(), |own| own.details)))
    }

    /// Lets the heap forget the counts at the beginning.
    fn leave(&self) {
        if self.shared.life() != 0 && self.shared.life() == heap().life() {
            heap().leave_notes();
        }
    }
}

impl Drop for Measurement {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// Ends a measurement if the code that it measures panics.
struct Unwinding<'a>(&'a Start);

impl Drop for Unwinding<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// Runs `code` and counts what the calling thread allocates and frees meanwhile. See
/// [`Measurement`] for what counts, and use that where `code` may panic.
///
/// ```
/// # #[global_allocator]
/// # static GLOBAL: hakmem::Hakmem = hakmem::Hakmem;
/// let (numbers, counts) = hakmem::measure(|| {
///     let mut numbers = Vec::with_capacity(2);
///     numbers.extend(0_u64..100);
///     numbers
/// });
/// assert_eq!((counts.allocations(), counts.reallocations(), counts.frees()), (1, 1, 0));
/// # drop(numbers);
/// ```
#[inline]
pub fn measure<R>(code: impl FnOnce() -> R) -> (R, Counts) {
    let start = Start::now();
    let unwinding = Unwinding(&start);
    let result = code();
    mem::forget(unwinding);
    // Two returns, so that the short one copies no counts.
    if let Some(counts) = start.end_if_unchanged() {
        return (result, counts);
    }
    (result, start.end_slow())
}

/// What the calling thread's calls have added up to since it first called this function; that first
/// call returns zeros. A service that publishes the counts of its threads calls it once at the
/// start of each.
#[must_use]
pub fn thread_counts() -> Counts {
    if IS_SYSTEMS {
        return Counts::nothing();
    }
    let details = heap_or_first_use().map(Heap::details_since_first);
    details.map_or(Counts::nothing(), |details| Counts::of(&details))
}

/// What the calls of all threads, ended ones included, have added up to since the process began or
/// was forked. Exact for the calling thread and for all that have ended or make no call meanwhile;
/// a call that another thread is just making may be counted in part.
///
/// ```
/// # #[global_allocator]
/// # static GLOBAL: hakmem::Hakmem = hakmem::Hakmem;
/// let before = hakmem::process_counts();
/// std::thread::spawn(|| drop(vec![0_u8; 1 << 20])).join().expect("does not panic");
/// let counts = hakmem::process_counts() - before;
/// assert_eq!(counts.class(hakmem::Class::Large).frees, 1);
/// ```
#[must_use]
pub fn process_counts() -> Counts {
    if IS_SYSTEMS {
        return Counts::nothing();
    }
    // So that a new child process does not count its parent's calls.
    threads::access(thread_local::get().cast());
    Counts::of(&threads::details())
}

/// Runs a block and fails if the calling thread's allocations and reallocations in it are not
/// within a bound; the value is that of the block. The bound is a comparison (`<= 3`, `== 0`,
/// `< 10`). See [`Measurement`] for what counts.
///
/// ```
/// # #[global_allocator]
/// # static GLOBAL: hakmem::Hakmem = hakmem::Hakmem;
/// let mut text = String::with_capacity(64);
/// hakmem::assert_allocations!(== 0, text.push_str("it has room"));
/// let copy = hakmem::assert_allocations!(<= 1, { text.clone() });
/// assert_eq!(copy, text);
/// ```
#[macro_export]
macro_rules! assert_allocations {
    ($comparison:tt $bound:expr, $code:expr $(,)?) => {{
        let measurement = $crate::Measurement::begin();
        let value = $code;
        let counts = measurement.counts();
        let bound: u64 = $bound;
        ::core::assert!(
            counts.requests() $comparison bound,
            "allocations and reallocations: {}, not {} {} ({})",
            counts.requests(),
            ::core::stringify!($comparison),
            bound,
            counts,
        );
        value
    }};
}

/// Runs a block and prints to standard error, in one line that begins with a name, what the calling
/// thread allocated and freed in it; the value is that of the block. Tests print it with
/// `cargo test -- --show-output`, or if they fail.
///
/// ```
/// # #[global_allocator]
/// # static GLOBAL: hakmem::Hakmem = hakmem::Hakmem;
/// let words = hakmem::report_allocations!("splitting", {
///     "a line of words".split(' ').collect::<Vec<_>>()
/// });
/// assert_eq!(words.len(), 4);
/// ```
#[macro_export]
macro_rules! report_allocations {
    ($name:expr, $code:expr $(,)?) => {{
        let measurement = $crate::Measurement::begin();
        let value = $code;
        ::std::eprintln!("{}: {}", $name, measurement.counts());
        value
    }};
}
