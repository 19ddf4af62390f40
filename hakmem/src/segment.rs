//! The telemetry segment's file: created at start, filled with the identity of the process, and
//! mapped piece by piece.
//!
//! No failure here may harm the program. Space is reserved before it is touched, so a full file
//! system is an error here and not a SIGBUS later. If anything is missing, full, read-only or
//! forbidden, one line says so, and the same structures lie in private memory, where no reader sees
//! them. Descriptors are closed at once, because programs close descriptors that they do not know,
//! and none is opened again: [`mapping`] explains how groups of slots are mapped later, and what
//! holds the lock.
//!
//! # Orderings
//! `ready` is stored with Release after the identity, for readers in other processes, and so is
//! `HEADER`, for other threads. The live fields are single relaxed words.
//!
//! # Safety
//! The header stays mapped from [`Segment::create`] on until the only thread of a child process
//! replaces the value.
#![allow(unsafe_code)]

mod directory;
mod identity;
mod labels;
mod mapping;
mod namespaces;
mod notes;

use core::ffi::CStr;
use core::ptr::{self, NonNull, addr_of_mut};

use hakmem_segment::header::{HEADER_BYTES, SLOTS_MAX};
use hakmem_segment::slot::SLOT_BYTES;
use hakmem_segment::{BINS, READY, SegmentHeader, State, Telemetry};

use crate::os::limits::{self, Limited};
use crate::os::memory::PAGE;
use crate::os::syscall::Errno;
use crate::os::{clock, loader, memory, message};
use crate::settings::Settings;
use crate::sync::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use directory::{Place, Problem};
use identity::Birth;
use mapping::Mapping;
pub(crate) use namespaces::namespaces;
pub use namespaces::note_namespace;

/// Number of slots that are mapped together, behind the heaps that they belong to.
pub(crate) const GROUP_SLOTS: usize = 16;
/// Offset of the first slot in the file, and distance from one slot to the next, in whole pages of
/// every kernel of the target. The header tells readers both.
pub(crate) const HEADER_STEP: usize = HEADER_BYTES.next_multiple_of(PAGE);
pub(crate) const SLOT_STEP: usize = SLOT_BYTES.next_multiple_of(PAGE);

/// What a new child process inherited from its parent.
#[derive(Clone, Copy)]
pub(crate) struct Inherited {
    /// Live blocks by bin, and bytes of live spans.
    pub(crate) blocks: [i64; BINS],
    pub(crate) large_bytes: usize,
    /// Bytes of free blocks on the lists of threads that the child does not have.
    pub(crate) abandoned_bytes: u64,
    /// Locks held by threads that the child does not have.
    pub(crate) doubts: u32,
}

impl Inherited {
    /// No inheritance.
    pub(crate) const NOTHING: Self =
        Self { blocks: [0; BINS], large_bytes: 0, abandoned_bytes: 0, doubts: 0 };
}

/// The header in force; null before the first segment. Slow paths read this.
static HEADER: AtomicPtr<SegmentHeader> = AtomicPtr::new(ptr::null_mut());
/// Address of the header in force, which stays after [`lose`]; whether private memory has taken the
/// place of the file's header; and whether the file was truncated.
static HEADER_AT: AtomicUsize = AtomicUsize::new(0);
static HEADER_REPLACED: AtomicBool = AtomicBool::new(false);
static LOST: AtomicBool = AtomicBool::new(false);

/// Whether a line has already said that telemetry is off.
static SAID: AtomicBool = AtomicBool::new(false);

/// A process's segment.
pub(crate) struct Segment {
    header: NonNull<SegmentHeader>,
    /// The file, if there is one.
    file: Option<Mapping>,
}

// SAFETY: the header is a mapping that outlives every thread, and all its changing fields are
// atomic.
unsafe impl Send for Segment {}

