//! Events, newest first, and the number of lost ones.

use ratatui::Frame;
use ratatui::text::{Line, Span};

use hakmem_proto::v1 as proto;
use hakmem_segment::{Class, EventKind};

use super::line::harmless;
use super::table::{self, Column, Table};
use super::{Areas, empty};
use crate::model::{Model, Process, seconds};
use crate::screen::view_state::{Theme, ViewState};
use crate::words::{explanation, quantity};

const COLUMNS: [Column; 8] = [
    Column::right("AGO", 8, 0),
    Column::right("TID", 7, 4),
    Column::left("EVENT", 15, 0),
    Column::left("CLASS", 5, 1),
    Column::left("DETAIL", 16, 2).grows(),
    Column::right("TOOK", 8, 3),
    Column::right("VALUE", 10, 5),
    Column::left("ADDRESS", 14, 6),
];

/// Draws the tab.
pub(super) fn draw(
    frame: &mut Frame,
    areas: &Areas,
    model: &Model,
    process: &Process,
    state: &ViewState,
) {
    let theme = &state.theme;
    frame.render_widget(missing(model, process, theme), areas.strip);
    let now = process.started_at() + process.age_seconds();
    let events: Vec<&proto::Event> = state.events(model).collect();
    if events.is_empty() {
        let why = empty::why_no_row("event", "no event is on record", state);
        empty::draw_no_row(frame, areas.heading, &why, theme);
        return;
    }
    let height = usize::from(areas.rows.height);
    let selected = state.selected_row(model);
    let first = table::first_row(selected, events.len(), height);
    let shown = events.iter().skip(first).take(height);
    let table = Table {
        columns: &COLUMNS,
        rows: shown.map(|event| cells(event, now, theme)).collect(),
        selected: Some(selected),
        position: (first, events.len()),
        sorted: None,
    };
    table::draw(frame, areas, table, theme);
}

/// The lost events of a process: since its start, as far as the agent knows, or since they are
/// watched.
pub(super) fn lost(model: &Model, process: &Process) -> u64 {
    model.events.missing().max(process.loss.lost_events)
}

/// The losses, above the events.
fn missing(model: &Model, process: &Process, theme: &Theme) -> Line<'static> {
    let lost = lost(model, process);
    let suppressed = process.loss.suppressed_events;
    let lost_style = if lost > 0 { theme.bad } else { theme.dim };
    Line::from(vec![
        Span::styled(format!(" {} lost", quantity::count(lost)), lost_style),
        Span::styled(" · ", theme.faint),
        Span::styled(format!("{} suppressed", quantity::count(suppressed)), theme.dim),
        Span::styled(" to bound their rate · counters count everything", theme.dim),
    ])
}

fn cells(event: &proto::Event, now: f64, theme: &Theme) -> Vec<Line<'static>> {
    let ago = quantity::ago_seconds(now - event.at.as_ref().map_or(now, seconds));
    let style = match event.known_kind() {
        Some(EventKind::Anomaly | EventKind::CheckFinding | EventKind::OutOfMemory) => theme.bad,
        Some(EventKind::SlowAllocation | EventKind::SlowFree) => theme.text,
        _ => theme.accent_bar(),
    };
    let detail = match event.claimed_class.as_str() {
        "" => event.detail.clone(),
        claimed => format!("claims {claimed}: {}", event.detail),
    };
    vec![
        Line::styled(ago, theme.dim),
        Line::styled(event.thread_id.to_string(), theme.dim),
        Line::styled(harmless(&event.kind), style),
        Line::styled(class(event).to_owned(), theme.text),
        Line::styled(harmless(&detail), theme.text),
        match event.duration_ns {
            0 => Line::styled("–", theme.faint),
            some => Line::styled(quantity::duration_ns(some), theme.text),
        },
        Line::styled(value(event), theme.dim),
        match event.address {
            0 => Line::raw(""),
            some => Line::styled(format!("{some:#x}"), theme.dim),
        },
    ]
}

/// The class of the event, or an empty string if it concerns none.
fn class(event: &proto::Event) -> &str {
    if event.class == Class::None.name() { "" } else { &event.class }
}

/// The value in the unit of the event's kind.
fn value(event: &proto::Event) -> String {
    match event.known_kind() {
        Some(EventKind::ThreadStart | EventKind::ThreadExit | EventKind::RoutingChosen) => {
            String::new()
        }
        _ if explanation::is_of_header(&event.detail) => format!("{:#04x}", event.value as u8),
        _ if event.value == 0 => String::new(),
        Some(
            EventKind::OutOfMemory
            | EventKind::SlabMapped
            | EventKind::LargeMapped
            | EventKind::LargeUnmapped
            | EventKind::SlabReturned,
        ) => quantity::bytes(i64::try_from(event.value).unwrap_or(i64::MAX)),
        _ => quantity::count(event.value),
    }
}
