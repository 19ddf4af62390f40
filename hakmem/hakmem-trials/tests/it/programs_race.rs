//! The race of real programs, with small loads and without the peers that CI does not build.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use hakmem_race::race::contender::Field;
use serde_json::Value;

fn run(benchmark: &str, hakmem: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(hakmem_built::benchmark(benchmark));
    command.args(["--json", "--peers", "/nonexistent/list", "--hakmem"]).arg(hakmem);
    command.args(arguments).output().expect("the benchmark starts")
}

fn figures(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("the figures are JSON")
}

/// A library that serves malloc and is not hakmem.
fn c_library() -> PathBuf {
    let field = Field::new(&hakmem_built::preload_library(), Path::new("/nonexistent/list"));
    field.expect("hakmem is built").contenders.pop().expect("the C library").library
}

#[test]
fn every_program_runs_under_hakmem_and_the_c_library() {
    let programs = "python-json,python-dicts,python-strings,python-tree,redis,sqlite,gcc";
    let arguments = ["--quiet", "--rounds", "2", "--percent", "2", "--programs", programs];
    let standings =
        figures(&run("bench_programs_race", &hakmem_built::preload_library(), &arguments));
    assert_eq!(standings["left"].as_array().map(Vec::len), Some(0), "{}", standings["left"]);
    let rows = standings["rows"].as_array().expect("rows");
    let names: Vec<_> = rows.iter().filter_map(|row| row["program"].as_str()).collect();
    assert_eq!(names.join(","), programs);
    for row in rows {
        let figures = row["figures"].as_array().expect("figures");
        assert_eq!(figures.first().expect("hakmem")["allocator"], "hakmem");
        assert_eq!(figures.last().expect("the C library")["allocator"], "glibc");
        for figure in figures {
            for name in ["wall_seconds", "cpu_seconds", "resident_peak_kib"] {
                assert!(figure[name].as_f64() > Some(0.0), "{name} of {figure}");
            }
        }
        for comparison in ["wall", "cpu"] {
            assert!(row[comparison]["ratio"].as_f64() > Some(0.0), "{row}");
        }
    }
}

#[test]
fn the_start_of_a_program_is_timed_under_everybody() {
    let starts = figures(&run("bench_startup", &hakmem_built::preload_library(), &["--runs", "5"]));
    let figures = starts["figures"].as_array().expect("figures");
    let allocators: Vec<_> = figures.iter().filter_map(|one| one["allocator"].as_str()).collect();
    assert_eq!((allocators.first(), allocators.last()), (Some(&"hakmem"), Some(&"glibc")));
    for figure in figures {
        assert!(figure["wall_ms"].as_f64() > Some(0.01), "{figure}");
    }
}

#[test]
fn a_start_that_takes_longer_than_it_may_fails() {
    let output =
        run("bench_startup", &hakmem_built::preload_library(), &["--runs", "5", "--bar=-9"]);
    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("more than -9"), "{message}");
}

#[test]
fn another_allocator_in_the_place_of_hakmem_does_not_count() {
    for (benchmark, arguments) in
        [("bench_startup", ["--runs", "1"]), ("bench_programs_race", ["--programs", "sqlite"])]
    {
        let output = run(benchmark, &c_library(), &arguments);
        assert_eq!(output.status.code(), Some(1), "{benchmark}");
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(message.contains("0 telemetry segments"), "{message}");
    }
}
