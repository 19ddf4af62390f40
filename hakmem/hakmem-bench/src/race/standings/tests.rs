use std::path::PathBuf;

use super::*;
use crate::race::cell::CELLS;

pub(crate) fn standings(laps: &[[f64; 3]]) -> Standings {
    let contender = |name: &str| Contender {
        name: name.to_owned(),
        library: PathBuf::from("/lib/x.so"),
        preload: true,
        publishes: name == HAKMEM,
        marker: None,
        environment: Vec::new(),
    };
    let field = [contender(HAKMEM), contender("jemalloc"), contender("glibc")];
    let mut row = Row::new(CELLS[0], &field);
    for lap in laps {
        for (index, &rate) in lap.iter().enumerate() {
            row.record(
                index,
                &Report {
                    million_operations_per_second: rate,
                    mallocs: 1,
                    frees: 1,
                    peak_resident_kib: 2000 + index as u64,
                    final_resident_kib: 1000 + index as u64,
                    malloc_file: None,
                    malloc_markers: Vec::new(),
                    holdings: Vec::new(),
                },
            );
        }
    }
    let absent =
        Absent { allocator: "rpmalloc".to_owned(), reason: "there is no compiler cc".to_owned() };
    Standings::new(laps.len(), vec![row], vec![absent])
}

#[test]
fn the_ratio_is_taken_within_a_round_and_against_the_best_peer() {
    let standings = standings(&[[110.0, 100.0, 50.0], [90.0, 100.0, 60.0], [60.0, 50.0, 55.0]]);
    let row = &standings.rows[0];
    assert_eq!(row.best_peer, "jemalloc");
    assert_eq!((row.ratio, row.ratio_min, row.ratio_max), (1.1, 0.9, 1.2));
    assert_eq!(standings.below(1.05).count(), 0);
    assert_eq!(standings.below(1.15).count(), 1);
}

#[test]
fn the_table_reads_so() {
    let text = standings(&[[110.0, 100.0, 50.0]]).to_string();
    assert_eq!(
        text,
        "M ops/s, median of 1 rounds; an op is one malloc, realloc or free
                  hakmem  jemalloc     glibc  rpmalloc
fixed 128 B        110.0     100.0      50.0         –  1.100 (1.100..1.100) of jemalloc

peak resident KiB, median
                  hakmem  jemalloc     glibc  rpmalloc
fixed 128 B         2000      2001      2002         –

resident KiB once everything is freed, median
                  hakmem  jemalloc     glibc  rpmalloc
fixed 128 B         1000      1001      1002         –

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
fn an_even_number_of_laps_has_a_median_too() {
    assert_eq!(median(&[1.0, 9.0, 3.0, 5.0]), 4.0);
    assert_eq!(median(&[]), 0.0);
}
