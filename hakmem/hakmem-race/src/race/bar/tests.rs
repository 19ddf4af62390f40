use hakmem_bench::report::Holding;

use super::*;
use crate::race::cell::Clock;
use crate::race::interval::Interval;
use crate::race::standing::{Figure, Outcome};

fn row(cell: &str, ratio: f64, peak_resident_ratio: f64, holdings: &[(u64, u64)]) -> Standing {
    let holding = |&(resident_kib, live_kib): &(u64, u64)| Holding {
        moment: "then".to_owned(),
        resident_kib,
        live_kib,
    };
    let figure = Figure {
        allocator: "hakmem".to_owned(),
        million_operations_per_second: ratio,
        million_operations_per_wall_second: ratio,
        million_operations_per_second_min: ratio,
        million_operations_per_second_max: ratio,
        peak_resident_kib: peak_resident_ratio,
        final_resident_kib: 1.0,
        holdings: holdings.iter().map(holding).collect(),
    };
    Standing {
        group: "group".to_owned(),
        cell: cell.to_owned(),
        rounds: 1,
        clock: Clock::Wall,
        figures: vec![figure],
        best_peer: "jemalloc".to_owned(),
        winner: if ratio > 1.0 { "hakmem" } else { "jemalloc" }.to_owned(),
        ratio,
        interval: Interval::of_median(&[ratio]),
        outcome: Outcome::Level,
        ratio_min: ratio,
        ratio_max: ratio,
        peak_resident_ratio,
        final_resident_ratio: 1.0,
        slow_share: 0.0,
    }
}

fn check(measure: Measure, extent: Extent, limit: f64, rows: &[Standing], expected: &str) {
    let rows: Vec<&Standing> = rows.iter().collect();
    let verdict = Bar { measure, extent, limit }.judge("group", &rows);
    assert_eq!(verdict.expect("the rows have the figure").to_string(), expected);
}

#[test]
fn throughput_has_a_least_and_memory_a_most() {
    let rows = [row("a", 1.0, 1.5, &[]), row("b", 0.5, 0.5, &[]), row("c", 2.0, 1.6, &[])];
    let each = Extent::Each;
    let missed = "group: throughput, each row: at least 1: MISSED, 0.500 in b";
    check(Measure::Throughput, each, 1.0, &rows, missed);
    let missed = "group: throughput, each row: at least 1.05: MISSED, 0.500 in b; missed in a; b";
    check(Measure::Throughput, each, 1.05, &rows, missed);
    let holds = "group: throughput, each row: at least 0.5: holds, 0.500 in b";
    check(Measure::Throughput, each, 0.5, &rows, holds);
    let missed = "group: peak resident, each row: at most 1.5: MISSED, 1.600 in c";
    check(Measure::PeakResident, each, 1.5, &rows, missed);
    let holds = "group: throughput, geometric mean: at least 1: holds, 1.000";
    check(Measure::Throughput, Extent::GeometricMean, 1.0, &rows, holds);
    let missed = "group: peak resident, geometric mean: at most 1.05: MISSED, 1.063";
    check(Measure::PeakResident, Extent::GeometricMean, 1.05, &rows, missed);
}

#[test]
fn two_rows_are_compared_with_each_other() {
    let rows = [row("512", 200.0, 1.0, &[]), row("1024", 180.0, 1.0, &[])];
    let missed = "group: hakmem's own throughput, 1024 / 512: at least 0.95: MISSED, 0.900";
    check(Measure::OwnThroughput, Extent::Quotient("1024", "512"), 0.95, &rows, missed);
    let bar = Bar {
        measure: Measure::OwnThroughput,
        extent: Extent::Quotient("1024", "256"),
        limit: 0.95,
    };
    assert_eq!(bar.judge("group", &rows.iter().collect::<Vec<_>>()), None);
}

#[test]
fn holdings_are_judged_by_their_last_moment() {
    let rows = [row("a", 1.0, 1.0, &[(300, 280), (200, 30), (36, 30)]), row("b", 1.0, 1.0, &[])];
    let holds = "group: resident / live, each row: at most 1.2: holds, 1.200 in a";
    check(Measure::ResidentPerLive, Extent::Each, 1.2, &rows, holds);
    let grown = [row("a", 1.0, 1.0, &[(100, 0), (120, 0)])];
    let missed = "group: growth of resident, each row: at most 1.1: MISSED, 1.200 in a";
    check(Measure::ResidentGrowth, Extent::Each, 1.1, &grown, missed);
}

#[test]
fn rows_without_the_figure_are_not_judged() {
    let bar = Bar { measure: Measure::ResidentPerLive, extent: Extent::Each, limit: 1.2 };
    assert_eq!(bar.judge("group", &[&row("a", 1.0, 1.0, &[])]), None);
    assert_eq!(bar.judge("group", &[]), None);
}

#[test]
fn a_group_in_one_line_reads_so() {
    let rows = [row("a", 2.0, 0.5, &[]), row("b", 0.5, 2.0, &[])];
    let summary = Summary::of("group", &rows.iter().collect::<Vec<_>>()).expect("has rows");
    assert_eq!(
        summary.to_string(),
        "group: won 1 of 2; throughput 1.000, least 0.500 (b); peak resident 1.000, \
         largest 2.000 (b)"
    );
    assert_eq!(Summary::of("group", &[]), None);
}