impl Segment {
    /// Makes the process's segment, in private memory if necessary. `None` only if there is no
    /// memory at all.
    #[inline(never)]
    pub(crate) fn create(settings: &Settings, inherited: Option<&Inherited>) -> Option<Self> {
        let birth = Birth::now();
        let published = match publish(birth, settings) {
            Ok(segment) => segment,
            Err(problem) => {
                // The parent of a child has said so already, and so has an earlier attempt that
                // found no memory.
                if inherited.is_none() && !SAID.swap(true, Ordering::Relaxed) {
                    say_that_telemetry_is_off(&problem);
                }
                None
            }
        };
        let segment = match published {
            Some(segment) => segment,
            None => Self { header: memory::map(HEADER_STEP)?.cast(), file: None },
        };
        // SAFETY: just mapped, zeroed and of this size; nobody else knows it.
        let header = unsafe { &mut *segment.header.as_ptr() };
        identity::fill(header, birth, settings, inherited);
        // Release: pairs with the Acquire in `Live::current`; publishes the identity to other
        // threads.
        HEADER_AT.store(segment.header.as_ptr() as usize, Ordering::Relaxed);
        HEADER_REPLACED.store(false, Ordering::Relaxed);
        LOST.store(false, Ordering::Relaxed);
        HEADER.store(segment.header.as_ptr(), Ordering::Release);
        if let Some(header) = Live::current() {
            // SAFETY: a field of the mapped header.
            header.word32(|header| unsafe { addr_of_mut!((*header).state) }, State::Running as u32);
            header.exit_code(-1);
            // Release: the identity is in place before the segment is ready.
            header.ready();
        }
        Some(segment)
    }

    /// Whether other processes can see the segment.
    pub(crate) fn is_published(&self) -> bool {
        self.file.is_some() && !LOST.load(Ordering::Relaxed)
    }

    /// Maps the slots of the next group over reserved space; false if the file has no room for
    /// them. Groups are mapped in ascending order.
    ///
    /// # Safety
    /// The caller owns the space and nothing is in it.
    pub(crate) unsafe fn map_group(&self, base: NonNull<u8>, group: usize) -> bool {
        // SAFETY: the caller's duty.
        self.file.as_ref().is_some_and(|file| unsafe { file.map_group(base, group) })
    }

    /// Makes sure that a slot of a mapped group has memory behind it.
    pub(crate) fn reserve_slot(&self, slot: NonNull<u8>, index: usize) -> bool {
        self.file.as_ref().is_some_and(|file| file.reserve_slot(slot, index))
    }

    /// Forgets the segment of the parent process.
    ///
    /// # Safety
    /// Called in a new child process by its only thread; [`HEADER`] is replaced right after.
    pub(crate) unsafe fn forget(self) {
        HEADER.store(ptr::null_mut(), Ordering::Relaxed);
        // A refusal is counted; it leaves a mapping that the child does not use.
        // SAFETY: the caller's duty; nobody uses the mapping any more.
        let _ = unsafe { memory::unmap(self.header.cast(), HEADER_STEP) };
        if let Some(file) = self.file {
            // SAFETY: as above.
            unsafe { file.forget() };
        }
    }
}

/// Stops publishing, because the file was truncated. Returns true if that was not known yet.
pub(crate) fn lose() -> bool {
    HEADER.store(ptr::null_mut(), Ordering::Relaxed);
    !LOST.swap(true, Ordering::Relaxed)
}

/// Whether `address` lies in the header.
pub(crate) fn is_header(address: usize) -> bool {
    address.wrapping_sub(HEADER_AT.load(Ordering::Relaxed)) < HEADER_STEP
}

/// Puts private memory in place of the header, unless that is done already; false if there is no
/// memory. Runs in a signal handler.
pub(crate) fn replace_header() -> bool {
    // Another thread is about to do it: for this thread, the fault repeats until that is done.
    if HEADER_REPLACED.swap(true, Ordering::Relaxed) {
        return true;
    }
    let header = HEADER_AT.load(Ordering::Relaxed);
    let replaced = NonNull::new(header as *mut u8).is_some_and(|header| {
        let memory = memory::map(HEADER_STEP);
        // SAFETY: the header is this process's; its contents are gone with the file.
        memory.is_some_and(|memory| unsafe { memory::move_over(memory, HEADER_STEP, header) })
    });
    HEADER_REPLACED.store(replaced, Ordering::Relaxed);
    replaced
}

