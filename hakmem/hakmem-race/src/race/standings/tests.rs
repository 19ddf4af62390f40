use std::path::PathBuf;

use hakmem_bench::report::{Holding, Report};

use super::*;
use crate::machine::{LoadAverages, Machine};
use crate::race::cell::Clock;
use crate::race::contender::{Contender, HAKMEM};
use crate::race::group::Group;
use crate::race::lap::Lap;
use crate::race::standing::Outcome;

pub(crate) fn standings(laps: &[[f64; 3]]) -> Standings {
    standings_of(&GROUPS[0], laps, |_| Vec::new())
}

/// Standings of the first cell of `group`, from the contenders' laps and holdings.
fn standings_of(
    group: &Group,
    laps: &[[f64; 3]],
    holdings: impl Fn(usize) -> Vec<Holding>,
) -> Standings {
    let contender = |name: &str| Contender {
        name: name.to_owned(),
        library: PathBuf::from("/lib/x.so"),
        preload: true,
        publishes: name == HAKMEM,
        marker: None,
        environment: Vec::new(),
    };
    let field = [contender(HAKMEM), contender("jemalloc"), contender("glibc")];
    let mut row = Row::new(group, group.rows[0], &field);
    for lap in laps {
        for (index, &rate) in lap.iter().enumerate() {
            let wall = row.cell().clock() == Clock::Wall;
            let report = Report {
                million_operations_per_second: if wall { rate } else { rate / 10.0 },
                million_operations_per_processor_second: if wall { 4.0 } else { rate },
                mallocs: 1,
                frees: 1,
                peak_resident_kib: 2000 + index as u64,
                final_resident_kib: 1000 + index as u64,
                malloc_file: None,
                malloc_markers: Vec::new(),
                frees_elsewhere: None,
                holdings: holdings(index),
            };
            row.record(index, &Lap { report, counts: None });
        }
    }
    let absent =
        Absent { allocator: "rpmalloc".to_owned(), reason: "there is no compiler cc".to_owned() };
    let load = |text: &str| LoadAverages(text.to_owned());
    let circumstances = Circumstances {
        machine: Machine {
            processor: "A processor (model 1)".to_owned(),
            cores: 2,
            caches: vec!["L1d 48 KiB".to_owned(), "L2 2 MiB".to_owned()],
            kernel: "Linux 6.1".to_owned(),
        },
        day: "2026-11-30".to_owned(),
        load_before: load("0.1 0.1 0.1"),
        load_after: load("0.2 0.2 0.2"),
    };
    Standings::new(circumstances, vec![row], vec![absent])
}

#[test]
fn the_ratio_is_taken_within_a_round_and_against_the_best_peer() {
    let standings = standings(&[[110.0, 100.0, 50.0], [90.0, 100.0, 60.0], [60.0, 50.0, 55.0]]);
    let row = &standings.rows[0];
    assert_eq!(row.best_peer, "jemalloc");
    assert_eq!((row.ratio, row.ratio_min, row.ratio_max), (1.1, 0.9, 1.2));
    assert_eq!((row.rounds, row.clock), (3, Clock::Processor));
    assert_eq!(row.outcome, Outcome::Undecided, "three rounds prove nothing");
    assert_eq!(standings.below(1.05).count(), 0);
    assert_eq!(standings.below(1.15).count(), 1);
}

#[test]
fn the_best_peer_is_the_best_of_all_rounds_and_not_the_luckiest_of_each() {
    // In every round one of the peers is as fast as hakmem, but neither peer is in most rounds.
    let laps = [[100.0, 100.0, 50.0], [100.0, 50.0, 100.0], [100.0, 60.0, 50.0]];
    let standings = standings(&laps);
    assert_eq!(standings.rows[0].best_peer, "jemalloc");
    assert_eq!(standings.rows[0].ratio, 100.0 / 60.0);
}

