use super::*;
use crate::model::sample;

#[test]
fn a_summary_of_one_process_has_a_row_per_class() {
    let process = sample::process(4000, "redis-server", 10.0, 1000.0);
    let text = summary("redis-server --fast", ProgramEnd::Exited(0), &[process], 0);
    insta::assert_snapshot!(text, @r"
    hakmem-top: redis-server --fast exited 0, 1 process
    CLASS     ALLOCATIONS          FREES  FAST %         SLOW  LIVE BLOCKS       LIVE  SLOW BY REASON
    C0                100             90    97.9            4           10   10.0 KiB  flush_full 2, refill_central 2, refill_slab 0
    C3               5000           4500    97.9          200          500    500 KiB  flush_full 100, refill_central 75, refill_slab 25
    C7              10000           9000    97.9          400         1000   0.98 MiB  flush_full 200, refill_central 150, refill_slab 50
    mid                10              9     100            0            1   1.00 KiB  flush_full 0, refill_central 0, refill_slab 0
    ");
}

#[test]
fn several_processes_are_summed_and_listed() {
    let mut child = sample::process(4001, "worker", 5.0, 1000.0);
    child.state = "crashed".into();
    child.loss.as_mut().unwrap().unpublished_threads_total = 3;
    let processes = [sample::process(4000, "redis-server", 10.0, 1000.0), child];
    let text = summary("redis-server", ProgramEnd::Signalled(9), &processes, 7);
    insta::assert_snapshot!(text, @r"
    hakmem-top: redis-server was killed by signal 9, 2 processes
    CLASS     ALLOCATIONS          FREES  FAST %         SLOW  LIVE BLOCKS       LIVE  SLOW BY REASON
    C0                150            135    97.9            6           15   15.0 KiB  flush_full 3, refill_central 3, refill_slab 0
    C3               7500           6750    97.9          300          750    750 KiB  flush_full 150, refill_central 113, refill_slab 37
    C7              15000          13500    97.9          600         1500   1.46 MiB  flush_full 300, refill_central 225, refill_slab 75
    mid                15             14     100            0            1   1.00 KiB  flush_full 0, refill_central 0, refill_slab 0

         PID STATE     ROUTING  THREADS    ALLOCATIONS          FREES  FAST %       LIVE  COMMAND
        4000 running   direct         2          15110          13599    97.9   5.00 MiB  redis-server --fast
        4001 crashed   direct         2           7555           6800    97.9   5.00 MiB  worker --fast
    hakmem-top: LOST: 3 threads ran without a slot and are not counted
    hakmem-top: lost 7 events (counts are complete)
    ");
}

#[test]
fn a_summary_of_many_names_the_busiest_and_counts_the_rest() {
    let processes: Vec<_> =
        (0..50).map(|pid| sample::process(pid, "cc1", f64::from(pid), 1000.0)).collect();
    let text = summary("make", ProgramEnd::Exited(0), &processes, 0);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.last().unwrap().ends_with("… and 30 less busy ones"), "{text}");
    assert!(text.contains("\n      49 running") && !text.contains("\n      29 running"), "{text}");
}

#[test]
fn once_names_each_process_before_its_classes() {
    let processes =
        [sample::process(1, "a", 1.0, 100.0), sample::process(2, "b\u{1b}[2J", 1.0, 100.0)];
    insta::assert_snapshot!(once(&processes), @r"
    1 running direct a --fast threads 2 live 5.00 MiB
    CLASS     ALLOCATIONS          FREES  FAST %         SLOW  LIVE BLOCKS       LIVE  SLOW BY REASON
    C0                  1              1     100            0            0        0 B  flush_full 0, refill_central 0, refill_slab 0
    C3                 50             45    97.9            2            5   5.00 KiB  flush_full 1, refill_central 1, refill_slab 0
    C7                100             90    97.9            4           10   10.0 KiB  flush_full 2, refill_central 2, refill_slab 0
    mid                 0              0       –            0            0        0 B  flush_full 0, refill_central 0, refill_slab 0

    2 running direct b�[2J --fast threads 2 live 5.00 MiB
    CLASS     ALLOCATIONS          FREES  FAST %         SLOW  LIVE BLOCKS       LIVE  SLOW BY REASON
    C0                  1              1     100            0            0        0 B  flush_full 0, refill_central 0, refill_slab 0
    C3                 50             45    97.9            2            5   5.00 KiB  flush_full 1, refill_central 1, refill_slab 0
    C7                100             90    97.9            4           10   10.0 KiB  flush_full 2, refill_central 2, refill_slab 0
    mid                 0              0       –            0            0        0 B  flush_full 0, refill_central 0, refill_slab 0
    ");
}

#[test]
fn the_demo_prints_rates_with_their_reasons() {
    let model = sample::model();
    let text = rates(&model.processes["4000-1-00"], "steady mix", 6);
    insta::assert_snapshot!(text, @r"
      6 s  phase steady mix: 2.26M allocations/s, 2.03M frees/s, 97.9 % fast, live 5.00 MiB
    CLASS    ALLOC/S    FREE/S  FAST %    SLOW/S         DEPTH       LIVE       P50       P99  SLOW/S BY REASON
    C0         15.0k     13.5k    97.9       600        96/256   15.8 MiB    288 ns   4.61 µs  flush_full 300, refill_central 224, refill_slab 75.6
    C3          748k      673k    97.9     29.9k        96/256    789 MiB    288 ns   4.61 µs  flush_full 15.0k, refill_central 11.2k, refill_slab 3.74k
    C7         1.50M     1.35M    97.9     59.9k        96/256   1.54 GiB    288 ns   4.61 µs  flush_full 29.9k, refill_central 22.4k, refill_slab 7.48k
    mid        1.50k     1.35k    97.9      60.0        96/256   1.58 MiB    288 ns   4.61 µs  flush_full 30.0, refill_central 23.3, refill_slab 6.67
    ");
}

#[test]
fn a_recording_is_told_with_what_is_missing() {
    use hakmem_recording::{Recording, RecordingWriter};
    use proto::recording_entry::Entry;

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.hakrec");
    let start = proto::RecordingStart {
        version: "0.1.0".into(),
        started_at: Some(sample::timestamp(sample::STARTED_AT as f64 + 1.0)),
        interval_ms: 1000,
        machine: Some(proto::Machine {
            host: "build-7".into(),
            kernel: "Linux 6.1".into(),
            architecture: "x86_64".into(),
            processor: "Some CPU".into(),
            processors: 2,
            memory_bytes: 8 << 30,
            ..Default::default()
        }),
        command: "hakmem-top record\u{1b}[31m -o a".into(),
    };
    let mut writer = RecordingWriter::create(&path, start).unwrap();
    for second in [10.0, 11.0, 13.0] {
        let process = sample::process(4000, "redis-server", second, 1000.0);
        let mut update = sample::update(second, vec![process]);
        update.skipped_updates = u64::from(second > 12.0);
        writer.push(proto::RecordingEntry { entry: Some(Entry::Update(update)) }).unwrap();
    }
    writer.finish(proto::RecordingEnd::default()).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let whole = Recording::from_bytes(bytes.clone()).unwrap();
    let utc = jiff::tz::TimeZone::UTC;
    let without_sizes = |text: String| {
        let lines = text.lines().map(|line| match line.split_once(" KiB") {
            Some((before, after)) => format!("{}… KiB{after}", before.trim_end_matches(is_digit)),
            None => line.to_owned(),
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(without_sizes(recording("a.hakrec", &whole, &utc, false)), @r"
    file       a.hakrec, … KiB, complete
    time       1970-01-12 13:46:50 to 1970-01-12 13:46:53 (3.0s), every 1000 ms, by version 0.1.0
    command    hakmem-top record�[31m -o a
    machine    build-7, Linux 6.1, x86_64, 2 × Some CPU, 8.00 GiB
    contents   processes 1, updates 3, events 0
    losses     samples 1, updates 1, events 0
    damage     none

         pid  from                     span   samples  operations    lost  state     routing   command
        4000  1970-01-12 13:46:50      3.0s         3       8.61k       1  running   direct    redis-server --fast
              executable /usr/bin/redis-server, check sample, library 0.1.0, started 1970-01-12 13:46:40
    ");
    let cut = Recording::from_bytes(bytes[..bytes.len() - 5].to_vec()).unwrap();
    let text = recording("a.hakrec", &cut, &utc, false);
    assert!(text.contains("incomplete: its writer was killed or is still writing"), "{text}");
    assert!(text.contains(": the last block is not complete"), "{text}");
}

fn is_digit(it: char) -> bool {
    it.is_ascii_digit() || it == '.'
}
