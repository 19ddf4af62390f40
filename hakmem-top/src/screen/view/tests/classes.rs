//! Tests of the tab Classes.

use super::*;

#[test]
fn classes_with_panels_and_charts() {
    let model = sample::model();
    insta::assert_snapshot!(drawn(120, 36, &model, &state(Tab::Classes)), @r"
     hakmem  redis-server 4000 · running 16s · direct · check sample                                               ● 100 ms
     1 Processes 2   2 Classes   3 C7 routing   4 Threads 2   5 Events   6 Findings
     alloc 2.26M/s  free 2.03M/s  fast 97.9 %  slow 90.4k/s  live 5.00 MiB  threads 2  slabs 8.00 MiB  cached 2.00 MiB
    CLASS BYTES    ALLOC/S  FREE/S FAST % SLOW/S  BY REASON                     LIST DEPTH              LIVE     P50     P99
    C0    ≤ 8        15.0k   13.5k   97.9    600  flush_full 300  +2            ██▋···· 96/256      15.8 MiB  288 ns 4.61 µs
    C3    33–64       748k    673k   97.9  29.9k  flush_full 15.0k  +2          ██▋···· 96/256       789 MiB  288 ns 4.61 µs
    C7    513–1024   1.50M   1.35M   97.9  59.9k  flush_full 29.9k  +2          ██▋···· 96/256      1.54 GiB  288 ns 4.61 µs
    mid   > 1 KiB    1.50k   1.35k   97.9   60.0  flush_full 30.0  +2           ██▋···· 96/256      1.58 MiB  288 ns 4.61 µs
    ─ C7 routing direct ───────────────────────────────────────  ─ slow paths of C7  513–1024 bytes ────────────────────────
    no headers: the class map answers with one load, so C7 is    allocations    29.9k/s slow, 2.0 % of 1.50M/s
    freed as fast as any class                                     refill_central   22.4k ██████·· list empty, batch from t…
    allocations    1.50M/s █████████████▊ 98.0 % fast              refill_slab      7.48k ██······ list empty, blocks of a …
    frees          1.35M/s █████████████▊ 97.8 % fast            frees          29.9k/s slow, 2.2 % of 1.35M/s
    FREES RECOGNISED BY       ALL/s     FAST     SLOW              flush_full       29.9k ████████ lists full, batch to the…
      map                     1.35M    1.32M    29.9k            took        p50 288 ns  p99 4.61 µs  p99.9 ever 5.12 µs
      sized                       0        0        0            blocks      1.62M live  96 on lists  1.28k central
                   PEAK/S LAST 18s                               162k events suppressed
    alloc fast      1.54M                          ▅▃▃▅██▆▃▃▅▇█
    alloc slow      31.5k                          ▅▃▃▅██▆▃▃▅▇█
    free  fast      1.38M                          ▅▃▃▅██▆▃▃▅▇█
    free  slow      31.5k                          ▅▃▃▅██▆▃▃▅▇█

    ─ C7 fast peak 2.93M/s, last 29s ──────────────────────────  ─ C7 slow peak 62.9k/s, last 29s ──────────────────────────
                                                       ▂▆     █                                                     ▂▆     █
                                                       ██    ▃█                                                     ██    ▃█
                                                       ██    ██                                                     ██    ██
                                                       ██▅   ██                                                     ██▅   ██
                                                   ▃  ▃███   ██                                                 ▃  ▃███   ██
                                                   █  ████  ▂██                                                 █  ████  ▂██
                                                   █  ████  ███                                                 █  ████  ███
                                                   █  ████▄ ███                                                 █  ████▄ ███
                                                   █▇▇█████▃███                                                 █▇▇█████▃███
                                                   ████████████                                                 ████████████
                                                   ████████████                                                 ████████████
                                                   ████████████                                                 ████████████
     q quit  ? help  j k class  c rates/totals  d diff  Enter C7  p pause  + - interval  t theme            /run/agent.sock
    ");
}

#[test]
fn classes_on_a_common_terminal() {
    let model = sample::model();
    insta::assert_snapshot!(drawn(80, 24, &model, &state(Tab::Classes)), @r"
     hakmem  redis-server 4000 · running 16s · direct · check sample       ● 100 ms
     1 Processes 2   2 Classes   3 C7 routing   4 Threads 2   5 Events   6 Findings
     alloc 2.26M/s  free 2.03M/s  fast 97.9 %  slow 90.4k/s  live 5.00 MiB
    CLASS ALLOC/S  FREE/S FAST % SLOW/S LIST DEPTH              LIVE     P50     P99
    C0      15.0k   13.5k   97.9    600 ██▋···· 96/256      15.8 MiB  288 ns 4.61 µs
    C3       748k    673k   97.9  29.9k ██▋···· 96/256       789 MiB  288 ns 4.61 µs
    C7      1.50M   1.35M   97.9  59.9k ██▋···· 96/256      1.54 GiB  288 ns 4.61 µs
    mid     1.50k   1.35k   97.9   60.0 ██▋···· 96/256      1.58 MiB  288 ns 4.61 µs
    ─ C7 routing direct ────────────────────────────────────────────────────────────
    no headers: the class map answers with one load, so C7 is freed as fast as any
    class
    allocations    1.50M/s █████████████▊ 98.0 % fast
    frees          1.35M/s █████████████▊ 97.8 % fast
    FREES RECOGNISED BY       ALL/s     FAST     SLOW
      map                     1.35M    1.32M    29.9k  one load from the class map
      sized                       0        0        0  the caller passed its size
                   PEAK/S LAST 29s
    alloc fast      1.54M                                               ▅▃▃▅██▆▃▃▅▇█
    alloc slow      31.5k                                               ▅▃▃▅██▆▃▃▅▇█
    free  fast      1.38M                                               ▅▃▃▅██▆▃▃▅▇█
    free  slow      31.5k                                               ▅▃▃▅██▆▃▃▅▇█


     q quit  ? help  j k class  c rates/totals  d diff  Enter C7  p pause
    ");
}

#[test]
fn classes_on_a_tiny_terminal() {
    let model = sample::model();
    insta::assert_snapshot!(drawn(40, 10, &model, &state(Tab::Classes)), @r"
     hakmem  redis-server 4000 · … ● 100 ms
     1   2 Classes   3   4   5   6
     alloc 2.26M/s  free 2.03M/s
    CLASS ALLOC/S FAST % SLOW/S     LIVE
    C0      15.0k   97.9    600 15.8 MiB
    C3       748k   97.9  29.9k  789 MiB
    C7      1.50M   97.9  59.9k 1.54 GiB
    mid     1.50k   97.9   60.0 1.58 MiB

     q quit  ? help  j k class
    ");
}

#[test]
fn an_ended_process_shows_its_totals() {
    let mut model = sample::model();
    let mut ended = sample::process(4000, "redis-server", 16.0, 1e6);
    ended.state = "exited".into();
    ended.exit_code = Some(3);
    model.merge(Stream::Detail, sample::update(16.2, vec![ended]));
    model.program = Some(Program {
        command: "redis-server --fast".into(),
        pid: 4000,
        end: Some(ProgramEnd::Exited(3)),
        ..Program::default()
    });
    insta::assert_snapshot!(drawn(100, 9, &model, &state(Tab::Classes)), @r"
     hakmem  redis-server 4000 · exited 3 · direct · check sample                              ● 100 ms
     1 Processes 2   2 Classes   3 C7 routing   4 Threads 2   5 Events   6 Findings
     alloc 24.2M  free 21.8M  fast 97.9 %  slow 967k  live 5.00 MiB  threads 2  slabs 8.00 MiB
    CLASS  ALLOCS   FREES FAST %   SLOW  BY REASON          LIST DEPTH              LIVE     P50     P99
    C0       160k    144k   97.9  6.40k  flush_full 3.20k … ██▋···· 96/256      15.6 MiB  288 ns 4.61 µs
    C3      8.00M   7.20M   97.9   320k  flush_full 160k  … ██▋···· 96/256       781 MiB  288 ns 4.61 µs
    C7      16.0M   14.4M   97.9   640k  flush_full 320k  … ██▋···· 96/256      1.53 GiB  288 ns 4.61 µs
    mid     16.0k   14.4k   97.9    640  flush_full 320  +2 ██▋···· 96/256      1.56 MiB  288 ns 4.61 µs
     q quit  ? help  o output  j k class  c rates/totals  d diff  Enter C7  p pause  + - interval
    ");
}

#[test]
fn lost_counts_are_shown_before_any_count() {
    let mut model = sample::model();
    let mut process = sample::process(4000, "redis-server", 17.0, 1e6);
    process.loss.as_mut().unwrap().unpublished_threads_total = 3;
    model.merge(Stream::Detail, sample::update(17.0, vec![process]));
    let screen = drawn(120, 12, &model, &state(Tab::Classes));
    assert!(screen.contains(" NOT COUNTED 3 threads without a slot  alloc "), "{screen}");
}
