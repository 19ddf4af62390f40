//! The process and its threads: identity, environment, hooks, end.
//!
//! # Safety
//! Each `unsafe` block states its own facts.
#![allow(unsafe_code)]

use core::ffi::{CStr, c_char, c_int, c_void};
use core::ptr;

use super::file::File;
use super::memory::PAGE;
use super::syscall::call;
use super::{auxiliary_vector, clock, message, thread_id};

unsafe extern "C" {
    static environ: *const *const c_char;
}

/// Makes a system call that takes no argument, changes nothing and cannot fail. Returns 0 if it
/// does fail, which a filter of the program may cause.
fn ask(number: libc::c_long) -> u32 {
    // SAFETY: such a call has no precondition.
    unsafe { call(number, []) }.unwrap_or(0) as u32
}

/// The process id, in the process's own namespace.
pub(crate) fn process_id() -> u32 {
    ask(libc::SYS_getpid)
}

/// The parent's process id.
pub(crate) fn parent_process_id() -> u32 {
    ask(libc::SYS_getppid)
}

/// The effective and the real user id.
pub(crate) fn user_ids() -> (u32, u32) {
    (ask(libc::SYS_geteuid), ask(libc::SYS_getuid))
}

/// The calling thread's name, padded with zeros. A sandbox may end the process for asking, so only
/// a process's first thread does, when the process begins.
pub(crate) fn thread_name() -> [u8; 16] {
    let mut name = [0_u8; 16];
    let arguments = [libc::PR_GET_NAME as usize, name.as_mut_ptr() as usize];
    // SAFETY: PR_GET_NAME writes at most 16 bytes.
    let _ = unsafe { call(libc::SYS_prctl, arguments) };
    name
}

/// Random bits, or bits of the clocks if the kernel has no randomness yet.
pub(crate) fn random() -> u64 {
    let mut bits = 0_u64;
    let (at, bytes) = (&raw mut bits as usize, size_of::<u64>());
    // SAFETY: the kernel fills `bits`.
    let got = unsafe { call(libc::SYS_getrandom, [at, bytes, libc::GRND_NONBLOCK as usize]) };
    if got == Ok(bytes) { bits } else { clock::ticks() ^ clock::unix_ns() }
}

/// Calls `visit` for each `NAME=value` of the environment. Reads the kernel's copy if libc has not
/// set up `environ` yet, as when the dynamic loader allocates.
pub(crate) fn for_each_variable(visit: &mut dyn FnMut(&[u8])) {
    // SAFETY: a variable of libc; start-up, which reads it first, is single-threaded.
    let mut entry = unsafe { environ };
    if entry.is_null() {
        return for_each_initial_variable(visit);
    }
    loop {
        // SAFETY: `environ` is an array of pointers that ends with a null pointer.
        let text = unsafe { *entry };
        if text.is_null() {
            return;
        }
        // SAFETY: each entry is a C string.
        visit(unsafe { CStr::from_ptr(text) }.to_bytes());
        // SAFETY: not yet at the end.
        entry = unsafe { entry.add(1) };
    }
}

/// Reads `/proc/self/environ` piece by piece; skips variables longer than the buffer.
#[inline(never)]
fn for_each_initial_variable(visit: &mut dyn FnMut(&[u8])) {
    let Ok(file) = File::open_read(c"/proc/self/environ") else { return };
    let mut buffer = [0_u8; 2048];
    let (mut filled, mut skipping) = (0, false);
    loop {
        let read = file.read(&mut buffer[filled..]);
        let end = filled + read;
        let mut start = 0;
        while let Some(length) = buffer[start..end].iter().position(|&byte| byte == 0) {
            if !skipping {
                visit(&buffer[start..start + length]);
            }
            skipping = false;
            start += length + 1;
        }
        if read == 0 {
            return;
        }
        if start == 0 && end == buffer.len() {
            skipping = true;
            filled = 0;
        } else {
            buffer.copy_within(start..end, 0);
            filled = end - start;
        }
    }
}

/// Makes a key whose destructor runs at each thread exit; `None` if no keys are left.
pub(crate) fn exit_key(destructor: unsafe extern "C" fn(*mut c_void)) -> Option<u32> {
    let mut key: libc::pthread_key_t = 0;
    // SAFETY: the call fills `key`; the destructor is a function of this library.
    (unsafe { libc::pthread_key_create(&mut key, Some(destructor)) } == 0).then_some(key)
}

/// Arms the key's destructor for the calling thread.
pub(crate) fn arm_exit_key(key: u32, value: *mut c_void) {
    // SAFETY: the key was created by `exit_key`.
    unsafe { libc::pthread_setspecific(key, value) };
}

/// Registers the functions that run before and after `fork`.
pub(crate) fn at_fork(
    prepare: unsafe extern "C" fn(),
    parent: unsafe extern "C" fn(),
    child: unsafe extern "C" fn(),
) {
    // SAFETY: functions of this library, which stays loaded: see `loader::stay_loaded`.
    unsafe { libc::pthread_atfork(Some(prepare), Some(parent), Some(child)) };
}

#[cfg(not(target_env = "musl"))]
unsafe extern "C" {
    fn on_exit(hook: extern "C" fn(c_int, *mut c_void), argument: *mut c_void) -> c_int;
}
#[cfg(target_env = "musl")]
unsafe extern "C" {
    /// The function behind `atexit` (Itanium C++ ABI, 3.3.6.3).
    fn __cxa_atexit(
        hook: extern "C" fn(*mut c_void),
        argument: *mut c_void,
        library: *mut c_void,
    ) -> c_int;
}
#[cfg(target_env = "gnu")]
unsafe extern "C" {
    /// The function behind `at_quick_exit`, which glibc provides only for static linking.
    fn __cxa_at_quick_exit(hook: extern "C" fn(*mut c_void), library: *mut c_void) -> c_int;
}

