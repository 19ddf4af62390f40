//! The end of hakmem-top while the program that it started still runs.
//!
//! A program with its own streams must not suffer from its watcher: it continues, and hakmem-top
//! waits for it and forwards signals. A program whose output comes through hakmem-top would block
//! for ever, as nobody reads the output any more: it is asked to end, as by the key `q`, and killed
//! if it takes too long.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::start::signals;

/// How long a program may take to end after it was asked to.
const END_PATIENCE: Duration = Duration::from_secs(3);
/// Time between two checks whether it has ended.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

static RUNNING: Mutex<Option<Unfinished>> = Mutex::new(None);
static IS_LEFT: AtomicBool = AtomicBool::new(false);

/// A program that was started and not yet waited for.
#[derive(Clone, Debug)]
struct Unfinished {
    pid: u32,
    program: PathBuf,
    /// Whether hakmem-top reads its output.
    is_captured: bool,
}

/// Registers a started program.
pub(super) fn begin(pid: u32, program: PathBuf, is_captured: bool) {
    *running() = Some(Unfinished { pid, program, is_captured });
}

/// Removes a program that has been waited for.
pub(super) fn end(pid: u32) {
    running().take_if(|program| program.pid == pid);
}

/// Prints why this process cannot continue, and waits for the program that it started; `false` if
/// there is none. Any thread may call it; it depends on no other thread.
pub fn outlive(why: &str) -> bool {
    let Some(program) = running().take() else { return false };
    let Some(pid) = i32::try_from(program.pid).ok().and_then(Pid::from_raw) else { return false };
    let name = program.program.display();
    signals::forward_all_to(program.pid);
    if program.is_captured {
        say!(
            "hakmem-top: {why}; ending {name} (process {pid}), because its output came through \
             hakmem-top"
        );
        let _ = kill_process(pid, Signal::TERM);
        if !has_ended_within(pid, END_PATIENCE) {
            let _ = kill_process(pid, Signal::KILL);
            has_ended_within(pid, END_PATIENCE);
        }
    } else {
        say!("hakmem-top: {why}; {name} (process {pid}) continues unwatched; waiting for its end");
        has_ended_within(pid, Duration::MAX);
    }
    true
}

/// Whether this thread is the first to end this process.
pub fn is_first_to_leave() -> bool {
    !IS_LEFT.swap(true, Ordering::Relaxed)
}

fn has_ended_within(pid: Pid, patience: Duration) -> bool {
    let begun = Instant::now();
    loop {
        // If another thread has waited for it, it has ended too.
        if !matches!(waitpid(Some(pid), WaitOptions::NOHANG), Ok(None)) {
            return true;
        }
        if begun.elapsed() > patience {
            return false;
        }
        std::thread::sleep(LOOK_INTERVAL);
    }
}

fn running() -> MutexGuard<'static, Option<Unfinished>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}
