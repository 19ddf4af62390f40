//! Every routing keeps the promises of `malloc` and finds wrong frees.

use std::os::unix::process::ExitStatusExt;

use hakmem_reader::{AllocReason, Class, FreeReason, Outcome, Routing};

use crate::loaded::{Finished, Loaded, Record};

/// Routing, push and check.
pub(crate) type Setting = (&'static str, &'static str, &'static str);

/// Every safe routing in every form.
pub(crate) fn settings() -> Vec<Setting> {
    let mut settings = Vec::new();
    for check in ["off", "sample", "full"] {
        settings.push(("direct", "direct", check));
        for routing in ["registry", "exclude", "uniform", "hybrid"] {
            settings.extend([(routing, "boxed", check), (routing, "direct", check)]);
        }
    }
    settings
}

pub(crate) fn loaded(source: &str, (routing, push, check): Setting) -> Loaded {
    Loaded::new(source)
        .env("HAKMEM_ROUTING", routing)
        .env("HAKMEM_PUSH", push)
        .env("HAKMEM_CHECK", check)
}

pub(crate) fn anomalies(record: &Record) -> u64 {
    record.sample.classes().iter().map(|class| class.anomalies()).sum()
}

#[test]
fn threads_and_forks_work_under_every_routing() {
    for routing in ["registry", "exclude", "uniform", "hybrid"] {
        for (source, arguments) in
            [("churn.c", &["400", "8"][..]), ("late_free.c", &["50"]), ("fork_threaded.c", &["30"])]
        {
            let loaded = loaded(source, (routing, "boxed", "sample"));
            let finished = arguments.iter().fold(loaded, Loaded::arg).run_well();
            for record in finished.records() {
                assert_eq!(anomalies(&record), 0, "{source} under {routing}");
            }
        }
    }
}

/// Small addresses, addresses beyond 47, 48 and 57 bits, addresses that no processor accepts, and
/// the kernel's.
#[test]
fn an_address_of_any_kind_is_foreign_under_every_routing() {
    for setting in settings() {
        let finished = loaded("any_pointer.c", setting).run();
        // A few are printed, and all are counted.
        finished.assert_lines(0, 3, "not a pointer that hakmem returned");
        let record = finished.record();
        record.assert_sound();
        let handed_over: u64 = finished.stdout.trim().parse().expect("how many");
        let found = record.class(Class::None).outcomes[Outcome::Foreign as usize];
        assert_eq!((found, anomalies(&record)), (handed_over, 0), "{setting:?}");
        assert!(handed_over > 500, "{handed_over}");
    }
}

#[test]
fn nothing_in_front_of_a_pointer_is_read_that_is_not_the_allocators() {
    for setting in settings() {
        let finished = loaded("edges.c", setting).run();
        finished.assert_lines(0, 3, "not a pointer that hakmem returned");
        let record = finished.record();
        record.assert_sound();
        assert_eq!(record.class(Class::None).outcomes[Outcome::Foreign as usize], 6, "{setting:?}");
        assert_eq!(anomalies(&record), 0, "{setting:?}");
    }
}

#[test]
fn c7_goes_the_way_that_its_routing_says() {
    let run = |routing: &'static str, push| {
        let loaded = loaded("turns.c", (routing, push, "off")).arg("5000").arg("1000");
        let record = loaded.run_well().record();
        record.assert_sound();
        record.class(Class::C7)
    };
    let check = |routing, outcome: Outcome, is_fast: bool| {
        for push in ["boxed", "direct"] {
            let c7 = run(routing, push);
            assert!(c7.outcomes[outcome as usize] >= 5000, "{routing}: {:?}", c7.outcomes);
            let routed = c7.free_reasons[FreeReason::Routed as usize];
            let (least, most) = if is_fast { (0, 0) } else { (5000, u64::MAX) };
            assert!((least..=most).contains(&routed), "{routing}: {routed} routed");
        }
    };
    check("direct", Outcome::Map, true);
    check("uniform", Outcome::Header, true);
    check("registry", Outcome::Headerless, false);
    check("exclude", Outcome::Headerless, false);
    check("hybrid", Outcome::Headerless, false);
}

