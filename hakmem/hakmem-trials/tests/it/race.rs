//! The race with programs that really run, without the peers that CI does not build.

use std::process::Command;

use hakmem_bench::report::Report;
use hakmem_race::race::cell::{Cell, Length};
use hakmem_race::race::group::GROUPS;
use hakmem_race::race::segment_counts::SegmentCounts;
use serde_json::Value;

/// A race with one short lap for each row and contender.
fn race(cells: &str) -> Command {
    let mut command = Command::new(hakmem_built::benchmark("bench_race"));
    command
        .args(["--quiet", "--rounds", "1", "--million-operations", "1", "--seconds", "1"])
        .args(["--json", "--peers", "/nonexistent/list", "--cells", cells, "--hakmem"])
        .arg(hakmem_built::preload_library());
    command
}

fn standings(command: &mut Command) -> Value {
    let output = command.output().expect("the benchmark starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("the figures are JSON")
}

fn named<'a>(list: &'a Value, key: &str, name: &str) -> &'a Value {
    let list = list.as_array().expect("a list");
    list.iter().find(|one| one[key] == name).unwrap_or_else(|| panic!("{name} is missing"))
}

#[test]
fn a_race_has_a_row_for_every_load_of_several_threads() {
    let directory = tempfile::tempdir().expect("a temporary folder");
    let svg = directory.path().join("race.svg");
    let standings = standings(race("threads").arg("--svg").arg(&svg));

    let rows = standings["rows"].as_array().expect("rows");
    let cells: Vec<_> = rows.iter().map(|row| row["cell"].as_str().expect("a name")).collect();
    assert!(cells.contains(&"handover 1:1") && cells.contains(&"successors, 2 threads"));
    assert!(cells.contains(&"ring, 4 threads"));
    for figure in rows.iter().flat_map(|row| row["figures"].as_array().expect("figures")) {
        for name in ["million_operations_per_second", "peak_resident_kib", "final_resident_kib"] {
            assert!(figure[name].as_f64() > Some(0.0), "{name} of {figure}");
        }
        assert!(figure["final_resident_kib"].as_f64() <= figure["peak_resident_kib"].as_f64());
    }
    let absent = standings["absent"].as_array().expect("absent");
    for peer in ["mimalloc3", "rpmalloc", "snmalloc"] {
        let entry = absent.iter().find(|one| one["allocator"] == peer).expect(peer);
        assert!(entry["reason"].as_str().expect("a reason").contains(".ci/peers --all"), "{entry}");
    }
    let svg = std::fs::read_to_string(svg).expect("was drawn");
    assert!(svg.contains("handover 2:2, M ops/s"), "{svg}");
    assert!(svg.contains("threads: throughput, each row: at least 1"), "{svg}");
}

