//! Tests of the crate as a whole, and code that tests of its parts share.
#![allow(unsafe_code)]

mod carry;
mod exact;
mod jumped;
mod model;
mod small;

use std::process::Command;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

static ALONE: Mutex<()> = Mutex::new(());

/// Starts the allocator without publishing: tests must not leave segments behind.
pub(crate) fn start() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        // SAFETY: the only tests that read or write the environment come here, and they wait for
        // this.
        unsafe { std::env::set_var("HAKMEM_TELEMETRY", "off") };
        crate::entry::start();
    });
}

/// This test program as a command, to run in a process of its own; under the runner that cargo was
/// given if the target is another machine.
pub(crate) fn these_tests() -> Command {
    const RUNNER: &str = "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER";
    let program = std::env::current_exe().expect("the tests run");
    match std::env::var(RUNNER) {
        Ok(runner) if cfg!(target_arch = "aarch64") => {
            let mut words = runner.split_whitespace();
            let mut command = Command::new(words.next().expect("a runner has a name"));
            command.args(words).arg(program);
            command
        }
        _ => Command::new(program),
    }
}

/// Starts the allocator, and keeps other tests that use it away while the guard lives: for tests
/// that look at the memory of the whole process.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    start();
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}
