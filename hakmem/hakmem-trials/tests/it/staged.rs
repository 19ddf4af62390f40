//! Regressions under real load, each made by changing one thing, and the first cause in the
//! diagnosis.
//!
//! A program runs under the preload library and an agent inside the test samples it. Its samples
//! are compared with those of the unchanged program.

mod observed;
mod rates;

use std::sync::OnceLock;
use std::time::Duration;

use hakmem_diagnosis::diagnosis::{Cause, CauseKind, Direction};
use hakmem_diagnosis::{Diagnosis, Options, Series, Side, Verdict, diagnose};

use observed::{Load, observe};

/// Time for which each program is observed.
const WINDOW: Duration = Duration::from_secs(3);

/// The unchanged program, observed once for all tests.
fn unchanged() -> Series {
    static SEEN: OnceLock<Series> = OnceLock::new();
    SEEN.get_or_init(|| observe(&Load::default(), WINDOW)).clone()
}

fn side(name: &str, series: Series) -> Side {
    Side { name: name.to_owned(), series: vec![series] }
}

/// Compares a program with the unchanged one.
fn diagnosed(load: &Load) -> Diagnosis {
    let before = side("before", unchanged());
    let after = side("after", observe(load, WINDOW));
    let diagnosis = diagnose(&before, &after, &Options::default());
    println!("{:?}: {}", diagnosis.verdict, diagnosis.headline);
    for cause in &diagnosis.causes {
        println!("  {:?} {:.3?} {}", cause.kind, cause.cost_ns, cause.text);
    }
    println!("  {:.3?}", diagnosis.change);
    diagnosis.caveats.iter().for_each(|caveat| println!("  {}", caveat.text));
    diagnosis
}

/// Checks the verdict and returns the first cause.
fn first(load: &Load, verdict: Verdict) -> Cause {
    let diagnosis = diagnosed(load);
    assert_eq!(diagnosis.verdict, verdict, "{diagnosis:#?}");
    diagnosis.causes.first().expect("something changed").clone()
}

fn changed(what: &'static str) -> Load {
    Load { changed: what, ..Load::default() }
}

fn setting(name: &'static str, value: &'static str) -> Load {
    Load { setting: Some((name, value)), ..Load::default() }
}

#[test]
fn routing_switched_from_direct_to_exclude() {
    let cause = first(&setting("HAKMEM_ROUTING", "exclude"), Verdict::Regressed);
    assert_eq!(cause.kind, CauseKind::Routing, "{cause:#?}");
    assert_eq!((cause.class.as_deref(), cause.direction), (Some("C7"), Some(Direction::Free)));
    assert_eq!(cause.reason.as_deref(), Some("routed"));
    assert!(cause.text.ends_with("routing direct -> exclude"), "{}", cause.text);
}

#[test]
fn check_left_on() {
    let cause = first(&setting("HAKMEM_CHECK", "full"), Verdict::Regressed);
    let found = (cause.kind, cause.direction, cause.reason.as_deref());
    assert_eq!(found, (CauseKind::Check, Some(Direction::Free), Some("check")), "{cause:#?}");
    assert!(cause.text.ends_with("check sample -> full"), "{}", cause.text);
}

#[test]
fn capacity_lowered() {
    let cause = first(&setting("HAKMEM_LIST_BYTES", "4096"), Verdict::Regressed);
    assert_eq!(cause.kind, CauseKind::Capacity, "{cause:#?}");
}

#[test]
fn sizes_shifted_with_unchanged_paths() {
    let cause = first(&changed("sizes"), Verdict::Unchanged);
    assert_eq!(cause.kind, CauseKind::Mix, "{cause:#?}");
}

#[test]
fn a_size_crossed_from_c7_to_mid() {
    let cause = first(&changed("crossing"), Verdict::Unchanged);
    let found = (cause.kind, cause.class.as_deref());
    assert_eq!(found, (CauseKind::SizeCrossing, Some("mid")), "{cause:#?}");
}

#[test]
fn a_thread_split_into_producer_and_consumer() {
    let cause = first(&changed("handover"), Verdict::Regressed);
    assert_eq!(cause.kind, CauseKind::Handover, "{cause:#?}");
    assert!(cause.text.contains("mostly allocates, `consumer-"), "{}", cause.text);
}

#[test]
fn a_leak() {
    let cause = first(&changed("leak"), Verdict::Regressed);
    assert_eq!(cause.kind, CauseKind::Leak, "{cause:#?}");
}

#[test]
fn a_burst_of_new_threads() {
    let cause = first(&changed("new-threads"), Verdict::Regressed);
    assert_eq!(cause.kind, CauseKind::ThreadChurn, "{cause:#?}");
}

#[test]
fn large_buffers_resized_in_a_loop() {
    let cause = first(&changed("resize"), Verdict::Regressed);
    let found = (cause.kind, cause.class.as_deref());
    assert_eq!(found, (CauseKind::LargeSpans, Some("large")), "{cause:#?}");
}
