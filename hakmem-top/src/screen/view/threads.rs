//! Threads: the activity of each, and the fill levels of its lists.

use ratatui::Frame;
use ratatui::text::{Line, Span};

use hakmem_proto::v1 as proto;
use hakmem_segment::vocabulary::Class;

use super::bar::level;
use super::figure::{amount, fast_share};
use super::line::harmless;
use super::table::{self, Column, Table};
use super::{Areas, empty};
use crate::model::{Measure, Process};
use crate::screen::view_state::{Tab, Theme, ViewState};
use crate::words::quantity;

/// Classes that have lists.
const LISTED: [&str; 9] = {
    let mut names = [""; 9];
    let mut index = 0;
    while index < names.len() {
        names[index] = Class::ALL[index].name();
        index += 1;
    }
    names
};
/// Number of columns before those of the classes.
const FIXED: usize = 6;

const COLUMNS: [Column; FIXED + LISTED.len()] = {
    let mut columns = [
        Column::right("TID", 7, 0),
        Column::left("THREAD", 10, 0).grows(),
        Column::right("ALLOC/S", 7, 0),
        Column::right("FREE/S", 7, 1),
        Column::right("FAST %", 6, 2),
        Column::right("SLOW/S", 6, 3),
        Column::right("", 6, 0),
        Column::right("", 6, 0),
        Column::right("", 6, 0),
        Column::right("", 6, 0),
        Column::right("", 6, 0),
        Column::right("", 6, 0),
        Column::right("", 6, 0),
        Column::right("", 6, 0),
        Column::right("", 6, 0),
    ];
    let mut index = 0;
    while index < LISTED.len() {
        columns[FIXED + index].title = LISTED[index];
        // C7 stays longest; the smallest classes are dropped first.
        columns[FIXED + index].rank =
            if index == Class::C7 as usize { 4 } else { 14 - index as u8 };
        index += 1;
    }
    columns
};

/// Draws the tab.
pub(super) fn draw(frame: &mut Frame, areas: &Areas, process: &Process, state: &ViewState) {
    let theme = &state.theme;
    let threads = state.threads(process);
    let alive = threads.iter().filter(|it| it.thread_id != 0).count();
    let mut said = Line::from(vec![
        Span::styled(format!(" {alive} alive in {} slots", threads.len()), theme.text),
        Span::styled(
            " · a slot's counts continue when its thread ends and another takes it",
            theme.dim,
        ),
    ]);
    if process.loss.unpublished_threads_total > 0 {
        let lost = process.loss.unpublished_threads_total;
        said = Line::styled(format!(" {lost} threads ran without a slot: NOT COUNTED"), theme.bad);
    }
    frame.render_widget(said, areas.strip);
    if threads.is_empty() {
        let otherwise = empty::why_no_details(process, "threads");
        let why = empty::why_no_row("thread", &otherwise, state);
        empty::draw_no_row(frame, areas.heading, &why, theme);
        return;
    }
    let height = usize::from(areas.rows.height);
    let selected = state.rows[Tab::Threads as usize].min(threads.len().max(1) - 1);
    let first = table::first_row(selected, threads.len(), height);
    let shown = threads.iter().skip(first).take(height);
    let table = Table {
        columns: &COLUMNS,
        rows: shown.map(|thread| cells(process, thread, state)).collect(),
        selected: Some(selected),
        position: (first, threads.len()),
        sorted: None,
    };
    table::draw(frame, areas, table, theme);
}

fn cells(process: &Process, thread: &proto::Thread, state: &ViewState) -> Vec<Line<'static>> {
    let theme = &state.theme;
    let measure = state.measure_of(process);
    let flow = process.thread_flow(thread.slot, measure).unwrap_or_default();
    let operations = flow.allocations + flow.frees;
    let total = if measure == Measure::Total { "Σ" } else { "" };
    let number = |value: f64| {
        let style = if value > 0.0 { theme.text } else { theme.faint };
        Line::styled(format!("{total}{}", amount(value, measure)), style)
    };
    let mut cells = vec![
        match thread.thread_id {
            // The counts outside of threads have a slot too, with a name in parentheses.
            0 if thread.name.starts_with('(') => Line::styled("–", theme.faint),
            0 => Line::styled("ended", theme.faint),
            id => Line::styled(id.to_string(), theme.text),
        },
        name(thread, theme),
        number(flow.allocations),
        number(flow.frees),
        fast_share(operations - flow.slow, operations, theme),
        number(flow.slow),
    ];
    cells.extend(LISTED.map(|class| depth(thread, class, theme)));
    cells
}

fn name(thread: &proto::Thread, theme: &Theme) -> Line<'static> {
    let style = if thread.thread_id == 0 { theme.dim } else { theme.text };
    let mut line = Line::styled(harmless(&thread.name), style);
    if thread.owners > 1 {
        line.push_span(Span::styled(format!(" ×{}", thread.owners), theme.dim));
    }
    line
}

/// The depth as a number, and as a level relative to the capacity.
fn depth(thread: &proto::Thread, class: &str, theme: &Theme) -> Line<'static> {
    let Some(list) = thread.lists.iter().find(|it| it.class == class) else {
        return Line::raw("");
    };
    if list.depth_blocks == 0 {
        return Line::styled("0 ", theme.faint);
    }
    let share = f64::from(list.depth_blocks) / f64::from(list.capacity_blocks.max(1));
    let style = if share >= 0.95 { theme.warn } else { theme.accent_bar() };
    Line::from(vec![
        Span::styled(quantity::count(u64::from(list.depth_blocks)), theme.text),
        Span::styled(level(share.min(1.0)).to_string(), style),
    ])
}
