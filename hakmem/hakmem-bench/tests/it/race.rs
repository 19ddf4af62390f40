//! The race, from programs that really ran, without the peers that CI does not build.

use std::process::Command;

use serde_json::Value;

use crate::built;

#[test]
fn a_race_has_a_row_for_every_load_of_several_threads() {
    let directory = tempfile::tempdir().expect("a temporary folder");
    let svg = directory.path().join("race.svg");
    let output = Command::new(built::benchmark("bench_race"))
        .args(["--quiet", "--rounds", "1", "--million-operations", "1"])
        .args(["--cells", "threads", "--json", "--peers", "/nonexistent/list", "--svg"])
        .arg(&svg)
        .arg("--hakmem")
        .arg(built::preload_library())
        .output()
        .expect("the benchmark starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let standings: Value = serde_json::from_slice(&output.stdout).expect("the figures are JSON");

    let rows = standings["rows"].as_array().expect("rows");
    let cells: Vec<_> = rows.iter().map(|row| row["cell"].as_str().expect("a name")).collect();
    assert!(cells.contains(&"handover 1:1") && cells.contains(&"successors, 2 threads"));
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
}
