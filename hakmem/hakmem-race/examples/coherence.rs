//! Counts the cache lines that pass between processors: a plugin for QEMU's user mode that counts,
//! for a program of many threads, the transfers on a machine with one processor for each thread.
//!
//! Each thread of the program stands for a processor, and the plugin sees every access to memory
//! (`hakmem_race::coherence`). Transfers by the program's own instructions are counted apart from
//! those by libraries, where `malloc` is.
//!
//! The threads run one at a time: after a quantum of blocks of code, of random length, the next
//! thread runs. So they interleave as finely as threads that run at the same time, on however few
//! processors; the cost of a retry on real processors is not modelled.
//!
//! `qemu-x86_64 -plugin libcoherence.so,quantum=40,seed=1 PROGRAM` prints the counts to standard
//! error at the program's end. `.ci/contention` runs it.
//!
//! # Safety
//! Only the thread that holds the baton touches the model; the queue has a lock. QEMU passes to the
//! callbacks what its plugin interface (version 1, `qemu-plugin.h`) says.
#![allow(unsafe_code)]
// QEMU's functions are called in groups that are sound for one and the same reason.
#![allow(clippy::multiple_unsafe_ops_per_block)]

use std::cell::UnsafeCell;
use std::collections::VecDeque;
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use hakmem_race::coherence::{CACHES_MAX, Caches, Quanta};

/// Version of the interface, which QEMU reads.
#[unsafe(no_mangle)]
pub static qemu_plugin_version: c_int = 1;

type Id = u64;
type Vcpu = c_uint;

unsafe extern "C" {
    fn qemu_plugin_register_vcpu_tb_trans_cb(id: Id, act: extern "C" fn(Id, *mut c_void));
    fn qemu_plugin_register_vcpu_tb_exec_cb(
        block: *mut c_void,
        act: extern "C" fn(Vcpu, *mut c_void),
        flags: c_int,
        data: *mut c_void,
    );
    fn qemu_plugin_register_vcpu_mem_cb(
        instruction: *mut c_void,
        act: extern "C" fn(Vcpu, u32, u64, *mut c_void),
        flags: c_int,
        accesses: c_int,
        data: *mut c_void,
    );
    fn qemu_plugin_register_vcpu_syscall_cb(
        id: Id,
        act: extern "C" fn(Id, Vcpu, i64, u64, u64, u64, u64, u64, u64, u64, u64),
    );
    fn qemu_plugin_register_atexit_cb(
        id: Id,
        act: extern "C" fn(Id, *mut c_void),
        data: *mut c_void,
    );
    fn qemu_plugin_tb_n_insns(block: *const c_void) -> usize;
    fn qemu_plugin_tb_get_insn(block: *const c_void, index: usize) -> *mut c_void;
    fn qemu_plugin_insn_vaddr(instruction: *const c_void) -> u64;
    fn qemu_plugin_mem_is_store(info: u32) -> bool;
    fn qemu_plugin_mem_size_shift(info: u32) -> c_uint;
    fn qemu_plugin_start_code() -> u64;
    fn qemu_plugin_end_code() -> u64;
}

/// The callbacks use no registers.
const NO_REGISTERS: c_int = 0;
/// Reads and writes.
const ALL_ACCESSES: c_int = 3;
/// Argument of the callback on accesses: whose code made the access.
const BY_PROGRAM: *mut c_void = std::ptr::null_mut();
const BY_LIBRARY: *mut c_void = std::ptr::without_provenance_mut(1);

/// The caches and the counts.
struct Model {
    caches: Caches,
    /// Counted in blocks of code; after each quantum, the next thread runs.
    quanta: Quanta,
    transfers_by_program: u64,
    transfers_by_library: u64,
    accesses_by_library: u64,
}

/// The thread that runs, and the threads that wait for the baton.
struct Queue {
    runs: Option<usize>,
    waiting: VecDeque<usize>,
}

struct Shared {
    model: UnsafeCell<Option<Model>>,
    queue: Mutex<Queue>,
    turns: [Condvar; CACHES_MAX],
}

// SAFETY: only the thread that holds the baton touches the model, and the installation does before.
unsafe impl Sync for Shared {}

static SHARED: Shared = Shared {
    model: UnsafeCell::new(None),
    queue: Mutex::new(Queue { runs: None, waiting: VecDeque::new() }),
    turns: [const { Condvar::new() }; CACHES_MAX],
};

fn queue() -> MutexGuard<'static, Queue> {
    SHARED.queue.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The model.
///
/// # Safety
/// The caller holds the baton, and keeps no other reference.
unsafe fn model() -> &'static mut Model {
    // SAFETY: the caller holds the baton, and keeps no other reference.
    let model = unsafe { &mut *SHARED.model.get() };
    model.as_mut().expect("made when the plugin was installed")
}

