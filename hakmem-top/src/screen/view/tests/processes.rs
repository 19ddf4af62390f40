//! Tests of the tab Processes.

use super::*;

#[test]
fn processes_with_a_preview_of_the_selected_one() {
    let model = sample::model();
    insta::assert_snapshot!(drawn(120, 16, &model, &state(Tab::Processes)), @r"
     hakmem  2 running                                                                                             ● 100 ms
     1 Processes 2   2 Classes   3 C7 routing   4 Threads 2   5 Events   6 Findings
        PID PROGRAM              STATE         UP ROUTING   THR ALLOC/S▾   FREE/S FAST %  SLOW/S      LIVE  BLOCKS ANOMALIES
       4000 redis-server --fast  running      16s direct      2    2.26M    2.03M   97.9   90.4k  5.00 MiB   1.23k         0
       4100 python3 --fast       running      16s direct      2    30.2k    27.2k   97.9   1.21k  5.00 MiB   1.23k         0
    ─ redis-server 4000 ────────────────────────────────────────────────────────────────────────────────────────────────────
     alloc 2.26M/s  free 2.03M/s  fast 97.9 %  slow 90.4k/s  live 5.00 MiB  threads 2  slabs 8.00 MiB  cached 2.00 MiB
    CLASS BYTES    ALLOC/S  FREE/S FAST % SLOW/S  BY REASON                     LIST DEPTH              LIVE     P50     P99
    C0    ≤ 8        15.0k   13.5k   97.9    600  flush_full 300  +2            ██▋···· 96/256      15.8 MiB  288 ns 4.61 µs
    C3    33–64       748k    673k   97.9  29.9k  flush_full 15.0k  +2          ██▋···· 96/256       789 MiB  288 ns 4.61 µs
    C7    513–1024   1.50M   1.35M   97.9  59.9k  flush_full 29.9k  +2          ██▋···· 96/256      1.54 GiB  288 ns 4.61 µs
    mid   > 1 KiB    1.50k   1.35k   97.9   60.0  flush_full 30.0  +2           ██▋···· 96/256      1.58 MiB  288 ns 4.61 µs



     q quit  ? help  Enter open  s i sort  / filter  e ended  p pause  + - interval  t theme                /run/agent.sock
    ");
}

#[test]
fn labels_are_shown_with_the_process() {
    let mut model = sample::model();
    let labels = &mut model.processes.get_mut("4000-1-00").unwrap().identity.labels;
    labels.insert("version".into(), "2".into());
    labels.insert("service".into(), "shop".into());
    let screen = drawn(120, 16, &model, &state(Tab::Processes));
    assert!(screen.contains("4000 redis-server [servi… running"), "{screen}");
    assert!(screen.contains("─ redis-server 4000 service=shop,version=2 ─"), "{screen}");
    let screen = drawn(160, 16, &model, &state(Tab::Processes));
    assert!(screen.contains("redis-server [service=shop,version=2] --fast"), "{screen}");
    let title = drawn(120, 1, &model, &state(Tab::Classes));
    assert!(title.contains("running 16s · service=shop,version=2 · direct"), "{title}");
}
