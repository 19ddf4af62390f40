//! Compares the behaviour of every entry point with that of the C and C++ libraries.
//!
//! `conformance.c` and `conformance_cxx.cc` write a line for each case. Where the lines differ from
//! those that the same programs write without the library, `conformance.txt` lists the difference
//! and its reason. A listed difference that no longer occurs is a failure too.

use std::collections::BTreeMap;

use hakmem_reader::{AllocReason, Check, Class, Outcome, ProcessState, Push, Routing};

use crate::loaded::{Loaded, Record};
use crate::routings::{self, Setting};

const DIFFERENCES: &str = include_str!("conformance.txt");

/// A difference with its reason. In texts, `*` stands for any text.
struct Difference {
    case: &'static str,
    theirs: &'static str,
    ours: &'static str,
}

fn differences() -> Vec<Difference> {
    let lines = DIFFERENCES.lines().filter(|line| !line.starts_with('#'));
    let parse = |line: &'static str| {
        let parts: Vec<_> = line.split(" | ").collect();
        let [case, theirs, ours, reason] = parts[..] else { panic!("{line:?} has no four parts") };
        assert!(!reason.is_empty(), "{line:?} has no reason");
        Difference { case, theirs, ours }
    };
    lines.map(parse).collect()
}

/// Whether `text` is `pattern` with its stars replaced.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|text| {
            let mut ends = (0..=text.len()).filter(|&at| text.is_char_boundary(at));
            ends.any(|at| matches(rest, &text[at..]))
        }),
    }
}

/// The cases and their results.
fn cases(output: &str) -> BTreeMap<&str, &str> {
    let cases: BTreeMap<_, _> =
        output.lines().map(|line| line.split_once(": ").unwrap_or((line, ""))).collect();
    assert_eq!(cases.len(), output.lines().count(), "each case has a name of its own");
    cases
}

/// Compares the results of both allocators; returns the numbers of the lines of `conformance.txt`
/// that list a difference between them.
fn assert_differ_as_listed(theirs: &str, ours: &str, context: &str) -> Vec<usize> {
    let (theirs, ours) = (cases(theirs), cases(ours));
    assert!(theirs.keys().eq(ours.keys()), "{context}: the cases are the same");
    let listed = differences();
    let mut seen = Vec::new();
    for (case, their) in theirs {
        let our = ours[case];
        if their == our {
            continue;
        }
        let found = listed.iter().position(|difference| {
            matches(difference.case, case)
                && matches(difference.theirs, their)
                && matches(difference.ours, our)
        });
        let Some(found) = found else {
            panic!("{context}: {case}: theirs: {their}; ours: {our}; not in conformance.txt")
        };
        seen.push(found);
    }
    seen
}

/// Runs a program without the library, and with it under each setting. Returns the default's record
/// and the listed differences that occur under every setting.
fn compare(source: &str) -> (Record, Vec<usize>) {
    let theirs = Loaded::new(source).env("LD_PRELOAD", "").run_well().stdout;
    let compared = |setting: Setting| {
        let finished = routings::loaded(source, setting).run_well();
        let context = format!("{source} under {setting:?}");
        let seen = assert_differ_as_listed(&theirs, &finished.stdout, &context);
        let records = finished.records();
        for record in &records {
            record.assert_sound();
            assert_eq!(routings::anomalies(record), 0, "{context}");
            assert_eq!(record.class(Class::None).frees, 0, "{context}: nothing was foreign");
            assert_eq!(record.state, ProcessState::Exited, "{context}");
            let identity = &record.identity;
            assert_eq!(Some(identity.routing), Routing::from_name(setting.0), "{context}");
            assert_eq!(Some(identity.push), Push::from_name(setting.1), "{context}");
            assert_eq!(Some(identity.check), Check::from_name(setting.2), "{context}");
        }
        (records, seen)
    };
    let (records, mut always) = compared(("direct", "direct", "sample"));
    for setting in settings() {
        let (_, seen) = compared(setting);
        always.retain(|found| seen.contains(found));
    }
    (records.into_iter().next().expect("the program's segment"), always)
}

/// Every safe routing, with few checks and with all.
fn settings() -> impl Iterator<Item = Setting> {
    let is_meant =
        |setting: &Setting| setting.2 != "off" && (setting.1 == "boxed") == (setting.0 != "direct");
    routings::settings().into_iter().filter(is_meant)
}

fn outcomes(record: &Record, outcome: Outcome) -> u64 {
    Class::ALL.iter().map(|&class| record.class(class).outcomes[outcome as usize]).sum()
}

#[test]
fn the_family_does_in_c_what_the_c_library_documents() {
    let (record, differing) = compare("conformance.c");
    let listed = differences();
    for (index, difference) in listed.iter().enumerate() {
        let is_cxx = difference.case.contains("new");
        assert!(is_cxx || differing.contains(&index), "{} is no difference", difference.case);
    }
    let large = record.class(Class::Large);
    assert!(large.failed_allocations() > 200, "{} failures", large.failed_allocations());
    assert!(large.alloc_reasons[AllocReason::Aligned as usize] > 0);
    assert!(outcomes(&record, Outcome::Map) > 0);
    assert_eq!(outcomes(&record, Outcome::Sized), 0, "what is said of a size may be wrong");
}

#[test]
fn the_operators_do_what_the_cxx_library_documents() {
    let (record, differing) = compare("conformance_cxx.cc");
    let listed = differences();
    for (index, difference) in listed.iter().enumerate() {
        let is_c = !difference.case.contains("new");
        assert!(is_c || differing.contains(&index), "{} is no difference", difference.case);
    }
    assert!(outcomes(&record, Outcome::Map) > 0);
    assert_eq!(outcomes(&record, Outcome::Sized), 0, "the map finds the class");
}

#[test]
fn stars_stand_for_any_text() {
    for (pattern, text) in [("a", "a"), ("*", ""), ("a*c", "abbc"), ("*b*", "abc"), ("a*", "a")] {
        assert!(matches(pattern, text), "{pattern} {text}");
    }
    for (pattern, text) in [("a", "ab"), ("a*c", "ab"), ("*b", "abc"), ("", "a")] {
        assert!(!matches(pattern, text), "{pattern} {text}");
    }
}
