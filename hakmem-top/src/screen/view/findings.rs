//! Findings: paths that became slower, and the commands that show more about them.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use hakmem_proto::v1 as proto;

use super::table::{self, Column, Table};
use super::{Areas, empty};
use crate::model::{Model, Process, is_ongoing, seconds};
use crate::screen::view_state::{Theme, ViewState};
use crate::words::paragraph::{self, plain};
use crate::words::quantity;

const COLUMNS: [Column; 7] = [
    Column::right("SINCE", 8, 0),
    Column::right("LASTED", 8, 2),
    Column::right("PID", 7, 3),
    Column::left("PROGRAM", 14, 0).grows(),
    Column::left("CAUSE", 13, 1),
    Column::left("WHERE", 22, 0),
    Column::right("NS PER OPERATION", 16, 0),
];

/// Draws the tab.
pub(super) fn draw(frame: &mut Frame, areas: &Areas, model: &Model, state: &ViewState) {
    let theme = &state.theme;
    frame.render_widget(strip(model, theme), areas.strip);
    let findings = state.findings(model);
    if findings.is_empty() {
        draw_nothing(frame, areas, model, state);
        return;
    }
    let height = usize::from(areas.rows.height);
    let selected = state.selected_row(model);
    let first = table::first_row(selected, findings.len(), height);
    let shown = findings.iter().skip(first).take(height);
    let table = Table {
        columns: &COLUMNS,
        rows: shown.map(|finding| cells(finding, model, theme)).collect(),
        selected: Some(selected),
        position: (first, findings.len()),
        sorted: None,
    };
    table::draw(frame, areas, table, theme);
    if let Some(finding) = findings.get(selected) {
        draw_selected(frame, areas.panels, finding, theme);
    }
}

/// The number of ongoing findings, and of dropped ones.
fn strip(model: &Model, theme: &Theme) -> Line<'static> {
    let (ongoing, missing) = (model.findings.ongoing(), model.findings.missing());
    let style = if ongoing > 0 { theme.bad } else { theme.dim };
    let mut spans = vec![Span::styled(format!(" {ongoing} ongoing"), style)];
    if missing > 0 {
        spans.push(Span::styled(format!(" · {missing} lost"), theme.bad));
    }
    let meaning = " · paths that became slower than in their own past or their baseline";
    spans.push(Span::styled(meaning, theme.dim));
    Line::from(spans)
}

fn draw_nothing(frame: &mut Frame, areas: &Areas, model: &Model, state: &ViewState) {
    let theme = &state.theme;
    let otherwise = if model.findings.is_watched() {
        "nothing found: no path became slower"
    } else {
        "this agent does not look for regressions; compare two windows with hakmem-top diff"
    };
    let why = empty::why_no_row("finding", otherwise, state);
    empty::draw_no_row(frame, areas.heading, &why, theme);
}

fn cells(finding: &proto::Finding, model: &Model, theme: &Theme) -> Vec<Line<'static>> {
    let now = model.now();
    let at = |at: &Option<prost_types::Timestamp>| at.as_ref().map(seconds);
    let since = at(&finding.since).unwrap_or(now);
    let lasted = match at(&finding.until) {
        Some(until) => quantity::span_seconds((until - since).max(0.0) as u64),
        None => "ongoing".into(),
    };
    let style = if is_ongoing(finding) { theme.bad } else { theme.dim };
    let told = match finding.program.as_str() {
        "" => finding.executable.rsplit('/').next().unwrap_or_default(),
        known => known,
    };
    // If the agent does not send the name, the model may know the process.
    let program = model.processes.get(&finding.process_key).map_or(told, Process::name);
    let places = [&finding.class, &finding.direction, &finding.reason];
    let places: Vec<&str> =
        places.into_iter().map(String::as_str).filter(|it| !it.is_empty()).collect();
    let cost = [finding.before_ns_per_op, finding.after_ns_per_op].map(quantity::cost_ns);
    vec![
        Line::styled(quantity::span_seconds((now - since).max(0.0) as u64), theme.dim),
        Line::styled(lasted, style),
        Line::styled(finding.pid.to_string(), theme.dim),
        Line::styled(plain(program), theme.text),
        Line::styled(plain(&finding.cause.replace('_', " ")), style),
        Line::styled(plain(&places.join(" ")), theme.text),
        Line::styled(cost.join(" → "), theme.text),
    ]
}

/// The summary and the command of the selected finding.
fn draw_selected(frame: &mut Frame, area: Rect, finding: &proto::Finding, theme: &Theme) {
    let width = usize::from(area.width).saturating_sub(1).max(20);
    let told = paragraph::wrap(&plain(&finding.summary), " ", width);
    let mut lines = vec![Line::raw("")];
    lines.extend(told.lines().map(|line| Line::styled(line.to_owned(), theme.text)));
    if !finding.command.is_empty() {
        lines.push(Line::styled(" to see why:", theme.dim));
        let command = paragraph::wrap(&plain(&finding.command), "   ", width);
        lines.extend(command.lines().map(|line| Line::styled(line.to_owned(), theme.accent)));
    }
    frame.render_widget(ratatui::widgets::Paragraph::new(lines), area);
}
