//! Signals to this program, and where they came from.
//!
//! For a key like Ctrl-C, the terminal signals the whole foreground group, so the started program
//! has the signal already; a signal that was sent to this process alone must be forwarded. Signals
//! that were ignored when this process started (`nohup`) stay ignored, because the program inherits
//! that.

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

use crate::source::event::{Event, Received};

/// The signals that are handled.
const HANDLED: [i32; 9] =
    [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT, SIGUSR1, SIGUSR2, SIGWINCH];

/// The process that receives signals instead of the loop; 0 for none.
static PROGRAM: AtomicU32 = AtomicU32::new(0);

/// Sends every signal that arrives from now on to `events`.
///
/// # Errors
///
/// The system's error if handlers cannot be installed.
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

/// From now on, forwards signals to the process `pid` instead of the loop, which cannot continue;
/// except those from the terminal, which the process has received too. It forwards only signals for
/// which [`listen`] has installed handlers.
pub fn forward_all_to(pid: u32) {
    PROGRAM.store(pid, Ordering::Relaxed);
}

/// The mask of signals that this process ignores; empty if it cannot be read.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// Sends a signal to a process; nothing happens if the process is gone.
pub fn send(pid: u32, signal: i32) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    if let (Some(pid), Some(signal)) = (pid, Signal::from_named_raw(signal)) {
        let _ = kill_process(pid, signal);
    }
}

/// Stops this process until it is continued.
pub fn stop_self() {
    let _ = kill_process(rustix::process::getpid(), Signal::STOP);
}
