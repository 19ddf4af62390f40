//! The program's view of the allocator's system calls: other libraries that wrap libc's functions,
//! threads that are being cancelled, and sandboxes.

use std::path::{Path, PathBuf};

use hakmem_reader::Class;

use crate::loaded::Loaded;

/// A library that wraps functions of libc: its Debian package, its path, and its variables of the
/// environment.
struct Wrapper {
    package: &'static str,
    library: &'static str,
    environment: &'static [(&'static str, &'static str)],
}

const WRAPPERS: [Wrapper; 5] = [
    Wrapper {
        package: "libfaketime",
        library: "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
        environment: &[("FAKETIME", "-1d")],
    },
    Wrapper {
        package: "libfakeroot",
        library: "/usr/lib/x86_64-linux-gnu/libfakeroot/libfakeroot-sysv.so",
        environment: &[],
    },
    Wrapper {
        package: "torsocks",
        library: "/usr/lib/x86_64-linux-gnu/torsocks/libtorsocks.so",
        environment: &[("TORSOCKS_LOG_LEVEL", "1")],
    },
    Wrapper {
        package: "libuid-wrapper",
        library: "/usr/lib/x86_64-linux-gnu/libuid_wrapper.so",
        environment: &[("UID_WRAPPER", "1"), ("UID_WRAPPER_ROOT", "1")],
    },
    Wrapper {
        package: "libsocket-wrapper",
        library: "/usr/lib/x86_64-linux-gnu/libsocket_wrapper.so",
        environment: &[("SOCKET_WRAPPER_DIR", "/tmp")],
    },
];

/// The library of a wrapper, which must be installed.
fn installed(wrapper: &Wrapper) -> PathBuf {
    let path = Path::new(wrapper.library);
    let package = wrapper.package;
    assert!(path.exists(), "no {}; install the Debian package {package}", path.display());
    path.to_owned()
}

/// Runs a program with `libraries` preloaded in this order.
fn preloaded(program: Loaded, libraries: &[PathBuf]) -> Loaded {
    let names: Vec<_> = libraries.iter().map(|path| path.display().to_string()).collect();
    program.env("LD_PRELOAD", names.join(":"))
}

fn check_beside(wrapper: &Wrapper) {
    let (ours, other) = (hakmem_built::preload_library_of_tests(), installed(wrapper));
    for libraries in [[ours.clone(), other.clone()], [other.clone(), ours.clone()]] {
        let mut program = preloaded(Loaded::new("wrapped.c"), &libraries);
        for (name, value) in wrapper.environment {
            program = program.env(name, value);
        }
        let finished = program.run_well();
        assert_eq!(finished.stdout, "done\n", "{libraries:?}");
        let records = finished.records();
        assert_eq!(records.len(), 5, "the program and four children, {libraries:?}");
        for record in records {
            record.assert_sound();
            assert!(record.class(Class::Mid).allocations > 0, "{libraries:?}");
        }
    }
}

#[test]
fn a_program_runs_beside_libfaketime() {
    check_beside(&WRAPPERS[0]);
}

#[test]
fn a_program_runs_beside_fakeroot() {
    check_beside(&WRAPPERS[1]);
}

#[test]
fn a_program_runs_beside_torsocks() {
    check_beside(&WRAPPERS[2]);
}

#[test]
fn a_program_runs_beside_uid_wrapper() {
    check_beside(&WRAPPERS[3]);
}

#[test]
fn a_program_runs_beside_socket_wrapper() {
    check_beside(&WRAPPERS[4]);
}

#[test]
fn no_call_is_a_cancellation_point() {
    // Slots come in groups of 16: the thread finds a free one, or has to map the second or third
    // group.
    for idle_threads in ["0", "13", "14", "15", "30"] {
        let finished = Loaded::new("cancelled.c").arg(idle_threads).run_well();
        for record in finished.records() {
            record.assert_sound();
        }
    }
}

#[test]
fn a_sandbox_that_allows_memory_calls_and_futex_is_enough() {
    // Slots come in groups of 16, so more groups are mapped inside the sandbox.
    let record = Loaded::new("sandbox.c").arg("100").run_well().record();
    record.assert_sound();
    assert_eq!(record.sample.process.threads_unpublished_total, 0, "every thread is published");
}
