//! Signals that this program receives, with where they came from.
//!
//! A key like Ctrl-C makes the terminal signal the whole foreground group, so the program that we
//! started has it already; a signal that somebody sent to us alone must be forwarded. Signals that
//! were ignored when we started (`nohup`) stay ignored, because the program inherits that.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{
    SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGUSR1, SIGUSR2, SIGWINCH,
};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::origin::WithOrigin;
use signal_hook::low_level::siginfo::Cause;
use tokio::sync::mpsc;

use crate::event::{Event, Received};

/// Signals that are handled.
const HANDLED: [i32; 9] =
    [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT, SIGUSR1, SIGUSR2, SIGWINCH];

/// The process to which signals go instead of to the loop; 0 for none.
static PROGRAM: AtomicU32 = AtomicU32::new(0);

/// Sends every signal that arrives from now on to `events`.
///
/// # Errors
///
/// What the system says if handlers cannot be installed.
pub fn listen(events: mpsc::Sender<Event>) -> io::Result<()> {
    let ignored = ignored_signals();
    let handled = HANDLED.iter().filter(|signal| ignored >> (**signal - 1) & 1 == 0);
    let mut signals = SignalsInfo::<WithOrigin>::new(handled)?;
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        for origin in &mut signals {
            let received = Received {
                signal: origin.signal,
                from_terminal: matches!(origin.cause, Cause::Kernel),
            };
            let program = PROGRAM.load(Ordering::Relaxed);
            if program != 0 {
                if !received.from_terminal {
                    send(program, received.signal);
                }
                continue;
            }
            if events.blocking_send(Event::Signal(received)).is_err() {
                return;
            }
        }
    })?;
    Ok(())
}

/// Passes signals on to a process from now on, but for those that the terminal has sent to it too:
/// whoever took them cannot go on. Only signals that are listened to are passed on.
pub fn forward_all_to(pid: u32) {
    PROGRAM.store(pid, Ordering::Relaxed);
}

/// The mask of signals that this process ignores; empty if it cannot be known.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// Sends a signal to a process; one that is gone already needs none.
pub fn send(pid: u32, signal: i32) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    if let (Some(pid), Some(signal)) = (pid, Signal::from_named_raw(signal)) {
        let _ = kill_process(pid, signal);
    }
}

/// Stops this process until somebody continues it.
pub fn stop_self() {
    let _ = kill_process(rustix::process::getpid(), Signal::STOP);
}
