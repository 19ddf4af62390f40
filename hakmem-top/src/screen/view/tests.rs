use ratatui::Terminal;
use ratatui::backend::TestBackend;

use hakmem_proto::v1 as proto;

use super::*;
use crate::model::{Connection, Program, ProgramEnd, Stream, sample};
use crate::screen::view_state::{Action, Compared, Effect, INTERVAL_MS_DEFAULT, ThemeName};
use crate::tell::comparison;

fn state(tab: Tab) -> ViewState {
    ViewState::new(tab, INTERVAL_MS_DEFAULT, ThemeName::Mono)
}

/// The text on the screen, without trailing blanks.
fn drawn(width: u16, height: u16, model: &Model, state: &ViewState) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, model, state)).unwrap();
    let buffer = terminal.backend().buffer();
    let line = |y| {
        let text: String = (0..width).map(|x| buffer[(x, y)].symbol()).collect();
        text.trim_end().to_owned()
    };
    (0..height).map(line).collect::<Vec<_>>().join("\n")
}

fn events() -> proto::WatchEventsResponse {
    let event = |number, kind: &str, detail: &str, duration_ns| proto::Event {
        process_key: "4000-1-00".into(),
        pid: 4000,
        at: Some(sample::timestamp(sample::STARTED_AT as f64 + 14.0 + number as f64 * 0.25)),
        kind: kind.into(),
        class: "C7".into(),
        detail: detail.into(),
        thread_id: 4001,
        duration_ns,
        number,
        address: 0x7f00_1234_5400,
        ..Default::default()
    };
    let mut anomaly = event(3, "anomaly", "header_false_positive", 0);
    anomaly.claimed_class = "C3".into();
    anomaly.value = 0xa3;
    proto::WatchEventsResponse {
        events: vec![
            event(1, "slow_allocation", "refill_central", 480),
            event(2, "slow_free", "flush_full", 1250),
            anomaly,
        ],
        lost_events: 12,
        dropped_events: 0,
    }
}

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
      sized                       0        0        0  the caller told its size
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
fn routing_explains_itself() {
    let model = sample::model();
    insta::assert_snapshot!(drawn(120, 24, &model, &state(Tab::Routing)), @r"
     hakmem  redis-server 4000 · running 16s · direct · check sample                                               ● 100 ms
     1 Processes 2   2 Classes   3 C7 routing   4 Threads 2   5 Events   6 Findings
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

    ─ C7 fast peak 2.93M/s, last 1m00s ─────────────────────────────────────────────────────────────────────────────────────
                                                                                                                    ▇█▂   ▅█
                                                                                                                ▇  ▇███▁ ▅██
                                                                                                                ████████▇███
    ─ C7 slow peak 62.9k/s, last 1m00s ─────────────────────────────────────────────────────────────────────────────────────
                                                                                                                ▂  ▂▇█▄  ▁▆█
                                                                                                                █▆▆████▆▅███
     q quit  ? help  c rates/totals  Esc processes  p pause  + - interval  t theme                          /run/agent.sock
    ");
}

#[test]
fn a_routing_with_anomalies_says_what_they_are() {
    let mut model = sample::model();
    let mut process = sample::process(4000, "redis-server", 17.0, 1e6);
    let identity = process.identity.as_mut().unwrap();
    (identity.routing, identity.check) = ("e3".into(), "full".into());
    process.classes[2].outcomes.push(proto::OutcomeCount {
        outcome: "header_false_positive".into(),
        count: 977,
        fast: 977,
    });
    model.merge(Stream::Detail, sample::update(17.0, vec![process]));
    model.events.merge(events());
    let mut state = state(Tab::Routing);
    state.choose(&model.processes["4000-1-00"]);
    insta::assert_snapshot!(drawn(80, 20, &model, &state), @r"
     hakmem  redis-server 4000 · running 17s · e3 · check full             ● 100 ms
     1 Processes   2 Classes   3 C7   4 Threads   5 Events 12 lost   6 Findings
    ─ C7 routing e3 ────────────────────────────────────────────────────────────────
    UNSAFE: header only; C7 has none, and a byte like one sends it to a wrong list
    ANOMALIES 977 in all · last seen 0.00s ago
      taken for C3 ×1
    allocations     835k/s █████████████▊ 98.0 % fast
    frees           751k/s █████████████▊ 97.8 % fast
    FREES RECOGNISED BY       ALL/s     FAST     SLOW
      map                      751k     734k    16.7k  one load from the class map
      header_false_positive      977      977        0
      sized                       0        0        0  the caller told its size
                   PEAK/S LAST 29s
    alloc fast      1.54M                                             ▅▃▃▅██▆▃▃▅▇█▅▅
    alloc slow      31.5k                                             ▅▃▃▅██▆▃▃▅▇█▅▅
    free  fast      1.38M                                             ▅▃▃▅██▆▃▃▅▇█▅▅
    free  slow      31.5k                                             ▅▃▃▅██▆▃▃▅▇█▅▅
    anomalies         977                                                         ██

     q quit  ? help  c rates/totals  Esc processes  p pause  + - interval  t theme
    ");
}

#[test]
fn threads_show_how_full_their_lists_are() {
    let model = sample::model();
    insta::assert_snapshot!(drawn(120, 8, &model, &state(Tab::Threads)), @r"
    hakmem  redis-server 4000 · running 16s · direct · check sample                                               ● 100 ms
    1 Processes 2   2 Classes   3 C7 routing   4 Threads 2   5 Events   6 Findings
    2 alive in 2 slots · a slot's counts go on when its thread ends and another takes it
       TID THREAD              ALLOC/S  FREE/S FAST % SLOW/S     C0     C1     C2     C3     C4     C5     C6     C7    mid
      4000 main                  1.50M    748k   98.0  44.9k                         12▁                        126█     0
      4001 worker ×2              748k    374k   98.0  22.4k                         12▁                        126█     0

    q quit  ? help  j k scroll  / filter  p pause  + - interval  t theme                                   /run/agent.sock
    ");
}

#[test]
fn events_say_first_what_is_missing() {
    let mut model = sample::model();
    model.events.merge(events());
    insta::assert_snapshot!(drawn(100, 9, &model, &state(Tab::Events)), @r"
    hakmem  redis-server 4000 · running 16s · direct · check sample                           ● 100 ms
    1 Processes 2   2 Classes   3 C7 routing   4 Threads 2   5 Events 12 lost   6 Findings
    12 lost · 0 suppressed to bound their rate · counters count everything
        AGO     TID EVENT           CLASS DETAIL                         TOOK      VALUE ADDRESS
      1.25s    4001 anomaly         C7    claims C3: header_false_p…        –       0xa3 0x7f0012345400
      1.50s    4001 slow_free       C7    flush_full                  1.25 µs            0x7f0012345400
      1.75s    4001 slow_allocation C7    refill_central               480 ns            0x7f0012345400

    q quit  ? help  j k scroll  / filter  p pause  + - interval  t theme               /run/agent.sock
    ");
}

#[test]
fn a_lost_agent_is_said_where_the_data_was_called_live() {
    let mut model = sample::model();
    model.connection = Connection::Lost { reason: "connection refused".into(), attempts: 3 };
    insta::assert_snapshot!(drawn(100, 4, &model, &state(Tab::Processes)), @r"
    hakmem  2 running                                        ✗ no agent, attempt 3: connection refused
    1 Processes 2   2 Classes   3 C7 routing   4 Threads 2   5 Events   6 Findings
       PID PROGRAM           STATE         UP  THR ALLOC/S▾   FREE/S FAST %  SLOW/S      LIVE ANOMALIES
    q quit  ? help  Enter open  s i sort  / filter  e ended  p pause  + - interval  t theme
    ");
}

#[test]
fn an_agent_that_falls_silent_is_not_called_live() {
    let mut model = sample::model();
    model.silent_for = std::time::Duration::from_secs(7);
    let title = drawn(80, 1, &model, &state(Tab::Processes));
    assert!(title.ends_with("✗ silent for 7 s"), "{title}");
}

#[test]
fn without_processes_it_says_how_to_start_one() {
    let mut model = Model::new("test");
    model.merge(Stream::Overview, sample::update(1.0, vec![]));
    insta::assert_snapshot!(drawn(80, 9, &model, &state(Tab::Processes)), @r"
    hakmem  0 running                                                     ● 100 ms
    1 Processes 0   2 Classes   3 C7 routing   4 Threads   5 Events   6 Findings

     no process publishes in /dev/shm/hakmem-1000

     start one:  hakmem-top run -- PROGRAM ARGS
     or see it:  hakmem-top demo

    q quit  ? help  Enter open  s i sort  / filter  e ended  p pause  + - interval
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

#[test]
fn the_help_names_every_key() {
    let model = sample::model();
    let mut state = state(Tab::Classes);
    state.apply(Action::Help, &model);
    insta::assert_snapshot!(drawn(90, 24, &model, &state), @r"
     hakmem  redis-server 4000 · running 16s · direct · check sample                 ● 100 ms
     1 Processes 2   2 Classes   3 C7 routing   4 Threads 2   5 Events   6 Findings
     ┌ help ────────────────────────────────────────────────────────────────────────────────┐
    C│ 1 … 6, Tab, h l, ← → tabs: processes, classes, C7 routing, threads, events, findings │
    C│ j k, ↓ ↑, wheel      move the selection, or scroll this; PgUp PgDn by ten            │
    C│ g G, Home End        first row, last row                                             │
    C│ Enter, click twice   open the selected process, class or finding's process           │
    m│ Esc                  close, clear the filter, back to the processes                  │
    ─│ /                    filter this tab's rows by text, pid or label                    │─
    n│ s, i                 sort by the next column, invert the order                       │
    a│ c                    rates per second or totals since the start                      │
    f│ e                    show or hide ended processes; crashes stay                      │
    F│ p, Space             pause the picture; data is still collected                      │
     │ + -                  shorter or longer interval                                      │
     │ d                    compare the process's last minute with the one before           │
     │ o                    what the program printed (with run)                             │
    a│ t                    theme: dark, light, mono                                        │█
    a│ Ctrl-L, Ctrl-Z       draw everything anew, suspend                                   │█
    f│ q, Ctrl-C            quit                                                            │█
    f│ FAST %               share of allocations and frees that no slow path took           │█
     │ LIST DEPTH           free blocks on the threads' lists, against what they may hold   │
     │ P50 P99              of timed slow paths, last 10 s; faint: since the start          │
     └──────────────────────────────────────────────────────────────────────────────────────┘
     q quit  ? help  j k class  c rates/totals  d diff  Enter C7  p pause  + - interval
    ");
}

#[test]
fn the_output_is_shown_over_the_lower_half() {
    let mut model = sample::model();
    let mut program = Program { command: "redis-server".into(), pid: 4000, ..Program::default() };
    program.output.push(b"first\n\x1b[1msecond\x1b[0m\n");
    model.program = Some(program);
    let mut state = state(Tab::Classes);
    state.apply(Action::Output, &model);
    insta::assert_snapshot!(drawn(60, 12, &model, &state), @r"
     hakmem  redis-server 4000 · running 16s · direct… ● 100 ms
     1   2 Classes   3   4   5   6
     alloc 2.26M/s  free 2.03M/s  fast 97.9 %  slow 90.4k/s
    CLASS ALLOC/S  FREE/S FAST % SLOW/S     LIVE     P50     P99
    C0      15.0k   13.5k   97.9    600 15.8 MiB  288 ns 4.61 µs
    C3       748k    673k   97.9  29.9k  789 MiB  288 ns 4.61 µs
    C7      1.50M   1.35M   97.9  59.9k 1.54 GiB  288 ns 4.61 µs
    ┌ output ──────────────────────────────────────────────────┐
    │first                                                     │
    │second                                                    │
    └──────────────────────────────────────────────────────────┘
     q quit  ? help  o output  j k class  c rates/totals  d diff
    ");
}

#[test]
fn a_question_is_asked_before_a_running_program_is_ended() {
    let mut model = sample::model();
    model.program = Some(Program { command: "sleep 100".into(), pid: 4000, ..Program::default() });
    let mut state = state(Tab::Classes);
    state.asks_before_quit = true;
    state.apply(Action::Quit, &model);
    let screen = drawn(80, 20, &model, &state);
    assert!(screen.contains("the program still runs"), "{screen}");
}

#[test]
fn no_size_and_no_state_is_too_small_to_draw() {
    let mut full = sample::model();
    full.events.merge(events());
    full.program = Some(Program { command: "x".into(), pid: 4000, ..Program::default() });
    let models = [Model::new("nothing yet"), full];
    for model in &models {
        for tab in Tab::ALL {
            for action in [None, Some(Action::Help), Some(Action::Output), Some(Action::Quit)] {
                let mut state = state(tab);
                state.asks_before_quit = true;
                if let Some(action) = action {
                    state.apply(action, model);
                }
                for width in [1, 2, 12, 40, 61, 99, 100, 200] {
                    for height in [1, 2, 3, 4, 5, 10, 24, 60] {
                        drawn(width, height, model, &state);
                    }
                }
            }
        }
    }
}

#[test]
fn colours_say_what_is_slow_and_what_is_lost() {
    let mut model = sample::model();
    model.connection = Connection::Lost { reason: "gone".into(), attempts: 1 };
    let state = ViewState::new(Tab::Classes, 100, ThemeName::Dark);
    let mut terminal = Terminal::new(TestBackend::new(100, 12)).unwrap();
    terminal.draw(|frame| draw(frame, &model, &state)).unwrap();
    let buffer = terminal.backend().buffer();
    let last = (0..100).rev().find(|x| buffer[(*x, 0)].symbol() == "e").unwrap();
    assert_eq!(Some(buffer[(last, 0)].fg), state.theme.bad.fg);
}

#[test]
fn headered_routings_name_their_push_and_their_sizes() {
    let mut process = sample::process(4000, "redis-server", 17.0, 1e6);
    let identity = process.identity.as_mut().unwrap();
    (identity.routing, identity.push) = ("hybrid".into(), "boxed".into());
    let bins = [("C1", 16, 1), ("C2", 32, 1), ("C3", 64, 1), ("C6", 512, 1), ("C7", 1024, 0)];
    let bins = bins.map(|(class, stride_bytes, header_bytes)| proto::Bin {
        class: class.into(),
        stride_bytes,
        header_bytes,
        ..Default::default()
    });
    identity.bins = bins.into();
    process.classes.remove(0);
    process.classes[1].outcomes[0].outcome = "headerless".into();
    let mut model = Model::new("/run/agent.sock");
    model.merge(Stream::Detail, sample::update(17.0, vec![process]));
    insta::assert_snapshot!(drawn(110, 18, &model, &state(Tab::Classes)), @r"
     hakmem  redis-server 4000 · running 17s · hybrid boxed · check sample                               ● 100 ms
     1 Processes 1   2 Classes   3 C7 routing   4 Threads 2   5 Events   6 Findings
     alloc 0/s  free 0/s  fast –  slow 0/s  live 5.00 MiB  threads 2  slabs 8.00 MiB  cached 2.00 MiB
    CLASS BYTES    ALLOC/S  FREE/S FAST % SLOW/S  BY REASON           LIST DEPTH              LIVE     P50     P99
    C3    32–63          0       0      –      0                      ██▋···· 96/256       830 MiB  287 ns 4.61 µs
    C7    512–1024       0       0      –      0                      ██▋···· 96/256      1.62 GiB  287 ns 4.61 µs
    mid   > 1 KiB        0       0      –      0                      ██▋···· 96/256      1.66 MiB  287 ns 4.61 µs
    ─ C7 routing hybrid boxed push ───────────────────────  ─ slow paths of C7  512–1024 bytes ───────────────────
    header, but the registry for 1024-aligned pointers:
    every C7 is one, and freed slowly
    allocations        0/s ·············· no calls now
    frees              0/s ·············· no calls now





     q quit  ? help  j k class  c rates/totals  d diff  Enter C7  p pause  + - interval  t theme
    ");
}

mod absence;
mod findings;
