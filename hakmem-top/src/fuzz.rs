//! The body of the fuzz target `updates`, which `cargo test` runs too.
//!
//! An input is a byte that chooses the size of the screen and a sequence of steps: [`frames`] whose
//! first bytes choose an item of [`STEPS`].

use hakmem_agent::text::is_unsafe;
use hakmem_proto::{frames, v1 as proto};
use prost::Message;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use tokio::sync::watch;

use crate::model::{Measure, Model, Stream};
use crate::screen::session::Session;
use crate::screen::view;
use crate::screen::view_state::{Action, INTERVAL_MS_DEFAULT, Tab, ThemeName, ViewState};
use crate::source::event::{Event, FeedEvent};
use crate::source::feed::Wish;

/// Number of steps of one input that are taken.
const STEPS_MAX: usize = 64;
/// Sizes of the screen, of which the first byte of an input chooses one.
const SIZES: [(u16, u16); 4] = [(100, 24), (40, 10), (200, 60), (12, 3)];

/// The kinds of steps, by the byte that chooses them.
pub const STEPS: [&str; 8] = [
    "overview begins",
    "overview",
    "detail",
    "events begin",
    "events",
    "findings begin",
    "findings",
    "action",
];

/// Feeds the messages in `input` to a session, as an agent that may be any program, and draws every
/// tab. The screen must show nothing that controls the terminal. Returns the number of processes,
/// events and findings that the session then knows.
pub fn show(input: &[u8]) -> usize {
    let Some((&first, steps)) = input.split_first() else { return 0 };
    let state = ViewState::new(Tab::Processes, INTERVAL_MS_DEFAULT, ThemeName::Dark);
    let (wish, _wishes) = watch::channel(Wish::default());
    let mut session = Session::new(Model::new("memory"), state, wish, None);
    for (step, message) in frames::read(&STEPS, steps).take(STEPS_MAX) {
        if take(&mut session, step, message).is_err() {
            break;
        }
        session.state.settle_focus(&session.model);
    }
    check_flows(&session.model);
    let size = SIZES[usize::from(first) % SIZES.len()];
    for tab in Tab::ALL {
        session.state.tab = tab;
        check_screen(size, &session.model, &session.state);
    }
    let model = &session.model;
    let findings = model.findings.ordered().len();
    model.processes.len() + model.events.newest_first().count() + findings
}

/// Takes one step; an error if the message does not decode.
fn take(session: &mut Session, step: &str, message: &[u8]) -> Result<(), prost::DecodeError> {
    let event = match step {
        "overview begins" => FeedEvent::OverviewBegin,
        "overview" => FeedEvent::Update(Stream::Overview, decode(message)?),
        "detail" => FeedEvent::Update(Stream::Detail, decode(message)?),
        "events begin" => {
            FeedEvent::EventsBegin { key: String::from_utf8_lossy(message).into_owned() }
        }
        "events" => FeedEvent::Events(decode(message)?),
        "findings begin" => FeedEvent::FindingsBegin,
        "findings" => FeedEvent::Findings(decode::<proto::WatchFindingsResponse>(message)?),
        _ => {
            for &byte in message {
                session.state.apply(action(byte), &session.model);
            }
            return Ok(());
        }
    };
    session.take_in(Event::Feed(event));
    Ok(())
}

fn decode<T: Message + Default>(message: &[u8]) -> Result<Box<T>, prost::DecodeError> {
    T::decode(message).map(Box::new)
}

fn action(byte: u8) -> Action {
    match byte % 16 {
        0 => Action::TabStep(true),
        1 => Action::Move(1),
        2 => Action::First,
        3 => Action::Last,
        4 => Action::Open,
        5 => Action::Back,
        6 => Action::Help,
        7 => Action::FilterBegin,
        8 => Action::FilterPush(char::from(byte)),
        9 => Action::SortNext,
        10 => Action::SortInvert,
        11 => Action::ThemeNext,
        12 => Action::Measure,
        13 => Action::Ended,
        14 => Action::Row(usize::from(byte)),
        _ => Action::ScrollTo(usize::from(byte)),
    }
}

/// Checks that no flow is negative or not a number, whatever the counters did.
fn check_flows(model: &Model) {
    let is_flow = |flow: f64| flow >= 0.0 && flow.is_finite();
    for process in model.processes.values() {
        for measure in [Measure::Rate, Measure::Total] {
            let totals = process.totals_flow(measure);
            assert!(totals.is_none_or(|it| is_flow(it.operations()) && is_flow(it.slow)));
            for (name, _) in process.classes() {
                let Some(flow) = process.class_flow(name, measure) else { continue };
                assert!(is_flow(flow.operations()) && is_flow(flow.slow()), "{flow:?}");
                assert!(flow.slow_reasons().iter().all(|(_, it)| is_flow(*it)), "{flow:?}");
            }
            for thread in process.threads() {
                let Some(flow) = process.thread_flow(thread.slot, measure) else { continue };
                assert!(is_flow(flow.allocations) && is_flow(flow.slow), "{flow:?}");
            }
        }
    }
}

fn check_screen((width, height): (u16, u16), model: &Model, state: &ViewState) {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("it needs nothing");
    let drawn = terminal.draw(|frame| view::draw(frame, model, state)).expect("it is in memory");
    for cell in &drawn.buffer.content {
        assert!(!cell.symbol().contains(is_unsafe), "{:?} rules the terminal", cell.symbol());
    }
}

#[cfg(test)]
mod tests;