/// Clears the mark that a thread of the parent process may have left half-way; called in a new
/// child.
pub(crate) fn begin_child() {
    HEADER_REPLACED.store(false, Ordering::Relaxed);
}

#[cold]
#[inline(never)]
fn say_that_telemetry_is_off(problem: &Problem<'_>) {
    message::print(format_args!("telemetry is off: {problem}; the program continues"));
}

/// Creates the file, takes its lock and maps its header; `None` if the settings turn telemetry off.
#[inline(never)]
fn publish(birth: Birth, settings: &Settings) -> Result<Option<Segment>, Problem<'_>> {
    // A process has one segment: that of its executable, if hakmem is the executable's allocator.
    let is_second = !loader::is_in_executable() && notes::executable_has_own_allocator();
    if settings.telemetry == Telemetry::Off || is_second {
        return Ok(None);
    }
    let place = Place::open_or_make(settings)?;
    let room = place.make_room();
    let name = directory::file_name(birth);
    let name = CStr::from_bytes_until_nul(&name).unwrap_or_default();
    let file = place.create(name).map_err(|Errno(errno)| Problem::Refused(place, errno))?;
    // For a length beyond the limit the kernel would send SIGXFSZ.
    let slots = slots_within(limits::limit(Limited::FileSize)).min(room);
    let fits = slots > 0
        && file.try_lock()
        && file.set_length(HEADER_STEP + slots * SLOT_STEP)
        && file.reserve(0, HEADER_BYTES)
        && file.reserve(HEADER_STEP, SLOT_BYTES);
    if !fits {
        place.remove(name);
        return Err(Problem::NoSpace(place));
    }
    let mapped = place.open(name).and_then(|open| mapping::map(&file, &open, slots));
    match mapped {
        Ok((header, mapping)) => Ok(Some(Segment { header, file: Some(mapping) })),
        Err(Errno(errno)) => {
            place.remove(name);
            Err(Problem::Refused(place, errno))
        }
    }
}

/// Number of slots that fit into a file of at most `bytes`.
fn slots_within(bytes: usize) -> usize {
    (bytes.saturating_sub(HEADER_STEP) / SLOT_STEP).min(SLOTS_MAX)
}

/// The fields of the header that change while the process lives.
pub(crate) struct Live(NonNull<SegmentHeader>);

impl Live {
    /// The current segment's fields, if there is a segment.
    pub(crate) fn current() -> Option<Self> {
        // Acquire: pairs with the Release in `Segment::create`, so that the identity can be read.
        NonNull::new(HEADER.load(Ordering::Acquire)).map(Self)
    }

    fn word32(&self, field: impl FnOnce(*mut SegmentHeader) -> *mut u32, value: u32) {
        // SAFETY: a field of the mapped header, aligned, accessed atomically only.
        unsafe { &*field(self.0.as_ptr()).cast::<AtomicU32>() }.store(value, Ordering::Relaxed);
    }

    fn word64(&self, field: impl FnOnce(*mut SegmentHeader) -> *mut u64, value: u64) {
        // SAFETY: a field of the mapped header, aligned, accessed atomically only.
        unsafe { &*field(self.0.as_ptr()).cast::<AtomicU64>() }.store(value, Ordering::Relaxed);
    }

    fn ready(&self) {
        // SAFETY: a field of the mapped header.
        let field = unsafe { addr_of_mut!((*self.0.as_ptr()).ready) };
        // SAFETY: aligned, mapped, accessed atomically only. Release: publishes the identity.
        unsafe { &*field.cast::<AtomicU64>() }.store(READY, Ordering::Release);
    }

