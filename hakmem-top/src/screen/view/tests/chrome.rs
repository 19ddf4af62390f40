//! Tests of the title, of the connection it tells of, and of the notice.

use super::*;

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
fn a_bad_end_is_announced_on_every_tab_and_counted_in_the_title() {
    let mut model = sample::model();
    let mut ended = sample::strip(&sample::process(4100, "python3", 17.0, 1.0));
    (ended.state, ended.end_signal) = ("crashed".into(), Some(11));
    model.merge(Stream::Overview, sample::update(17.0, vec![ended]));
    for tab in Tab::ALL {
        let screen = drawn(80, 10, &model, &state(tab));
        assert!(screen.contains(" ✗ python3 4100 crashed by SIGSEGV 0s ago"), "{screen}");
    }
    model.watched_for = std::time::Duration::from_secs(100);
    let mut view = state(Tab::Processes);
    view.apply(Action::Ended, &model);
    let screen = drawn(80, 10, &model, &view);
    assert!(screen.contains("1 running · 1 crashed or killed"), "{screen}");
    assert!(!screen.contains('✗') && screen.contains(" crashed "), "{screen}");
}