#[test]
fn one_free_in_1024_is_checked_or_none_or_every_one() {
    const TURNS: u64 = 500_000;
    // The code that starts and ends the process frees blocks too.
    let near = |found: u64, expected: u64| found.abs_diff(expected) <= 2 + expected / 1000;
    for routing in ["direct", "uniform", "hybrid", "registry", "exclude"] {
        for (check, expected) in [("off", 0), ("sample", TURNS / 1025), ("full", TURNS)] {
            let loaded = loaded("turns.c", (routing, "boxed", check));
            let record = loaded.arg(TURNS.to_string()).arg("100").run_well().record();
            record.assert_sound();
            let c4 = record.class(Class::C4);
            let checked = c4.free_reasons[FreeReason::Check as usize];
            assert!(near(checked, expected), "{routing} {check}: {checked}, not {expected}");
        }
    }
    // Frees that are slow anyway have a countdown of their own.
    let loaded = loaded("turns.c", ("hybrid", "boxed", "sample"));
    let record = loaded.arg(TURNS.to_string()).arg("1000").run_well().record();
    let checked = record.class(Class::C7).free_reasons[FreeReason::Check as usize];
    assert!(near(checked, TURNS / 1024), "{checked} of C7");
}

#[test]
fn full_checks_leave_no_call_on_the_fast_path() {
    let loaded = loaded("turns.c", ("direct", "direct", "full"));
    let record = loaded.arg("5000").arg("100").run_well().record();
    let c4 = record.class(Class::C4);
    assert_eq!(c4.frees_fast, 0);
    assert!(c4.alloc_reasons[AllocReason::RefillSlab as usize] > 4000);
}

/// Makes the wrong frees that `what` names, and returns the finished program.
fn wrong(what: &str, setting: Setting) -> Finished {
    loaded("wrong_frees.c", setting).arg(what).run()
}

/// Fails unless the program printed one line with `text` and counted one anomaly with this outcome
/// in the class.
pub(crate) fn finds(what: &str, setting: Setting, text: &str, class: Class, outcome: Outcome) {
    let finished = wrong(what, setting);
    finished.assert_lines(0, 1, text);
    let record = finished.record();
    record.assert_sound();
    let found = record.class(class).outcomes[outcome as usize];
    assert_eq!((found, anomalies(&record)), (1, 1), "{what} under {setting:?}");
}

#[test]
fn full_checks_find_every_wrong_free_at_its_call() {
    for setting in settings().into_iter().filter(|setting| setting.2 == "full") {
        let (c4, c7, large) = (Class::C4, Class::C7, Class::Large);
        for what in ["double", "double-later"] {
            finds(what, setting, "the C4 block is free already", c4, Outcome::DoubleFree);
        }
        finds("double-c7", setting, "the C7 block is free already", c7, Outcome::DoubleFree);
        finds("interior", setting, "inside a C7 block", c7, Outcome::Interior);
        finds("interior-span", setting, "inside a large block", large, Outcome::Interior);
        finds(
            "double-span",
            setting,
            "the large block is free already",
            large,
            Outcome::DoubleFree,
        );
        finds("realloc-dead", setting, "the C4 block is free already", c4, Outcome::DoubleFree);
        let text = "freed with a size of C6, but the block is C4";
        let text = if setting.0 == "direct" { text } else { "freed with a size of C6" };
        finds("size", setting, text, c4, Outcome::SizeMismatch);
    }
}

#[test]
fn a_boxed_push_finds_the_block_that_was_freed_last() {
    for routing in ["registry", "exclude", "uniform", "hybrid"] {
        let setting = (routing, "boxed", "off");
        finds("double", setting, "the C4 block is free already", Class::C4, Outcome::DoubleFree);
    }
}

#[test]
fn a_header_that_was_overwritten_is_found_and_repaired() {
    for setting in settings().into_iter().filter(|setting| setting.0 != "direct") {
        let text = "byte 0x78 is where the header of a C4 block was";
        finds("overflow", setting, text, Class::C4, Outcome::HeaderMissing);
    }
}

#[test]
fn a_finding_aborts_where_that_is_wanted() {
    for what in ["double-later", "interior", "double-span"] {
        let finished = loaded("wrong_frees.c", ("direct", "direct", "full"))
            .arg(what)
            .env("HAKMEM_ON_ERROR", "abort")
            .run();
        assert_eq!(finished.status.signal(), Some(6), "{what}: {}", finished.stderr);
        assert_eq!(finished.stderr.lines().count(), 1, "{}", finished.stderr);
        assert!(finished.stderr.ends_with("aborting (HAKMEM_ON_ERROR=abort)\n"));
        assert_eq!(anomalies(&finished.record()), 1, "{what}: counted before it ended");
    }
}

#[test]
fn the_bug_needs_to_be_asked_for_twice() {
    let loaded = loaded("turns.c", ("e3", "boxed", "sample")).arg("100").arg("1000");
    let finished = loaded.run();
    finished.assert_one_line(0, "HAKMEM_ROUTING=e3 corrupts memory, on purpose; using direct");
    assert_eq!(finished.record().identity.routing, Routing::Direct);
}