/// Waits for the baton, unless this thread has it.
fn take_baton(vcpu: usize) {
    let mut queue = queue();
    if queue.runs == Some(vcpu) {
        return;
    }
    if queue.runs.is_none() {
        queue.runs = Some(vcpu);
        return;
    }
    queue.waiting.push_back(vcpu);
    while queue.runs != Some(vcpu) {
        queue = SHARED.turns[vcpu].wait(queue).unwrap_or_else(PoisonError::into_inner);
    }
}

/// Passes the baton to the thread that has waited longest, if any waits.
fn pass_baton(queue: &mut Queue) {
    queue.runs = queue.waiting.pop_front();
    if let Some(next) = queue.runs {
        SHARED.turns[next].notify_one();
    }
}

extern "C" fn on_block(vcpu: Vcpu, _: *mut c_void) {
    let vcpu = vcpu as usize;
    take_baton(vcpu);
    // SAFETY: this thread has the baton.
    if !unsafe { model() }.quanta.step() {
        return;
    }
    let mut queue = queue();
    if queue.waiting.is_empty() {
        return;
    }
    pass_baton(&mut queue);
    drop(queue);
    take_baton(vcpu);
}

extern "C" fn on_access(vcpu: Vcpu, info: u32, address: u64, data: *mut c_void) {
    // SAFETY: this thread has had the baton since its block began.
    let model = unsafe { model() };
    // SAFETY: `info` is information that QEMU passed to this callback.
    let (is_store, shift) =
        unsafe { (qemu_plugin_mem_is_store(info), qemu_plugin_mem_size_shift(info)) };
    let is_library = data == BY_LIBRARY;
    let transfers = model.caches.access(vcpu as usize, address, 1 << shift, is_store);
    if is_library {
        model.transfers_by_library += transfers;
    } else {
        model.transfers_by_program += transfers;
    }
    model.accesses_by_library += u64::from(is_library);
}

extern "C" fn on_translation(_: Id, block: *mut c_void) {
    // SAFETY: the block and its instructions come from QEMU, and so do the bounds of the program's
    // code.
    unsafe {
        qemu_plugin_register_vcpu_tb_exec_cb(block, on_block, NO_REGISTERS, BY_PROGRAM);
        let own = qemu_plugin_start_code()..qemu_plugin_end_code();
        for index in 0..qemu_plugin_tb_n_insns(block) {
            let instruction = qemu_plugin_tb_get_insn(block, index);
            let is_own = own.contains(&qemu_plugin_insn_vaddr(instruction));
            let who = if is_own { BY_PROGRAM } else { BY_LIBRARY };
            qemu_plugin_register_vcpu_mem_cb(
                instruction,
                on_access,
                NO_REGISTERS,
                ALL_ACCESSES,
                who,
            );
        }
    }
}

/// Passes the baton on before a system call, which may block; the thread's next block takes it
/// again.
#[rustfmt::skip]
extern "C" fn on_call(
    _: Id, vcpu: Vcpu, _: i64, _: u64, _: u64, _: u64, _: u64, _: u64, _: u64, _: u64, _: u64,
) {
    let mut queue = queue();
    if queue.runs == Some(vcpu as usize) {
        pass_baton(&mut queue);
    }
}

extern "C" fn on_exit(_: Id, _: *mut c_void) {
    // SAFETY: the program has ended, so no other thread touches the model.
    let model = unsafe { model() };
    eprintln!(
        "transfers by libraries {}, by the program {}; accesses by libraries {}",
        model.transfers_by_library, model.transfers_by_program, model.accesses_by_library
    );
}

/// QEMU's entry point. Returns 0 for success.
///
/// # Safety
/// `arguments` has `count` elements, each a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qemu_plugin_install(
    id: Id,
    _: *const c_void,
    count: c_int,
    arguments: *const *const c_char,
) -> c_int {
    let (mut quantum, mut seed) = (40, 1);
    for index in 0..count as usize {
        // SAFETY: the caller guarantees `count` C strings, and `index` is below `count`.
        let argument = unsafe { CStr::from_ptr(*arguments.add(index)) }.to_string_lossy();
        let number = argument.split_once('=').and_then(|(_, number)| number.parse().ok());
        match (argument.split_once('=').map(|two| two.0), number) {
            (Some("quantum"), Some(number @ 1..)) => quantum = number,
            (Some("seed"), Some(number @ 1..)) => seed = number,
            _ => {
                eprintln!("coherence: {argument}: quantum=N or seed=N, both from 1 on");
                return 1;
            }
        }
    }
    let model = Model {
        caches: Caches::default(),
        quanta: Quanta::new(quantum, seed.into()),
        transfers_by_program: 0,
        transfers_by_library: 0,
        accesses_by_library: 0,
    };
    // SAFETY: no thread of the program runs yet; the callbacks are of the types that QEMU expects.
    unsafe {
        *SHARED.model.get() = Some(model);
        qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
        qemu_plugin_register_vcpu_syscall_cb(id, on_call);
        qemu_plugin_register_atexit_cb(id, on_exit, std::ptr::null_mut());
    }
    0
}
