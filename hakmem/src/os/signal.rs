//! SIGBUS: the signal that ends a process when it touches a page of a file that was truncated.
//!
//! One function, the `mend` of [`mend_bus_errors`], may repair the fault. If it does not, the
//! signal takes the course that it would have taken without it: it goes to the handler that was
//! installed before, or ends the process.
//!
//! # Orderings
//! All stores and loads are relaxed: what the handler reads is stored before the handler is
//! installed, and signals arrive after that.
//!
//! # Safety
//! The handler runs at any instruction of any thread. It only makes system calls and takes no lock.
#![allow(unsafe_code)]

use core::ffi::{c_int, c_void};
use core::mem;
use core::ptr::{self, null_mut};

use super::process;
use super::syscall::{Errno, call};
use crate::sync::{AtomicPtr, AtomicUsize, Ordering};

/// Repairs the fault at an address; returns false if the address is not its own.
pub(crate) type Mend = fn(usize) -> bool;

/// The kernel's `struct sigaction`: what a signal does.
#[repr(C)]
struct Action {
    handler: usize,
    flags: usize,
    restorer: usize,
    mask: u64,
}

/// Bytes of the kernel's signal sets.
const SET_BYTES: usize = size_of::<u64>();
const DEFAULT: Action = Action { handler: libc::SIG_DFL, flags: 0, restorer: 0, mask: 0 };
const SIGBUS: usize = libc::SIGBUS as usize;
/// Flag that says that [`Action::restorer`] is valid.
#[cfg(all(target_arch = "x86_64", not(miri)))]
const SA_RESTORER: usize = 0x0400_0000;

static MEND: AtomicPtr<()> = AtomicPtr::new(null_mut());
/// The handler that was installed before ours, and its flags.
static OLD_HANDLER: AtomicUsize = AtomicUsize::new(libc::SIG_DFL);
static OLD_FLAGS: AtomicUsize = AtomicUsize::new(0);

// A signal handler returns to this code, which ends it. The instructions are those of the C
// library, because debuggers and unwinders recognise a signal frame by them.
#[cfg(all(target_arch = "x86_64", not(miri)))]
core::arch::global_asm!(
    ".pushsection .text.hakmem_signal_return,\"ax\",@progbits",
    ".balign 16",
    // An unwinder looks at the byte before a return address.
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

/// The address to which a handler returns, and the flag that announces it; zeros where the kernel
/// provides the code.
fn restorer() -> (usize, usize) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    return (hakmem_signal_return as *const () as usize, SA_RESTORER);
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    (0, 0)
}

/// Installs a SIGBUS handler that asks `mend` first and then the handler that is installed now. A
/// program that ignores the signal, or that installs a handler later, is left alone.
pub(crate) fn mend_bus_errors(mend: Mend) {
    let mut old = DEFAULT;
    // SAFETY: the kernel fills `old`.
    let known = unsafe { action(ptr::null(), &mut old) };
    if known.is_err() || old.handler == libc::SIG_IGN {
        return;
    }
    OLD_HANDLER.store(old.handler, Ordering::Relaxed);
    OLD_FLAGS.store(old.flags, Ordering::Relaxed);
    MEND.store(mend as *mut (), Ordering::Relaxed);
    let (restorer, has_restorer) = restorer();
    // SA_NODEFER: a handler of another signal may interrupt this one before it has begun, and
    // allocate.
    let flags = (libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER) as usize | has_restorer;
    let handler = on_bus_error as *const () as usize;
    let new = Action { handler, flags, restorer, mask: old.mask };
    // SAFETY: the handler belongs to this library, which is never unloaded. A refusal changes
    // nothing.
    let _ = unsafe { action(&new, null_mut()) };
}

/// Sets the action of SIGBUS to `new` and stores the previous one in `old`; either may be null.
///
/// # Safety
/// `new` and `old` are null or point to an [`Action`]; the new handler may run at any time.
unsafe fn action(new: *const Action, old: *mut Action) -> Result<usize, Errno> {
    let arguments = [SIGBUS, new as usize, old as usize, SET_BYTES];
    // SAFETY: the caller's duty.
    unsafe { call(libc::SYS_rt_sigaction, arguments) }
}

/// Blocks all signals for the calling thread until its handler returns.
pub(crate) fn block_all() {
    let all = u64::MAX;
    let (how, at) = (libc::SIG_BLOCK as usize, &raw const all as usize);
    // SAFETY: the kernel only reads the set. If it refuses, a nested handler may run, a small risk.
    let _ = unsafe { call(libc::SYS_rt_sigprocmask, [how, at, 0, SET_BYTES]) };
}

unsafe extern "C" fn on_bus_error(
    signal: c_int,
    information: *mut libc::siginfo_t,
    context: *mut c_void,
) {
    // SAFETY: the structure comes from the kernel.
    let code = unsafe { (*information).si_code };
    let mend = MEND.load(Ordering::Relaxed);
    if code == libc::BUS_ADRERR && !mend.is_null() {
        // SAFETY: [`mend_bus_errors`] stores only functions of this type.
        let mend = unsafe { mem::transmute::<*mut (), Mend>(mend) };
        // SAFETY: the structure comes from the kernel.
        let information = unsafe { &*information };
        // SAFETY: the structure describes a fault, so it has an address.
        if mend(unsafe { information.si_addr() } as usize) {
            return;
        }
    }
    pass_on(signal, information, context, code);
}

/// Passes the signal on to the action that was installed before ours.
fn pass_on(signal: c_int, information: *mut libc::siginfo_t, context: *mut c_void, code: c_int) {
    type Plain = unsafe extern "C" fn(c_int);
    type Informed = unsafe extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);
    let old = OLD_HANDLER.load(Ordering::Relaxed) as *const ();
    if old as usize == libc::SIG_DFL {
        // SAFETY: `DEFAULT` is static, and the default action was the one in force before.
        let _ = unsafe { action(&DEFAULT, null_mut()) };
        // A faulting instruction faults again when the handler returns; a signal that was sent
        // (`code <= 0`) must be sent again.
        if code <= 0 {
            process::signal_self(signal);
        }
    } else if OLD_FLAGS.load(Ordering::Relaxed) & libc::SA_SIGINFO as usize != 0 {
        // SAFETY: the flags of the handler say that it has this type.
        let old = unsafe { mem::transmute::<*const (), Informed>(old) };
        // SAFETY: the kernel would have called this handler with these arguments.
        unsafe { old(signal, information, context) };
    } else {
        // SAFETY: the flags of the handler say that it has this type.
        let old = unsafe { mem::transmute::<*const (), Plain>(old) };
        // SAFETY: the kernel would have called this handler with this argument.
        unsafe { old(signal) };
    }
}

#[cfg(test)]
mod tests;
