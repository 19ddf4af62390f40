//! What becomes of a program that runs when this one cannot go on.
//!
//! A program that has its streams to itself is not to suffer from whoever watches it: it runs on, and
//! this one waits for it and passes signals on. Where its output comes through this one, nobody is
//! left to read it and it would block for ever: it is asked to end, as by the key `q`, and killed if
//! it takes too long.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::signals;

/// How long a program that was asked to end may take.
const END_PATIENCE: Duration = Duration::from_secs(3);
/// Time between two looks at whether it has ended.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

static RUNNING: Mutex<Option<Unfinished>> = Mutex::new(None);
static IS_LEFT: AtomicBool = AtomicBool::new(false);

/// A program that was started and has not been waited for.
#[derive(Clone, Debug)]
struct Unfinished {
    pid: u32,
    program: PathBuf,
    /// Whether what it prints is read by this program.
    is_captured: bool,
}

/// Notes that a program runs.
pub(super) fn begin(pid: u32, program: PathBuf, is_captured: bool) {
    *running() = Some(Unfinished { pid, program, is_captured });
}

/// Notes that it has been waited for.
pub(super) fn end(pid: u32) {
    running().take_if(|program| program.pid == pid);
}

/// Says why this program cannot go on, and waits for the one that it has started; `false` if there
/// is none. May be called by any thread, and needs nothing of the others.
pub fn outlive(why: &str) -> bool {
    let Some(program) = running().take() else { return false };
    let Some(pid) = i32::try_from(program.pid).ok().and_then(Pid::from_raw) else { return false };
    let name = program.program.display();
    signals::forward_all_to(program.pid);
    if program.is_captured {
        say!("hakmem-top: {why}; {name} (process {pid}) is ended, as its output came through here");
        let _ = kill_process(pid, Signal::TERM);
        if !has_ended_within(pid, END_PATIENCE) {
            let _ = kill_process(pid, Signal::KILL);
            has_ended_within(pid, END_PATIENCE);
        }
    } else {
        say!("hakmem-top: {why}; {name} (process {pid}) runs on unwatched and is waited for");
        has_ended_within(pid, Duration::MAX);
    }
    true
}

/// Whether this thread is the first to find that this program cannot go on.
pub fn is_first_to_leave() -> bool {
    !IS_LEFT.swap(true, Ordering::Relaxed)
}

fn has_ended_within(pid: Pid, patience: Duration) -> bool {
    let begun = Instant::now();
    loop {
        // If somebody else has waited for it, it has ended too.
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
