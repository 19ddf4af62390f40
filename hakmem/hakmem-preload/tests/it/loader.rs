//! The dynamic loader: libraries that come and go, other preloaded libraries, early binding.

use std::ffi::OsString;
use std::path::Path;

use hakmem_reader::{Class, ProcessState};

use crate::compiled;
use crate::loaded::Loaded;

#[test]
fn libraries_can_be_loaded_and_unloaded_again_and_again() {
    let plugin = compiled::plugin("plugin.c");
    let record = Loaded::new("loading.c").arg(plugin).arg("300").run_well().record();
    record.assert_sound();
    let c7 = record.class(Class::C7);
    assert!(c7.allocations >= 600, "the library's constructor allocates: {}", c7.allocations);
    assert!(c7.live_blocks < 50, "its destructor frees: {}", c7.live_blocks);
}

#[test]
fn early_binding_works() {
    let finished = Loaded::new("allocate.c").env("LD_BIND_NOW", "1").run();
    finished.assert_silent(7);
    finished.record().assert_sound();
}

pub(crate) fn beside(first: &Path, second: &Path) -> OsString {
    let mut both = first.as_os_str().to_owned();
    both.push(":");
    both.push(second);
    both
}

#[test]
fn another_preloaded_library_may_come_first_or_last() {
    let (ours, wrapper) = (hakmem_built::preload_library_of_tests(), compiled::plugin("wrapper.c"));
    // A wrapper that comes first has its calls reach the allocator; one that comes last is never
    // called, and does no harm.
    for (preload, wrapped) in [(beside(&wrapper, &ours), "some"), (beside(&ours, &wrapper), "none")]
    {
        let finished = Loaded::new("allocate.c").env("LD_PRELOAD", &preload).run();
        finished.assert_silent(7);
        assert_eq!(finished.stdout, format!("done\nwrapped {wrapped}\n"));
        let record = finished.record();
        record.assert_sound();
        assert!(record.class(Class::Mid).allocations >= 10_000, "{preload:?}");
    }
}

#[test]
fn real_programs_find_their_symbols() {
    // A program that frees blocks which libraries allocated: with getline, getcwd, strdup and the
    // like.
    let finished = Loaded::of(Path::new("/bin/sh"))
        .arg("-c")
        .arg("cd /; for i in 1 2 3; do ls -l bin >/dev/null; x=$(pwd); done; echo $x; exit 7")
        .run();
    finished.assert_silent(7);
    assert_eq!(finished.stdout, "/\n");
    let records = finished.records();
    assert!(records.len() >= 4, "the shell and what it started: {}", records.len());
    for record in &records {
        record.assert_sound();
        assert!(matches!(record.state, ProcessState::Exited | ProcessState::Replaced));
    }
}

#[test]
fn a_static_program_starts_at_whatever_address() {
    for _ in 0..4 {
        let finished = Loaded::of(&compiled::static_program()).run_well();
        assert_eq!(finished.stdout, "100000\n");
        let record = finished.record();
        record.assert_sound();
        assert_eq!(record.state, ProcessState::Exited);
        assert_ne!(record.identity.build_id, "", "the note is found");
    }
}
