//! `show`, on segments made for these tests.

use hakmem_reader::fixture::{FixtureProcess, SegmentWriter, bin_of};
use hakmem_reader::{Class, FreeReason, Outcome};

use crate::command::{output, segments, stderr, stdout, top};

fn segment(directory: &std::path::Path, executable: &str) -> SegmentWriter {
    let mut writer = SegmentWriter::create(directory, &FixtureProcess::new(executable));
    let slot = writer.take_slot(7, "main");
    let bin = bin_of(Class::C7);
    writer.slot(slot).allocate(bin, 5);
    writer.slot(slot).free_slow(bin, FreeReason::Rejected, Outcome::DoubleFree, 0);
    writer
}

#[test]
fn the_last_to_end_a_pid_and_a_file_are_shown() {
    let segments = segments();
    let crashed = segment(segments.path(), "/bin/crashes");
    let file = crashed.path().to_owned();
    drop(crashed);
    let running = segment(segments.path(), "/bin/runs");
    let show = |arguments: &[&str]| {
        let result = output(top(segments.path()).arg("show").args(arguments));
        assert_eq!(result.status.code(), Some(0), "{arguments:?}: {}", stderr(&result));
        stdout(&result)
    };
    let last = show(&[]);
    assert!(last.starts_with("crashes, process "), "{last}");
    assert!(last.contains("\n! C7    double_free "), "{last}");
    assert!(last.contains("\nMost likely cause: the program frees blocks twice"), "{last}");
    // A copy of the segment in another place yields the same story.
    let copy = segments.path().join("copy");
    std::fs::copy(&file, &copy).unwrap();
    let without_path = |text: &str| {
        let lines = text.lines().filter(|line| !line.starts_with("  segment"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(without_path(&show(&[copy.to_str().unwrap()])), without_path(&last));
    let name = running.path().file_name().unwrap().to_str().unwrap().to_owned();
    let pid = name.split('-').next().unwrap();
    let alive = show(&[pid]);
    assert!(alive.starts_with(&format!("runs, process {pid}: running\n")), "{alive}");
    assert!(alive.ends_with("\nIt runs.\n"), "{alive}");
    let document: serde_json::Value = serde_json::from_str(&show(&["--json", pid])).unwrap();
    assert_eq!(document["process"]["state"], "running");
    assert_eq!(document["anomalies"][0]["outcome"], "double_free");
    assert_eq!(document["verdict"], serde_json::Value::Null);
}
