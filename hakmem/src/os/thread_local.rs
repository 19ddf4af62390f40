//! One word of thread-local storage: the address of the thread's heap.
//!
//! `thread_local!` in a shared library costs a call to `__tls_get_addr` per access (15 % of the
//! throughput, by measurement). On x86-64 and aarch64 the word is defined in assembly and accessed
//! through the initial-exec model: two or four instructions, 8 bytes of the static TLS space. Its
//! initial value is the address of a sentinel whose memory is all zeros, so the fast paths need not
//! check whether the thread has a heap: every list of the sentinel is empty and has no capacity. On
//! other architectures `pthread_getspecific` is used, which glibc and musl answer without
//! allocating.
//!
//! # Safety
//! The symbol is defined only here; its section gives it 8 bytes and alignment 8.
#![allow(unsafe_code)]

use core::cell::UnsafeCell;

use super::memory::{PAGE, PAGE_MIN};

/// Bytes of zeros in the sentinel: all that the fast paths may read relative to a heap's address.
/// Slots lie further apart on targets whose pages may be large.
pub(crate) const SENTINEL_BYTES: usize = if PAGE == PAGE_MIN { 640 << 10 } else { 18 * PAGE };

/// Zeros that stand for the heap of a thread that has none. The cell places them in a section of
/// zeros, which takes no room in the file. Only two words are ever written, atomically: `heap`
/// closes bin 0's lists.
#[repr(C, align(4096))]
pub(crate) struct Zeros(UnsafeCell<[u8; SENTINEL_BYTES]>);

// SAFETY: the zeros are written by atomic stores only.
unsafe impl Sync for Zeros {}

static SENTINEL: Zeros = Zeros(UnsafeCell::new([0; SENTINEL_BYTES]));

/// Address of the sentinel of threads that have no heap yet.
#[inline(always)]
pub(crate) fn sentinel() -> *mut u8 {
    SENTINEL.0.get().cast()
}

/// The thread pointer. It is unique among live threads; in a forked child it is that of the thread
/// that forked.
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[inline(always)]
pub(crate) fn pointer() -> usize {
    let pointer: usize;
    // SAFETY: the first word of the thread's control block is its own address (System V ABI).
    unsafe {
        core::arch::asm!(
            "mov {pointer}, qword ptr fs:[0]",
            pointer = lateout(reg) pointer,
            options(pure, readonly, nostack, preserves_flags)
        );
    }
    pointer
}

/// The thread pointer, or libc's `pthread_self` in its place.
#[cfg(not(any(target_arch = "x86_64", miri)))]
pub(crate) fn pointer() -> usize {
    // SAFETY: no precondition.
    unsafe { libc::pthread_self() as usize }
}

/// A page's address for each thread. Under Miri `pthread_self` counts threads from 0 or 1, and
/// locks tell their holders apart by the pages of thread pointers.
#[cfg(miri)]
pub(crate) fn pointer() -> usize {
    // SAFETY: no precondition.
    (unsafe { libc::pthread_self() as usize } + 1) << 12
}

#[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), not(miri)))]
core::arch::global_asm!(
    ".pushsection .tdata.hakmem, \"awT\", %progbits",
    ".p2align 3",
    ".globl hakmem_thread_heap",
    ".hidden hakmem_thread_heap",
    ".type hakmem_thread_heap, %object",
    ".size hakmem_thread_heap, 8",
    "hakmem_thread_heap:",
    ".quad {sentinel}",
    ".popsection",
    sentinel = sym SENTINEL,
);

#[cfg(all(target_arch = "x86_64", not(miri)))]
mod machine {
    /// The thread's heap or a sentinel.
    #[inline(always)]
    pub(crate) fn get() -> *mut u8 {
        let offset: usize;
        // SAFETY: reads the linker-made offset of the symbol above.
        unsafe {
            core::arch::asm!(
                "mov {offset}, qword ptr [rip + hakmem_thread_heap@GOTTPOFF]",
                offset = out(reg) offset,
                options(pure, readonly, nostack, preserves_flags)
            );
        }
        let heap: *mut u8;
        // SAFETY: the thread pointer plus that offset is the thread's own copy of the symbol.
        unsafe {
            core::arch::asm!(
                "mov {heap}, qword ptr fs:[{offset}]",
                heap = lateout(reg) heap,
                offset = in(reg) offset,
                options(pure, readonly, nostack, preserves_flags)
            );
        }
        heap
    }

    /// Sets the thread's heap.
    pub(crate) fn set(heap: *mut u8) {
        // SAFETY: as in `get`; writes the thread's own copy.
        unsafe {
            core::arch::asm!(
                "mov {offset}, qword ptr [rip + hakmem_thread_heap@GOTTPOFF]",
                "mov qword ptr fs:[{offset}], {heap}",
                offset = out(reg) _,
                heap = in(reg) heap,
                options(nostack, preserves_flags)
            );
        }
    }
}

#[cfg(all(target_arch = "aarch64", not(miri)))]
mod machine {
    /// Address of the thread's own copy of the symbol above.
    #[inline(always)]
    fn place() -> *mut *mut u8 {
        let (offset, thread): (usize, *mut u8);
        // SAFETY: reads the linker-made offset of the symbol, and the thread pointer.
        unsafe {
            core::arch::asm!(
                "adrp {offset}, :gottprel:hakmem_thread_heap",
                "ldr {offset}, [{offset}, :gottprel_lo12:hakmem_thread_heap]",
                "mrs {thread}, tpidr_el0",
                offset = out(reg) offset,
                thread = out(reg) thread,
                options(pure, readonly, nostack, preserves_flags)
            );
        }
        thread.wrapping_add(offset).cast()
    }

    /// The thread's heap or a sentinel.
    #[inline(always)]
    pub(crate) fn get() -> *mut u8 {
        // SAFETY: the thread's own word. Volatile: a signal handler or a fork may change it.
        unsafe { place().read_volatile() }
    }

    /// Sets the thread's heap.
    pub(crate) fn set(heap: *mut u8) {
        // SAFETY: the thread's own word.
        unsafe { place().write_volatile(heap) };
    }
}

#[cfg(any(not(any(target_arch = "x86_64", target_arch = "aarch64")), miri))]
mod machine {
    use core::ptr;

    use crate::sync::{AtomicU32, Ordering};

    /// Key plus one; 0 until the first `set`.
    static KEY: AtomicU32 = AtomicU32::new(0);

    /// The thread's heap or the sentinel.
    pub(crate) fn get() -> *mut u8 {
        let key = KEY.load(Ordering::Relaxed);
        if key == 0 {
            return super::sentinel();
        }
        // SAFETY: the key was created by `set`.
        let heap = unsafe { libc::pthread_getspecific(key - 1) }.cast::<u8>();
        if heap.is_null() { super::sentinel() } else { heap }
    }

    /// Sets the thread's heap. The first call comes from start-up, which one thread runs.
    pub(crate) fn set(heap: *mut u8) {
        if KEY.load(Ordering::Relaxed) == 0 {
            let mut key: libc::pthread_key_t = 0;
            // SAFETY: fills the key; no destructor.
            if unsafe { libc::pthread_key_create(&mut key, None) } != 0 {
                return;
            }
            KEY.store(key + 1, Ordering::Relaxed);
        }
        let key = KEY.load(Ordering::Relaxed) - 1;
        // SAFETY: the key exists.
        unsafe {
            libc::pthread_setspecific(
                key,
                ptr::NonNull::new(heap)
                    .map_or(ptr::null(), |heap| heap.as_ptr().cast_const().cast()),
            )
        };
    }
}
pub(crate) use machine::{get, set};