#[test]
fn every_load_of_one_thread_and_every_exchange_is_served_and_judged() {
    let standings = standings(&mut race("pairs,batches,exchange,growth,sizes,special"));
    let rows = standings["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 56 + 12 + 7 + 3 + 4 + 5);
    for row in rows {
        assert!(row["ratio"].as_f64() > Some(0.0) && row["winner"].is_string(), "{row}");
        assert!(row["peak_resident_ratio"].as_f64() > Some(0.0), "{row}");
    }
    let drift = named(&standings["rows"], "cell", "drift, 32 MiB live");
    for figure in drift["figures"].as_array().expect("figures") {
        let end = named(&figure["holdings"], "moment", "in the end");
        assert!(end["live_kib"].as_u64() > Some(1024), "{end}");
        assert!(end["resident_kib"].as_u64() > end["live_kib"].as_u64(), "{end}");
    }
    for group in ["pairs", "batches", "exchange", "growth", "sizes", "special", "all rows"] {
        let summary = named(&standings["summaries"], "group", group);
        assert!(summary["throughput_mean"].as_f64() > Some(0.0), "{summary}");
        assert!(summary["peak_resident_mean"].as_f64() > Some(0.0), "{summary}");
    }
    for group in ["pairs", "batches", "all rows"] {
        let verdict = named(&standings["verdicts"], "group", group);
        assert!(verdict["holds"].is_boolean() && verdict["limit"].is_f64(), "{verdict}");
    }
}

#[test]
fn rows_run_on_until_they_are_narrow_and_replace_their_processors_section() {
    let directory = tempfile::tempdir().expect("a temporary folder");
    let file = directory.path().join("BENCHMARKS.md");
    std::fs::write(&file, "# Figures\n\n## Another processor\n\nIts figures.\n").expect("written");
    let mut command = race("special");
    // No interval is that narrow, so every row takes all rounds.
    command.args(["--width", "0.000001", "--rounds-most", "2", "--record"]).arg(&file);
    let first = standings(&mut command);
    for row in first["rows"].as_array().expect("rows") {
        assert_eq!((&row["rounds"], &row["clock"]), (&2.into(), &"processor".into()), "{row}");
    }
    let machine = &first["circumstances"]["machine"];
    let processor = machine["processor"].as_str().expect("a name");
    let text = std::fs::read_to_string(&file).expect("was written");
    for words in ["## Another processor\n\nIts figures.\n", &format!("## {processor}\n")] {
        assert_eq!(text.matches(words).count(), 1, "{words} in:\n{text}");
    }
    // Every interval is that narrow, so a row stops once the rounds suffice for the confidence.
    let mut command = race("special");
    command.args(["--width", "1000", "--rounds-most", "8"]);
    let second = standings(&mut command);
    assert!(second["rows"].as_array().expect("rows").iter().all(|row| row["rounds"] == 6));
}

#[test]
fn an_exchange_frees_blocks_elsewhere_by_hakmems_own_counters_and_mostly_on_fast_paths() {
    let counts_of = |cell: Cell| {
        let segments = tempfile::tempdir_in("/dev/shm").expect("a temporary folder");
        let output = Command::new(hakmem_built::benchmark(cell.program()))
            .args(cell.arguments(Length { operations: 4_000_000, seconds: 1 }))
            .env("LD_PRELOAD", hakmem_built::preload_library())
            .env("HAKMEM_DIR", segments.path())
            .output()
            .expect("the benchmark starts");
        let report = String::from_utf8_lossy(&output.stdout).into_owned();
        let report = Report::parse(&report).expect("all figures are there");
        (report, SegmentCounts::take(segments.path()).expect("one segment"))
    };
    let threads = 2;
    let alone = Cell::MixedThreads { threads, working_set: 512 };
    let (report, alone) = counts_of(alone);
    assert_eq!(report.frees_elsewhere, None);
    // A thread's own data may be allocated by one thread and freed by another, but that is little.
    assert!(alone.frees_elsewhere_least < 50, "{}", alone.frees_elsewhere_least);
    for (objects, burst) in [(1, 1), (1, 64), (100, 1)] {
        let cell = Cell::Exchange { threads, objects, burst, largest: None };
        let (report, counts) = counts_of(cell);
        let claimed = report.frees_elsewhere.expect("the load tells");
        assert!(claimed >= report.frees / 5, "{cell}: {claimed} of {}", report.frees);
        // Threads free about as many blocks as they allocate, so the counters show the difference.
        let shown = counts.frees_elsewhere_least;
        assert!(shown > 100 && shown <= i128::from(claimed) + 10_000, "{cell}: {shown}");
        // A thread frees about as many blocks as it allocates, so its lists hardly run full or
        // empty, less often even than those of threads whose working sets grow and shrink.
        let share = counts.slow_share();
        assert!((0.0005..0.05).contains(&share), "{cell}: {share} of the calls are slow");
    }
}

#[test]
fn a_sustained_load_lasts_its_seconds_and_tells_what_was_resident() {
    let standings = standings(&mut race("sustained"));
    let row = named(&standings["rows"], "cell", "sustained 2:2");
    let hakmem = named(&row["figures"], "allocator", "hakmem");
    let resident = |moment| named(&hakmem["holdings"], "moment", moment)["resident_kib"].as_u64();
    assert!(resident("after 0.5 s") > Some(1024), "{hakmem}");
    assert!(resident("highest after 0.5 s") >= resident("after 0.5 s"), "{hakmem}");
    assert_eq!(standings["verdicts"][0]["group"], "sustained");
}

#[test]
fn every_load_of_the_race_keeps_its_contents_under_hakmem() {
    let segments = tempfile::tempdir_in("/dev/shm").expect("a temporary folder");
    let length = Length { operations: 100_000, seconds: 1 };
    for cell in GROUPS.iter().flat_map(|group| group.rows) {
        let output = Command::new(hakmem_built::benchmark(cell.program()))
            .args(cell.arguments(length))
            .arg("--verify")
            .env("LD_PRELOAD", hakmem_built::preload_library())
            .env("HAKMEM_DIR", segments.path())
            .env("HAKMEM_CHECK", "full")
            .output()
            .expect("the benchmark starts");
        let (report, errors) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && errors.is_empty(), "{cell}: {errors}");
        assert!(report.contains("libhakmem_preload.so\n"), "{cell}: {report}");
    }
}
