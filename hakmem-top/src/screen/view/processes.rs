//! The overview: one row per process.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::figure::{fast_share, state_style};
use super::line::harmless;
use super::table::{self, Column, Table};
use super::{Areas, classes, empty, is_lossy};
use crate::model::{Measure, Model, Process};
use crate::screen::view_state::{SortColumn, Theme, ViewState};
use crate::words::quantity;

const COLUMNS: [Column; 13] = [
    Column::right("PID", 7, 0),
    Column::left("PROGRAM", 14, 0).grows(),
    Column::left("STATE", 9, 2),
    Column::right("UP", 6, 6),
    Column::left("ROUTING", 8, 8),
    Column::right("THR", 4, 5),
    Column::right("ALLOC/S", 8, 0),
    Column::right("FREE/S", 8, 3),
    Column::right("FAST %", 6, 1),
    Column::right("SLOW/S", 7, 2),
    Column::right("LIVE", 9, 4),
    Column::right("BLOCKS", 7, 9),
    Column::right("ANOMALIES", 9, 7),
];

/// Draws the table.
pub(super) fn draw(frame: &mut Frame, areas: &Areas, model: &Model, state: &ViewState) {
    let processes = state.processes(model);
    if processes.is_empty() {
        empty::draw_no_process(frame, areas.body, model, state);
        return;
    }
    let selected = state.selected_row(model);
    let height = usize::from(areas.rows.height);
    let first = table::first_row(selected, processes.len(), height);
    let shown = processes.iter().skip(first).take(height);
    let table = Table {
        columns: &COLUMNS,
        rows: shown.map(|process| cells(process, state)).collect(),
        selected: state.is_focus_listed(model).then_some(selected),
        position: (first, processes.len()),
        sorted: Some((sorted_column(state.sort), state.inverted)),
    };
    table::draw(frame, areas, table, &state.theme);
    if let Some(process) = state.focused(model).filter(|_| areas.panels.height > 0) {
        classes::draw_preview(frame, areas.panels, process, state);
    } else if let Some(focus) = &state.focus {
        let area = Rect { height: areas.panels.height.min(1), ..areas.panels };
        empty::draw_no_row(frame, area, &empty::gone(focus), &state.theme);
    }
}

fn sorted_column(sort: SortColumn) -> usize {
    match sort {
        SortColumn::Pid => 0,
        SortColumn::Name => 1,
        SortColumn::Threads => 5,
        SortColumn::Allocations => 6,
        SortColumn::Frees => 7,
        SortColumn::Slow => 9,
        SortColumn::LiveBytes => 10,
    }
}

fn cells<'a>(process: &'a Process, state: &ViewState) -> Vec<Line<'a>> {
    let theme = &state.theme;
    let rates = state.measure_of(process) == Measure::Rate;
    let flow = process.totals_flow(state.measure_of(process)).unwrap_or_default();
    // The totals of an ended process must not be mistaken for rates.
    let number = |value: f64| if rates { quantity::rate(value) } else { total(value) };
    let style = if process.is_running() { theme.text } else { theme.dim };
    let anomalies = process.totals.anomalies;
    vec![
        Line::styled(process.identity.pid.to_string(), style),
        program(process, theme),
        Line::styled(process.state.as_str(), state_style(process, theme)),
        match process.is_running() {
            true => Line::styled(quantity::span_seconds(process.age_seconds() as u64), theme.dim),
            // The time of the end is unknown if the process ended before anyone watched.
            false => Line::styled("–", theme.faint),
        },
        Line::styled(process.identity.routing.as_str(), theme.dim),
        Line::styled(process.totals.threads.to_string(), style),
        Line::styled(number(flow.allocations), style),
        Line::styled(number(flow.frees), style),
        fast_share(flow.operations() - flow.slow, flow.operations(), theme),
        Line::styled(number(flow.slow), style),
        Line::styled(quantity::live_bytes(process.totals.live_bytes), style),
        Line::styled(quantity::signed_count(process.totals.live_blocks.max(0)), theme.dim),
        match anomalies {
            0 => Line::styled("0", theme.faint),
            some => Line::styled(quantity::count(some), theme.bad),
        },
    ]
}

/// A total, marked so that it is not mistaken for a rate.
fn total(value: f64) -> String {
    format!("Σ{}", quantity::count(value as u64))
}

/// The program's name in normal weight, its arguments dimmed.
fn program<'a>(process: &'a Process, theme: &Theme) -> Line<'a> {
    let mut line = Line::styled(process.name(), theme.text);
    if is_lossy(process) {
        line.push_span(ratatui::text::Span::styled(" !", theme.bad));
    }
    let labels = process.labels();
    if !labels.is_empty() {
        line.push_span(ratatui::text::Span::styled(format!(" [{labels}]"), theme.accent));
    }
    for argument in process.identity.arguments.iter().skip(1).take(8) {
        line.push_span(ratatui::text::Span::styled(format!(" {}", harmless(argument)), theme.dim));
    }
    line
}
