//! The table of the routings, from programs that really run.

use std::process::{Command, Output};

use serde_json::Value;

fn bench_routings(arguments: &[&str]) -> Output {
    let mut command = Command::new(hakmem_built::benchmark("bench_routings"));
    command.args(["--quiet", "--rounds", "1", "--million-operations", "1"]).args(arguments);
    command.arg("--hakmem").arg(hakmem_built::preload_library());
    command.output().expect("the benchmark starts")
}

#[test]
fn a_table_tells_the_routings_apart() {
    let directory = tempfile::tempdir().expect("a temporary folder");
    let (json, svg) = (directory.path().join("table.json"), directory.path().join("table.svg"));
    let (json_path, svg_path) = (json.display().to_string(), svg.display().to_string());
    let output = bench_routings(&[
        "--routings",
        "direct,uniform,hybrid",
        "--json",
        &json_path,
        "--svg",
        &svg_path,
    ]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("hybrid, boxed"), "{text}");

    let table: Value = serde_json::from_slice(&std::fs::read(json).expect("was written"))
        .expect("the figures are JSON");
    let rows = table["rows"].as_array().expect("rows");
    let figure = |row: usize, name: &str| rows[row][name].as_f64().expect(name);
    let names = rows.iter().map(|row| (row["routing"].as_str(), row["push"].as_str()));
    assert_eq!(
        names.collect::<Vec<_>>(),
        [
            (Some("direct"), None),
            (Some("uniform"), Some("boxed")),
            (Some("uniform"), Some("direct")),
            (Some("hybrid"), Some("boxed")),
            (Some("hybrid"), Some("direct")),
        ]
    );
    for (row, cells) in rows.iter().map(|row| &row["throughput"]).enumerate() {
        assert_eq!((figure(row, "anomalies"), figure(row, "check_findings")), (0.0, 0.0));
        let stride = figure(row, "stride_bytes_1024");
        assert_eq!(stride, if row == 1 || row == 2 { 1040.0 } else { 1024.0 });
        for bytes in [figure(row, "slab_bytes_1024"), figure(row, "resident_bytes_1024")] {
            assert!((bytes / stride - 1.0).abs() < 0.05, "row {row}: {bytes} of {stride}");
        }
        let fast = figure(row, "c7_frees_fast_share");
        assert!(if row < 3 { fast > 0.9 } else { fast < 0.01 }, "row {row}: {fast}");
        assert_eq!(cells.as_array().map(Vec::len), Some(8));
    }
    // The slow path of C7 costs instructions under hybrid, and nothing else here explains that
    // many.
    assert!(figure(3, "instructions_1024") > 2.0 * figure(0, "instructions_1024"));
    let picture = std::fs::read_to_string(svg).expect("was written");
    assert!(picture.contains("uniform, direct") && picture.ends_with("</svg>\n"));
}

#[test]
fn an_allocator_that_counts_nothing_gets_no_row() {
    let libc = "/lib/x86_64-linux-gnu/libc.so.6";
    if !std::path::Path::new(libc).exists() {
        // Another architecture; the code path under test is the same there.
        return;
    }
    let output = Command::new(hakmem_built::benchmark("bench_routings"))
        .args(["--quiet", "--rounds", "1", "--million-operations", "1", "--hakmem", libc])
        .output()
        .expect("the benchmark starts");
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
    assert!(message.contains("there are 0 telemetry segments"), "{message}");
    assert!(output.stdout.is_empty());
}

#[test]
fn e3_gets_no_row() {
    let output = bench_routings(&["--routings", "direct,e3"]);
    assert_eq!(output.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&output.stderr).contains("it corrupts memory"));
}