/// Registers the function that runs at `exit` and receives the exit code.
#[cfg(not(target_env = "musl"))]
pub(crate) fn at_exit(hook: extern "C" fn(c_int, *mut c_void)) {
    // SAFETY: the hook is a function of this library, which stays loaded.
    unsafe { on_exit(hook, ptr::null_mut()) };
}

/// Registers the function that runs at `exit`. musl does not report the exit code, so it is -1.
#[cfg(target_env = "musl")]
pub(crate) fn at_exit(hook: extern "C" fn(c_int, *mut c_void)) {
    extern "C" fn without_code(hook: *mut c_void) {
        // SAFETY: the registration below passes a function of this type.
        let hook =
            unsafe { core::mem::transmute::<*mut c_void, extern "C" fn(c_int, *mut c_void)>(hook) };
        hook(-1, ptr::null_mut());
    }
    // SAFETY: the hook is a function of this library, which stays loaded.
    unsafe { __cxa_atexit(without_code, hook as *mut c_void, ptr::null_mut()) };
}

/// Registers the function that runs at `quick_exit`.
pub(crate) fn at_quick_exit(hook: extern "C" fn(*mut c_void)) {
    #[cfg(target_env = "gnu")]
    // SAFETY: the hook is a function of this library, which stays loaded.
    unsafe {
        __cxa_at_quick_exit(hook, ptr::null_mut())
    };
    #[cfg(not(target_env = "gnu"))]
    let _ = hook;
}

/// Ends the process at once, without running any hook.
pub(crate) fn exit_now(code: c_int) -> ! {
    // SAFETY: ends the process.
    let _ = unsafe { call(libc::SYS_exit_group, [code as usize]) };
    end_by_trap()
}

/// Whether libc has set itself up, so that hooks can be registered.
pub(crate) fn is_libc_ready() -> bool {
    // SAFETY: a variable of libc, which its start-up code sets once. Miri runs no hooks.
    !cfg!(miri) && !unsafe { environ }.is_null()
}

/// Ends the process by SIGABRT. A handler of the program runs first, as it does for C's `abort`,
/// which is not called because it takes a lock.
pub(crate) fn abort() -> ! {
    raise_abort();
    // A handler returned, or the signal is ignored: now restore its default action, which ends the
    // process.
    let default = [0_usize; 4];
    let at = default.as_ptr() as usize;
    // SAFETY: these four words are the kernel's structure of a signal's action (handler, flags,
    // restorer and 64 bits of mask), and zeros mean the default action.
    let _ = unsafe { call(libc::SYS_rt_sigaction, [libc::SIGABRT as usize, at, 0, SET_BYTES]) };
    raise_abort();
    exit_now(EXIT_ABORTED)
}

/// Bytes of the kernel's signal sets.
const SET_BYTES: usize = 8;
/// The exit code of C's `abort` when no signal ends the process.
const EXIT_ABORTED: c_int = 127;

/// Unblocks SIGABRT and sends it to the calling thread, which takes it at once.
fn raise_abort() {
    let set = 1_u64 << (libc::SIGABRT - 1);
    let (how, at) = (libc::SIG_UNBLOCK as usize, &raw const set as usize);
    // SAFETY: the kernel reads the set.
    let _ = unsafe { call(libc::SYS_rt_sigprocmask, [how, at, 0, SET_BYTES]) };
    signal_self(libc::SIGABRT);
}

/// Sends the calling thread a signal that is meant to end the process.
pub(crate) fn signal_self(signal: c_int) {
    let (process, thread) = (process_id() as usize, thread_id::thread_id() as usize);
    // SAFETY: the signal is meant to end the process.
    let _ = unsafe { call(libc::SYS_tgkill, [process, thread, signal as usize]) };
}

/// Ends the process by a faulting instruction: a filter refuses all calls that would end it.
fn end_by_trap() -> ! {
    loop {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        // SAFETY: an instruction that faults.
        unsafe {
            core::arch::asm!("hlt")
        };
        #[cfg(all(target_arch = "aarch64", not(miri)))]
        // SAFETY: an instruction that faults.
        unsafe {
            core::arch::asm!("brk #1")
        };
    }
}

/// Ends the process if the kernel's pages are larger than [`PAGE`]: such a kernel would refuse
/// protections and mappings one by one.
pub(crate) fn demand_known_pages() {
    let bytes = auxiliary_vector::page_bytes();
    if bytes > PAGE {
        message::print(format_args!(
            "pages of {bytes} bytes are not supported; boot a kernel with pages of {PAGE} bytes"
        ));
        abort();
    }
}

/// Copies `length` bytes, or as many of them as fit into `buffer`, from memory that the kernel or
/// the linker laid out.
///
/// # Safety
/// `address..address + length` is readable.
pub(crate) unsafe fn copy_from(address: usize, buffer: &mut [u8], length: usize) {
    let length = length.min(buffer.len());
    // SAFETY: the caller's duty for the source; the target is a slice.
    unsafe { ptr::copy_nonoverlapping(address as *const u8, buffer.as_mut_ptr(), length) };
}

#[cfg(test)]
mod tests;
