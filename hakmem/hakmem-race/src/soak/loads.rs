//! The programs that run under the library during a soak.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use super::curve::Curves;
use super::{Findings, Soak, SoakError, status_kib};

/// How a program is meant to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// By itself, with success.
    Well,
    /// By this signal, first sent after this number of turns and again in each turn from then on: a
    /// Rust program takes the first SIGSEGV for a stack overflow, and dies of the next.
    Signal(i32, u32),
}

/// Most turns of a short program: it hangs if it takes more.
const TURNS_MAX: u32 = 120;

/// The short programs, which run one after the other.
const SHORT: [(&str, &[&str], End); 6] = [
    ("bench_random_mixed", &["200000", "512"], End::Well),
    ("busy_threads", &["4", "1000000000000"], End::Signal(libc::SIGKILL, 2)),
    ("bench_short_threads", &["4", "500", "100"], End::Well),
    ("busy_threads", &["16", "1000000000000"], End::Signal(libc::SIGSEGV, 1)),
    ("bench_fixed_size", &["200000", "1024", "128"], End::Well),
    ("busy_threads", &["2", "1000000000000"], End::Signal(libc::SIGTERM, 3)),
];

/// The steady programs, which run all the time.
const STEADY: [(&str, &[&str]); 2] = [
    ("busy_threads", &["4", "1000000000000"]),
    ("bench_handover", &["--seconds", "86400", "1", "1"]),
];

#[derive(Debug)]
struct Running {
    child: Child,
    name: String,
}

/// All programs.
#[derive(Debug)]
pub(super) struct Loads {
    steady: Vec<Running>,
    short: Option<(Running, End)>,
    next: usize,
    turns: u32,
}

impl Loads {
    pub(super) fn start(soak: &Soak, folder: &Path) -> Result<Self, SoakError> {
        let start = |(name, arguments): (&str, &[&str])| start(soak, folder, name, arguments);
        let steady = STEADY.into_iter().map(start).collect::<Result<_, _>>()?;
        Ok(Self { steady, short: None, next: 0, turns: 0 })
    }

    /// Takes care of the short programs: ends the one that is due, starts the next, and reports
    /// wrong ends.
    pub(super) fn turn(
        &mut self,
        soak: &Soak,
        folder: &Path,
        found: &mut Findings,
    ) -> Result<(), SoakError> {
        for running in &mut self.steady {
            if let Ok(Some(status)) = running.child.try_wait() {
                found.add(format!("{} ended: {status}", running.name));
            }
        }
        self.turns += 1;
        let Some((running, end)) = &mut self.short else {
            let (name, arguments, end) = SHORT[self.next % SHORT.len()];
            self.short = Some((start(soak, folder, name, arguments)?, end));
            (self.next, self.turns) = (self.next + 1, 0);
            return Ok(());
        };
        if let End::Signal(signal, after) = *end
            && self.turns >= after
        {
            send(running.child.id(), signal);
        }
        if let Ok(Some(status)) = running.child.try_wait() {
            if !is_meant(status, *end) {
                found.add(format!("{} ended otherwise than {end:?}: {status}", running.name));
            }
            found.programs += 1;
            self.short = None;
        } else if self.turns == TURNS_MAX {
            found.add(format!("{} does not end", running.name));
        }
        Ok(())
    }

    pub(super) fn measure(&self, curves: &mut Curves) {
        for running in &self.steady {
            let resident = status_kib(running.child.id(), "VmRSS:");
            curves.note(&format!("resident KiB of {}", running.name), resident);
        }
    }

    pub(super) fn stop(self) {
        let short = self.short.map(|(running, _)| running);
        for mut running in self.steady.into_iter().chain(short) {
            // `kill` fails if the child has ended already; it must be waited for even then.
            let _ = running.child.kill();
            let _ = running.child.wait();
        }
    }
}

fn start(soak: &Soak, folder: &Path, name: &str, words: &[&str]) -> Result<Running, SoakError> {
    let program = soak.programs.join(name);
    let mut command = Command::new(&program);
    command.args(words).env("LD_PRELOAD", &soak.library).env("HAKMEM_DIR", folder);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
    let child = child
        .map_err(|error| SoakError::Start { program: program.display().to_string(), error })?;
    Ok(Running { child, name: format!("{name} {}", words.join(" ")) })
}

fn is_meant(status: ExitStatus, end: End) -> bool {
    match end {
        End::Well => status.success(),
        End::Signal(signal, _) => status.signal() == Some(signal),
    }
}

fn send(pid: u32, signal: i32) {
    let _ = Command::new("kill").args([&format!("-{signal}"), &pid.to_string()]).status();
}
