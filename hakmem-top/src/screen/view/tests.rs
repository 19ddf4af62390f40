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
fn no_number_and_no_list_of_an_agent_is_too_large_to_draw() {
    let mut model = sample::model();
    let largest = |it: &mut proto::ClassCounters| {
        it.slow_allocations =
            vec![proto::ReasonCount { count: u64::MAX, ..Default::default() }; 70_000];
        it.outcomes = vec![proto::OutcomeCount { count: u64::MAX, ..Default::default() }; 70_000];
        if let Some(durations) = &mut it.slow_durations {
            durations.buckets.iter_mut().for_each(|bucket| bucket.count = u64::MAX);
        }
    };
    let mut process = sample::process(4000, "redis-server", 20.0, 1000.0);
    process.classes.iter_mut().for_each(largest);
    process.totals = Some(proto::Totals {
        allocations: u64::MAX,
        slow_allocations: u64::MAX,
        slow_frees: u64::MAX,
        ..Default::default()
    });
    for thread in &mut process.threads {
        (thread.slow_allocations, thread.slow_frees) = (u64::MAX, u64::MAX);
    }
    model.merge(Stream::Detail, sample::update(20.0, vec![process]));
    let mut news = events();
    (news.lost_events, news.dropped_events) = (u64::MAX, u64::MAX);
    model.events.merge(news);
    for tab in Tab::ALL {
        drawn(160, 40, &model, &state(tab));
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
fn no_text_of_others_rules_the_terminal() {
    let mut model = sample::model();
    let hostile = "a\u{1b}[2Jb\u{202e}c\u{200b}d\u{9b}8m";
    let mut news = events();
    for event in &mut news.events {
        (event.kind, event.detail, event.class) = (hostile.into(), hostile.into(), hostile.into());
    }
    model.events.merge(news);
    let mut process = sample::process(4100, hostile, 20.0, 1000.0);
    process.state = hostile.into();
    process.threads.iter_mut().for_each(|thread| thread.name = hostile.into());
    model.merge(Stream::Overview, sample::update(20.0, vec![process]));
    for tab in [Tab::Processes, Tab::Classes, Tab::Routing, Tab::Threads, Tab::Events] {
        let screen = drawn(160, 40, &model, &state(tab));
        assert!(!screen.contains(|it: char| it != '\n' && is_unsafe(it)), "{screen:?}");
    }
    let shown = drawn(160, 40, &model, &state(Tab::Processes));
    assert!(shown.contains("[2J"), "{shown}");
}

mod absence;
mod chrome;
mod classes;
mod events;
mod findings;
mod overlay;
mod processes;
mod routing;
mod threads;