#[test]
fn a_row_is_ahead_or_behind_only_if_its_whole_interval_is() {
    let outcome =
        |rates: [f64; 7]| standings(&rates.map(|rate| [rate, 100.0, 50.0])).rows.remove(0);
    let ahead = outcome([101.0, 102.0, 103.0, 104.0, 105.0, 106.0, 107.0]);
    assert_eq!((ahead.outcome, ahead.interval.low), (Outcome::Ahead, 1.01));
    let level = outcome([99.0, 102.0, 103.0, 104.0, 105.0, 106.0, 107.0]);
    assert_eq!((level.outcome, level.is_won()), (Outcome::Level, true));
    let behind = outcome([99.0, 98.0, 97.0, 96.0, 95.0, 94.0, 93.0]);
    assert_eq!((behind.outcome, behind.interval.high), (Outcome::Behind, 0.99));
}

#[test]
fn the_table_reads_so() {
    let text = standings(&[[110.0, 100.0, 50.0]]).to_string();
    assert_eq!(
        text,
        "A processor (model 1); 2 cores; L1d 48 KiB, L2 2 MiB; Linux 6.1; load average \
0.1 0.1 0.1 at the start, 0.2 0.2 0.2 at the end; 2026-11-30

M ops/s, medians of the rounds; an op is one malloc, realloc or free; loads of one thread by \
processor time
                  hakmem  jemalloc     glibc  rpmalloc
fixed 128 B        110.0     100.0      50.0         –  1.100 (1.100..1.100 at 0 %, \
1 rounds) undecided against jemalloc

peak resident KiB, median
                  hakmem  jemalloc     glibc  rpmalloc
fixed 128 B         2000      2001      2002         –  0.999 of the median peer

resident KiB once everything is freed, median
                  hakmem  jemalloc     glibc  rpmalloc
fixed 128 B         1000      1001      1002         –  0.999 of the median peer

hakmem's calls that took a slow path, median
fixed 128 B     0.0000 %

hakmem's throughput / the best peer's and peak resident / the median peer's, geometric means
seven: won 1 of 1; throughput 1.100, least 1.100 (fixed 128 B); peak resident 0.999, \
largest 0.999 (fixed 128 B)
all rows: won 1 of 1; throughput 1.100, least 1.100 (fixed 128 B); peak resident 0.999, \
largest 0.999 (fixed 128 B)

bars
seven: throughput, each row: at least 1.05: holds, 1.100 in fixed 128 B
all rows: peak resident, geometric mean: at most 1.1: holds, 0.999
all rows: peak resident, each row: at most 1.5: holds, 0.999 in fixed 128 B

rpmalloc does not race: there is no compiler cc
"
    );
}

#[test]
fn slow_operations_have_digits_too() {
    let text = standings(&[[0.0625, 0.05, 12.0]]).to_string();
    assert!(text.contains("fixed 128 B        0.062     0.050      12.0"), "{text}");
}

#[test]
fn what_was_held_has_lines_and_bars_of_its_own() {
    let named = |name: &str| GROUPS.iter().find(|group| group.name == name).expect("is a group");
    let holding = |moment: &str, resident_kib: u64, live_kib: u64| Holding {
        moment: moment.to_owned(),
        resident_kib,
        live_kib,
    };
    let laps = [[1.0, 1.0, 2.0], [1.0, 1.0, 2.0], [1.0, 1.0, 2.0]];
    let released = standings_of(named("release"), &laps, |index| {
        let more = index as u64 * 100;
        vec![holding("once freed", 200 + more, 100), holding("2 s later", 110 + more, 100)]
    });
    let text = released.to_string();
    for line in [
        "release, 1 thread, idle: once freed        2.00      3.00      4.00         –",
        "release, 1 thread, idle: 2 s later         1.10      2.10      3.10         –",
        "release: resident / live, each row: at most 1.2: holds, 1.100 in release, 1 thread, idle",
    ] {
        assert!(text.contains(line), "{line} is missing:\n{text}");
    }
    let sustained = standings_of(named("sustained"), &laps, |index| {
        let more = index as u64;
        vec![holding("after 5.0 s", 1000 + more, 0), holding("highest", 1200 + more, 0)]
    });
    let text = sustained.to_string();
    for line in [
        "sustained 1:1: highest            1200      1201      1202         –",
        "sustained: growth of resident, each row: at most 1.1: MISSED, 1.200 in sustained 1:1",
    ] {
        assert!(text.contains(line), "{line} is missing:\n{text}");
    }
    assert!(!text.contains("all rows"), "what waits is not judged twice:\n{text}");
    assert!(!sustained.rows[0].is_won() && sustained.rows[0].winner == "glibc");
}