    fn exit_code(&self, code: i32) {
        // SAFETY: a field of the mapped header.
        let field = unsafe { addr_of_mut!((*self.0.as_ptr()).exit_code) };
        // SAFETY: aligned, mapped, accessed atomically only.
        unsafe { &*field.cast::<AtomicI32>() }.store(code, Ordering::Relaxed);
    }

    /// Id of the process that the segment belongs to.
    pub(crate) fn pid(&self) -> u32 {
        // SAFETY: a field of the mapped header that was written before the header became current.
        unsafe { (*self.0.as_ptr()).pid }
    }

    /// Process id, start time and nonce, after which the file is named.
    pub(crate) fn identity(&self) -> (u32, u64, u64) {
        // SAFETY: a field of the mapped header that was written before the header became current.
        let start_time_ticks = unsafe { (*self.0.as_ptr()).start_time_ticks };
        // SAFETY: as above.
        let nonce = unsafe { (*self.0.as_ptr()).nonce };
        (self.pid(), start_time_ticks, nonce)
    }

    /// Records that the process ends normally, with the exit code `code`.
    pub(crate) fn exited(&self, code: i32) {
        self.exit_code(code);
        // SAFETY: fields of the mapped header.
        self.word64(|header| unsafe { addr_of_mut!((*header).exited_unix_ns) }, clock::unix_ns());
        // SAFETY: as above.
        self.word32(|header| unsafe { addr_of_mut!((*header).state) }, State::Exited as u32);
    }

    /// Publishes the number of slots that have ever been owned.
    pub(crate) fn slots_used(&self, slots: u32) {
        // SAFETY: a field of the mapped header.
        self.word32(|header| unsafe { addr_of_mut!((*header).slots_used) }, slots);
    }

    /// Publishes the numbers of threads whose slots are not in the file: now, and ever.
    pub(crate) fn threads_unpublished(&self, now: u32, total: u64) {
        // SAFETY: a field of the mapped header.
        self.word32(|header| unsafe { addr_of_mut!((*header).threads_unpublished) }, now);
        let field = |header: *mut SegmentHeader| {
            // SAFETY: as above.
            unsafe { addr_of_mut!((*header).threads_unpublished_total) }
        };
        self.word64(field, total);
    }

    /// Publishes the number of blocks that wait in the central store.
    pub(crate) fn central_blocks(&self, bin: usize, blocks: u32) {
        let field = |header: *mut SegmentHeader| {
            // SAFETY: a field of the mapped header; `bin` is below BINS.
            unsafe { addr_of_mut!((*header).central_blocks[bin]) }
        };
        self.word64(field, blocks.into());
    }

    /// Publishes the bytes of slabs in use.
    pub(crate) fn slab_bytes(&self, bytes: usize) {
        // SAFETY: a field of the mapped header.
        self.word64(|header| unsafe { addr_of_mut!((*header).slab_bytes) }, bytes as u64);
    }

    /// Publishes the memory of arenas and large spans, and what the system refused to take back.
    pub(crate) fn memory(&self, arena: crate::arena::Usage, large: crate::large::Usage) {
        let refused = memory::refusals();
        macro_rules! publish {
            ($($field:ident = $value:expr;)*) => {$(
                // SAFETY: a field of the mapped header.
                self.word64(|header| unsafe { addr_of_mut!((*header).$field) }, $value as u64);
            )*};
        }
        publish! {
            arena_reserved_bytes = arena.reserved;
            arena_committed_bytes = arena.committed;
            slab_bytes = arena.slabs;
            slab_cached_bytes = arena.cached;
            slab_returned_bytes_total = arena.returned_total;
            large_bytes = large.live;
            large_cached_bytes = large.cached;
            large_purged_bytes = large.purged;
            unmaps_refused_total = refused.unmaps;
            purges_refused_total = refused.purges;
            advice_refused_total = refused.advice;
        }
    }
}
