//! A second word of thread-local storage: the word with which a thread that is about to fork
//! resumes afterwards. It is 0 at all other times.
//!
//! # Safety
//! The symbol is defined only here; its section gives it 8 bytes and alignment 8.
#![allow(unsafe_code)]

#[cfg(all(target_arch = "x86_64", not(miri)))]
mod initial_exec {
    core::arch::global_asm!(
        ".pushsection .tbss.hakmem, \"awT\", @nobits",
        ".p2align 3",
        ".globl hakmem_thread_fork",
        ".hidden hakmem_thread_fork",
        ".type hakmem_thread_fork, @object",
        ".size hakmem_thread_fork, 8",
        "hakmem_thread_fork:",
        ".zero 8",
        ".popsection",
    );

    /// The calling thread's word.
    pub(crate) fn get() -> usize {
        let word: usize;
        // SAFETY: the thread pointer plus the linker-made offset is the thread's own copy.
        unsafe {
            core::arch::asm!(
                "mov {word}, qword ptr [rip + hakmem_thread_fork@GOTTPOFF]",
                "mov {word}, qword ptr fs:[{word}]",
                word = out(reg) word,
                options(pure, readonly, nostack, preserves_flags)
            );
        }
        word
    }

    /// Sets the calling thread's word.
    pub(crate) fn set(word: usize) {
        // SAFETY: as in `get`.
        unsafe {
            core::arch::asm!(
                "mov {offset}, qword ptr [rip + hakmem_thread_fork@GOTTPOFF]",
                "mov qword ptr fs:[{offset}], {word}",
                offset = out(reg) _,
                word = in(reg) word,
                options(nostack, preserves_flags)
            );
        }
    }
}
#[cfg(all(target_arch = "x86_64", not(miri)))]
pub(crate) use initial_exec::{get, set};

#[cfg(not(all(target_arch = "x86_64", not(miri))))]
mod portable {
    use crate::sync::{AtomicU32, Ordering};

    /// Key plus one; 0 until the first `set`.
    static KEY: AtomicU32 = AtomicU32::new(0);

    /// The calling thread's word.
    pub(crate) fn get() -> usize {
        let key = KEY.load(Ordering::Relaxed);
        if key == 0 {
            return 0;
        }
        // SAFETY: the key was created by `set`.
        unsafe { libc::pthread_getspecific((key - 1) as libc::pthread_key_t) as usize }
    }

    /// Sets the calling thread's word. If two threads fork for the first time at once, one key is
    /// leaked.
    pub(crate) fn set(word: usize) {
        let mut key = KEY.load(Ordering::Relaxed);
        if key == 0 {
            let mut new: libc::pthread_key_t = 0;
            // SAFETY: the call fills `new`; there is no destructor.
            if unsafe { libc::pthread_key_create(&mut new, None) } != 0 {
                return;
            }
            let wanted = new as u32 + 1;
            let found = KEY.compare_exchange(0, wanted, Ordering::Relaxed, Ordering::Relaxed);
            key = found.err().unwrap_or(wanted);
        }
        let value = core::ptr::without_provenance(word);
        // SAFETY: the key exists.
        unsafe { libc::pthread_setspecific((key - 1) as libc::pthread_key_t, value) };
    }
}
#[cfg(not(all(target_arch = "x86_64", not(miri))))]
pub(crate) use portable::{get, set};
