//! The n-th system call of the library is refused, once or from then on. The program continues
//! whichever call it is, and the counters stay right.
//!
//! `nth_call.c` traces `all_calls.c` from outside and refuses the calls; these tests choose them.

use crate::compiled;
use crate::loaded::{Finished, Loaded};

/// Refuses the call with this number, counted from 1; if `how` is `always`, all later calls too.
fn refuse(number: usize, how: &str) -> Finished {
    let finished = Loaded::new("nth_call.c")
        .env("LD_PRELOAD", "")
        .env("NTH_PRELOAD", hakmem_built::preload_library_of_tests())
        .arg(number.to_string())
        .arg(how)
        .arg(compiled::program("all_calls.c"))
        .run();
    let (code, said) = (finished.status.code(), &finished.stderr);
    assert_eq!(code, Some(0), "call {number} refused {how}: {said}");
    assert!(said.lines().all(|line| line.starts_with("hakmem: ")), "call {number} {how}: {said}");
    let records = if how == "always" { finished.records_of_refused() } else { finished.records() };
    for record in records {
        record.assert_sound();
    }
    finished
}

/// Number of calls that the library makes if none is refused.
fn count_calls() -> usize {
    let text = refuse(0, "once").stdout;
    let count = text.strip_suffix(" calls\n").and_then(|count| count.parse().ok());
    count.unwrap_or_else(|| panic!("a number of calls, not {text:?}"))
}

/// Refuses each `step`-th call.
fn sweep(how: &str, step: usize) {
    let count = count_calls();
    assert!(count > 100, "{count} calls are too few to tell much");
    for number in (1..=count).step_by(step) {
        refuse(number, how);
    }
}

#[test]
fn a_program_goes_on_when_one_of_the_calls_is_refused() {
    // The first calls, which make the segment and the first heap, and a sample of the others.
    for number in 1..20 {
        refuse(number, "once");
    }
    sweep("once", 41);
}

#[test]
fn a_program_goes_on_when_all_calls_are_refused_from_one_on() {
    // The calls that make the segment: with all later ones refused, it can no longer be removed.
    for number in 25..42 {
        refuse(number, "always");
    }
    sweep("always", 67);
}

#[test]
#[ignore = "takes minutes; .ci/faults runs it"]
fn a_program_goes_on_whichever_call_is_refused() {
    sweep("once", 1);
    sweep("always", 1);
}
