//! Tests of the boxes over the body.

use super::*;

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
    F│ p, Space             pause the screen; data is still collected                       │
     │ + -                  shorter or longer interval                                      │
     │ d                    compare the process's last minute with the minute before        │
     │ o                    the program's output (with run)                                 │
    a│ t                    theme: dark, light, mono                                        │█
    a│ Ctrl-L, Ctrl-Z       redraw everything, suspend                                      │█
    f│ q, Ctrl-C            quit                                                            │█
    f│ FAST %               share of allocations and frees on the fast path                 │█
     │ LIST DEPTH           free blocks on the threads' lists, and their capacity           │
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
fn what_is_longer_than_the_screen_scrolls() {
    let model = sample::model();
    let mut view = state(Tab::Classes);
    view.apply(Action::Help, &model);
    let area = Rect::new(0, 0, 80, 10);
    let body = Areas::of(area, &model, &view).body;
    let screen = drawn(80, 10, &model, &view);
    assert!(screen.contains("help · 1 to 5 of 19, j k scroll"), "{screen}");
    assert!(!screen.contains("P50 P99  "), "{screen}");
    let last = scrolled(body, &model, &view, 1000).unwrap();
    view.apply(Action::ScrollTo(last), &model);
    let screen = drawn(80, 10, &model, &view);
    assert!(screen.contains("help · 15 to 19 of 19") && screen.contains("P50 P99  "), "{screen}");
    view.apply(Action::Back, &model);
    assert_eq!((view.help, view.scroll), (false, 0));
}
