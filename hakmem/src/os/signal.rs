//! The signal that ends a process which touches a page of a file that was cut off: SIGBUS.
//!
//! One function may mend the fault. Where it does not, the signal takes the course that it would
//! have taken: it goes to the handler that was there before, or ends the process.
//!
//! # Orderings
//! What the handler reads is stored before the handler is installed, and signals arrive after that:
//! relaxed.
//!
//! # Safety
//! The handler runs at any instruction of any thread. It makes system calls only and takes no lock.
#![allow(unsafe_code)]

use core::ffi::{c_int, c_void};
use core::mem;
use core::ptr::{self, null_mut};

use super::process;
use super::syscall::{Errno, call};
use crate::sync::{AtomicPtr, AtomicUsize, Ordering};

/// Mends the fault at an address; false if it is none of its business.
pub(crate) type Mend = fn(usize) -> bool;

/// The kernel's description of what a signal does.
#[repr(C)]
struct Action {
    handler: usize,
    flags: usize,
    restorer: usize,
    mask: u64,
}

/// Bytes of the kernel's sets of signals.
const SET_BYTES: usize = size_of::<u64>();
const DEFAULT: Action = Action { handler: libc::SIG_DFL, flags: 0, restorer: 0, mask: 0 };
const SIGBUS: usize = libc::SIGBUS as usize;
/// Says that [`Action::restorer`] counts.
#[cfg(all(target_arch = "x86_64", not(miri)))]
const SA_RESTORER: usize = 0x0400_0000;

static MEND: AtomicPtr<()> = AtomicPtr::new(null_mut());
/// The handler that was there before, and its flags.
static OLD_HANDLER: AtomicUsize = AtomicUsize::new(libc::SIG_DFL);
static OLD_FLAGS: AtomicUsize = AtomicUsize::new(0);

// A handler returns to this, which ends it. The instructions are those of the C library: debuggers
// and unwinders know the frame of a signal by them.
#[cfg(all(target_arch = "x86_64", not(miri)))]
core::arch::global_asm!(
    ".pushsection .text.hakmem_signal_return,\"ax\",@progbits",
    ".balign 16",
    // An unwinder looks at the byte before an address of return.
    "nop",
    ".hidden hakmem_signal_return",
    ".global hakmem_signal_return",
    ".type hakmem_signal_return,@function",
    "hakmem_signal_return:",
    ".byte 0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00", // mov rax, 15 (rt_sigreturn)
    "syscall",
    ".size hakmem_signal_return, . - hakmem_signal_return",
    ".popsection",
);
#[cfg(all(target_arch = "x86_64", not(miri)))]
unsafe extern "C" {
    fn hakmem_signal_return();
}

/// Where a handler returns to, and the flag that says so; nothing where the kernel has a place.
fn restorer() -> (usize, usize) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    return (hakmem_signal_return as *const () as usize, SA_RESTORER);
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    (0, 0)
}

/// Has `mend` asked about every SIGBUS, before the handler that is installed now. A program that
/// ignores the signal, or that installs a handler later, is left alone.
pub(crate) fn mend_bus_errors(mend: Mend) {
    let mut old = DEFAULT;
    // SAFETY: fills the structure that it is given.
    let known = unsafe { action(ptr::null(), &mut old) };
    if known.is_err() || old.handler == libc::SIG_IGN {
        return;
    }
    OLD_HANDLER.store(old.handler, Ordering::Relaxed);
    OLD_FLAGS.store(old.flags, Ordering::Relaxed);
    MEND.store(mend as *mut (), Ordering::Relaxed);
    let (restorer, has_restorer) = restorer();
    // Not deferred: a handler of another signal may interrupt this one before it has begun, and
    // allocate.
    let flags = (libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER) as usize | has_restorer;
    let handler = on_bus_error as *const () as usize;
    let new = Action { handler, flags, restorer, mask: old.mask };
    // SAFETY: a handler of this library, which is never unloaded. A refusal changes nothing.
    let _ = unsafe { action(&new, null_mut()) };
}

/// Sets and gets what SIGBUS does.
///
/// # Safety
/// The pointers are null or point to structures; the handler may run at any time.
unsafe fn action(new: *const Action, old: *mut Action) -> Result<usize, Errno> {
    let arguments = [SIGBUS, new as usize, old as usize, SET_BYTES];
    // SAFETY: the caller's duty.
    unsafe { call(libc::SYS_rt_sigaction, arguments) }
}

/// Keeps all signals from the calling thread until its handler returns.
pub(crate) fn block_all() {
    let all = u64::MAX;
    let (how, at) = (libc::SIG_BLOCK as usize, &raw const all as usize);
    // SAFETY: the kernel reads the set. A refusal leaves a small risk, that of a nested handler.
    let _ = unsafe { call(libc::SYS_rt_sigprocmask, [how, at, 0, SET_BYTES]) };
}

unsafe extern "C" fn on_bus_error(
    signal: c_int,
    information: *mut libc::siginfo_t,
    context: *mut c_void,
) {
    // SAFETY: the kernel's structure.
    let code = unsafe { (*information).si_code };
    let mend = MEND.load(Ordering::Relaxed);
    if code == libc::BUS_ADRERR && !mend.is_null() {
        // SAFETY: only functions of this type are stored.
        let mend = unsafe { mem::transmute::<*mut (), Mend>(mend) };
        // SAFETY: the kernel's structure.
        let information = unsafe { &*information };
        // SAFETY: it tells of a fault, which has an address.
        if mend(unsafe { information.si_addr() } as usize) {
            return;
        }
    }
    pass_on(signal, information, context, code);
}

/// Lets the signal take its course.
fn pass_on(signal: c_int, information: *mut libc::siginfo_t, context: *mut c_void, code: c_int) {
    type Plain = unsafe extern "C" fn(c_int);
    type Informed = unsafe extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);
    let old = OLD_HANDLER.load(Ordering::Relaxed) as *const ();
    if old as usize == libc::SIG_DFL {
        // SAFETY: the structure lives; the default is what was there.
        let _ = unsafe { action(&DEFAULT, null_mut()) };
        // A fault happens again when the handler returns; what was sent must be sent again.
        if code <= 0 {
            process::signal_self(signal);
        }
    } else if OLD_FLAGS.load(Ordering::Relaxed) & libc::SA_SIGINFO as usize != 0 {
        // SAFETY: a handler of this type, by its flags.
        let old = unsafe { mem::transmute::<*const (), Informed>(old) };
        // SAFETY: the handler that would have been called, with its arguments.
        unsafe { old(signal, information, context) };
    } else {
        // SAFETY: a handler of this type, by its flags.
        let old = unsafe { mem::transmute::<*const (), Plain>(old) };
        // SAFETY: the handler that would have been called, with its argument.
        unsafe { old(signal) };
    }
}

#[cfg(test)]
mod tests;
