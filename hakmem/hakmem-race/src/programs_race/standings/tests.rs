use std::path::PathBuf;
use std::time::Duration;

use super::*;

fn contender(name: &str) -> Contender {
    Contender {
        name: name.to_owned(),
        library: PathBuf::from("/nonexistent"),
        preload: true,
        publishes: false,
        marker: None,
        environment: Vec::new(),
    }
}

fn row(runs: &[(&str, &[u64])]) -> ProgramRow {
    let field: Vec<Contender> = runs.iter().map(|(name, _)| contender(name)).collect();
    let mut row = ProgramRow::new(Program::Sqlite, &field);
    for (index, (_, millis)) in runs.iter().enumerate() {
        for &wall in *millis {
            let outcome = ProgramOutcome {
                wall: Duration::from_millis(wall),
                cpu: Duration::from_millis(wall / 2),
                resident_peak_kib: wall * 1024,
                answer: Vec::new(),
            };
            row.record(index, &outcome);
        }
    }
    row
}

fn check(runs: &[(&str, &[u64])], best_peer: &str, ratio: f64, verdict: ProgramVerdict) {
    let standing = row(runs).standing();
    assert_eq!(standing.wall.best_peer, best_peer);
    assert!((standing.wall.ratio - ratio).abs() < 1e-9, "{}", standing.wall.ratio);
    assert_eq!(standing.wall.verdict, verdict);
}

#[test]
fn the_fastest_peer_is_compared_round_by_round() {
    let slow: (&str, &[u64]) = ("glibc", &[300, 300, 300]);
    check(
        &[("hakmem", &[90, 90, 90]), ("peer", &[100, 100, 100]), slow],
        "peer",
        0.9,
        ProgramVerdict::Won,
    );
    check(
        &[("hakmem", &[110, 110, 121]), ("peer", &[100, 100, 110]), slow],
        "peer",
        1.1,
        ProgramVerdict::Lost,
    );
    // The two rounds contradict each other.
    let standing = row(&[("hakmem", &[110, 120]), ("peer", &[100, 140]), slow]).standing();
    assert!((standing.wall.ratio_of_best_runs - 1.1).abs() < 1e-9);
    check(
        &[("hakmem", &[90, 100, 110]), ("peer", &[100, 100, 100]), slow],
        "peer",
        1.0,
        ProgramVerdict::Even,
    );
}

#[test]
fn a_peer_that_cannot_run_the_program_is_not_compared_and_says_why() {
    let mut row = row(&[("hakmem", &[100]), ("fast", &[]), ("glibc", &[200])]);
    row.exclude(1, "it ended with a signal".to_owned());
    let standings = ProgramStandings::new(1, vec![row], Vec::new(), Vec::new());
    assert_eq!(standings.rows[0].wall.best_peer, "glibc");
    assert!((standings.rows[0].memory_ratio - 0.5).abs() < 1e-9);
    assert_eq!(standings.lost().count(), 0);
    let text = standings.to_string();
    assert!(text.contains("not under fast: it ended with a signal"), "{text}");
    assert!(
        text.contains("0.500 (0.500..0.500), hakmem wins over glibc; best runs 0.500"),
        "{text}"
    );
}
