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

/// Runs the rest of the test that calls it in a process of its own, where the allocator has started
/// and no other test uses it: for tests that examine or change the memory of the whole process.
macro_rules! alone {
    () => {
        let _alone = match $crate::tests::apart(core::any::type_name_of_val(&|| ())) {
            Some(guard) => guard,
            None => return,
        };
    };
}
pub(crate) use alone;

/// Environment variable that tells a test that it runs in a process of its own.
const APART: &str = "TEST_IN_A_PROCESS_OF_ITS_OWN";

/// Runs the test that contains `closure`, the name of a closure's type, in a process of its own,
/// and returns `None` once it has passed. In that process, starts the allocator and returns a
/// guard. Miri starts no processes, so there the guard keeps other tests away.
pub(crate) fn apart(closure: &str) -> Option<MutexGuard<'static, ()>> {
    if cfg!(miri) || std::env::var_os(APART).is_some() {
        start();
        return Some(ALONE.lock().unwrap_or_else(PoisonError::into_inner));
    }
    let name = closure.strip_suffix("::{{closure}}").and_then(|path| path.split_once("::"));
    let name = name.expect("a closure's type has a crate and a function").1;
    let output = these_tests().args(["--exact", name]).env(APART, "1").output();
    let output = output.expect("the tests run");
    let out = std::string::String::from_utf8_lossy(&output.stdout);
    let err = std::string::String::from_utf8_lossy(&output.stderr);
    let has_passed = output.status.success() && out.contains("1 passed");
    assert!(has_passed, "{name} ended with {}:\n{out}\n{err}", output.status);
    None
}
