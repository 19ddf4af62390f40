//! Handles the signals that end the agent, all of them in an orderly way: the socket file is
//! removed.
//!
//! Signals that were ignored when the agent started (SIGHUP under `nohup`) stay ignored. A
//! recording that reaches the limit of a file's size is a failed write and not the end of the
//! agent, so SIGXFSZ is caught and ignored.

use std::io;

use rustix::process::Signal as Number;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_stream::{StreamExt as _, StreamMap, wrappers::SignalStream};

/// The signals that end a process by default, except faults and those that cannot be handled.
const ENDING: [(Number, &str); 11] = [
    (Number::HUP, "SIGHUP"),
    (Number::INT, "SIGINT"),
    (Number::QUIT, "SIGQUIT"),
    (Number::TERM, "SIGTERM"),
    (Number::USR1, "SIGUSR1"),
    (Number::USR2, "SIGUSR2"),
    (Number::ALARM, "SIGALRM"),
    (Number::VTALARM, "SIGVTALRM"),
    (Number::PROF, "SIGPROF"),
    (Number::XCPU, "SIGXCPU"),
    (Number::IO, "SIGIO"),
];

/// The handlers of all these signals.
pub(crate) struct Signals {
    ending: StreamMap<&'static str, SignalStream>,
    _file_size: Signal,
}

impl Signals {
    /// Installs the handlers.
    pub(crate) fn new() -> io::Result<Self> {
        let ignored = ignored_signals();
        let mut ending = StreamMap::new();
        for (number, name) in ENDING {
            if ignored >> (number.as_raw() - 1) & 1 == 0 {
                let received = signal(SignalKind::from_raw(number.as_raw()))?;
                ending.insert(name, SignalStream::new(received));
            }
        }
        let file_size = signal(SignalKind::from_raw(Number::XFSZ.as_raw()))?;
        Ok(Self { ending, _file_size: file_size })
    }

    /// Waits for a signal, and returns its name.
    pub(crate) async fn next(&mut self) -> &'static str {
        match self.ending.next().await {
            Some((name, ())) => name,
            // All signals are ignored.
            None => std::future::pending().await,
        }
    }
}

/// The mask of signals that this process ignores; empty if it cannot be determined.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
