//! One process: its sums, one row per class, and below them C7's routing and the selected class's
//! slow paths.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};

use hakmem_proto::v1 as proto;
use hakmem_segment::vocabulary::{AllocReason, Class};

use super::bar::bar;
use super::figure::{amount, fast_share};
use super::panel::{draw_rule, side_by_side};
use super::table::{self, Column, Table};
use super::{Areas, charts, empty, routing, slow_paths};
use crate::model::{ClassName, Measure, Model, Process};
use crate::screen::view_state::{Theme, ViewState};
use crate::words::explanation::class_sizes;
use crate::words::quantity;

/// Cells of the depth bar: the most that fit the column into a screen of 80 columns.
const BAR_WIDTH: u16 = 7;
/// Index of the column of reasons.
const REASONS: usize = 6;
/// Least height of a chart; a lower one is not worth showing.
const CHART_ROWS_MIN: u16 = 4;
/// Least width for two panels side by side.
const TWO_PANELS_WIDTH: u16 = 100;

const RATE_COLUMNS: [Column; 11] = [
    Column::left("CLASS", 5, 0),
    Column::left("BYTES", 8, 8),
    Column::right("ALLOC/S", 7, 0),
    Column::right("FREE/S", 7, 3),
    Column::right("FAST %", 6, 1),
    Column::right("SLOW/S", 6, 2),
    Column::left(" BY REASON", 12, 7).grows(),
    Column::left("LIST DEPTH", BAR_WIDTH + 12, 6),
    Column::right("LIVE", 8, 2),
    Column::right("P50", 7, 5),
    Column::right("P99", 7, 4),
];
const TOTAL_COLUMNS: [Column; 11] = {
    let mut columns = RATE_COLUMNS;
    columns[2].title = "ALLOCS";
    columns[3].title = "FREES";
    columns[5].title = "SLOW";
    columns
};

/// Draws the tab.
pub(super) fn draw(
    frame: &mut Frame,
    areas: &Areas,
    model: &Model,
    process: &Process,
    state: &ViewState,
) {
    draw_strip(frame, areas.strip, process, state);
    if process.classes().next().is_none() {
        let why = empty::why_no_details(process, "classes");
        empty::draw_no_row(frame, areas.heading, &why, &state.theme);
        return;
    }
    draw_table(frame, areas, process, state, Some(state.class_row(process)));
    draw_panels(frame, areas.panels, model, process, state);
}

/// Draws a preview of the process: its sums and its classes, without a selection.
pub(super) fn draw_preview(frame: &mut Frame, area: Rect, process: &Process, state: &ViewState) {
    let [rule, strip, heading, rows] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Fill(1),
    ])
    .areas(area);
    let pid = Span::styled(process.identity.pid.to_string(), state.theme.text);
    let mut title = vec![Span::styled(format!("{} ", process.name()), state.theme.accent), pid];
    let labels = process.labels();
    if !labels.is_empty() {
        title.push(Span::styled(format!(" {labels}"), state.theme.accent));
    }
    draw_rule(frame, rule, title, &state.theme);
    draw_strip(frame, strip, process, state);
    let areas = Areas { heading, rows, ..Areas::default() };
    draw_table(frame, &areas, process, state, None);
}

fn draw_table(
    frame: &mut Frame,
    areas: &Areas,
    process: &Process,
    state: &ViewState,
    selected: Option<usize>,
) {
    let measure = state.measure_of(process);
    let columns = if measure == Measure::Rate { &RATE_COLUMNS } else { &TOTAL_COLUMNS };
    let widths = table::widths(columns, areas.heading.width);
    let reasons_width = usize::from(widths[REASONS].unwrap_or(0));
    let rows: Vec<Vec<Line>> = process
        .classes()
        .map(|(name, counters)| {
            cells(process, name, counters, measure, reasons_width, &state.theme)
        })
        .collect();
    let count = rows.len();
    let height = usize::from(areas.rows.height);
    let first = table::first_row(selected.unwrap_or(0), count, height);
    let rows = rows.into_iter().skip(first).collect();
    let table = Table { columns, rows, selected, position: (first, count), sorted: None };
    table::draw(frame, areas, table, &state.theme);
}

/// Draws the panels that fit: two side by side, or C7's alone, and charts below them.
fn draw_panels(frame: &mut Frame, area: Rect, model: &Model, process: &Process, state: &ViewState) {
    let Some(class) = state.selected_class(process).filter(|_| area.height > 0) else { return };
    if area.width < TWO_PANELS_WIDTH {
        routing::draw_panel(frame, area, model, process, state);
        return;
    }
    let wanted = routing::rows_wanted(process).max(slow_paths::rows_wanted(process, &class));
    let left_over = area.height.saturating_sub(wanted);
    let charts = if left_over >= CHART_ROWS_MIN { left_over } else { 0 };
    let [panels, charts] =
        Layout::vertical([Constraint::Fill(1), Constraint::Length(charts)]).areas(area);
    let [left, right] = side_by_side(panels);
    routing::draw_panel(frame, left, model, process, state);
    slow_paths::draw(frame, right, process, &class, state);
    if charts.height > 0 {
        let [left, right] = side_by_side(charts);
        charts::draw(frame, left, process, &class, charts::Path::Fast, &state.theme);
        charts::draw(frame, right, process, &class, charts::Path::Slow, &state.theme);
    }
}

/// Draws the sums of the process: its flow, and the memory that belongs to no class.
fn draw_strip(frame: &mut Frame, area: Rect, process: &Process, state: &ViewState) {
    let theme = &state.theme;
    let measure = state.measure_of(process);
    let flow = process.totals_flow(measure).unwrap_or_default();
    let number = |value: f64| amount(value, measure);
    let unit = if measure == Measure::Rate { "/s" } else { "" };
    let memory = &process.memory;
    let bytes = |value: u64| quantity::bytes(i64::try_from(value).unwrap_or(i64::MAX));
    let mut line = Line::raw(" ");
    let mut add = |label: &'static str, value: String, style| {
        line.push_span(Span::styled(format!("{label} "), theme.dim));
        line.push_span(Span::styled(format!("{value}  "), style));
    };
    let loss = &process.loss;
    if loss.unpublished_threads_total > 0 {
        let threads = loss.unpublished_threads_total;
        add("NOT COUNTED", format!("{threads} threads without a slot"), theme.bad);
    }
    if loss.torn {
        add("TORN", "killed within a slow path".into(), theme.bad);
    }
    if process.totals.anomalies > 0 {
        add("ANOMALIES", quantity::count(process.totals.anomalies), theme.bad);
    }
    add("alloc", format!("{}{unit}", number(flow.allocations)), theme.text);
    add("free", format!("{}{unit}", number(flow.frees)), theme.text);
    let fast = flow.operations() - flow.slow;
    let share = fast_share(fast, flow.operations(), theme);
    let style = share.style;
    let percent = if flow.operations() > 0.0 { format!("{share} %") } else { share.to_string() };
    add("fast", percent, style);
    add("slow", format!("{}{unit}", number(flow.slow)), theme.text);
    add("live", quantity::live_bytes(process.totals.live_bytes), theme.text);
    add("threads", process.totals.threads.to_string(), theme.text);
    add("slabs", bytes(memory.slab_bytes), theme.text);
    add("cached", bytes(memory.slab_cached_bytes), theme.text);
    add("large", bytes(memory.large_bytes), theme.text);
    add("returned", bytes(memory.slab_returned_bytes), theme.text);
    frame.render_widget(fitting(line, area.width), area);
}

/// Drops the pairs of label and value that do not fit: half a number would be a wrong number.
fn fitting(mut line: Line<'_>, width: u16) -> Line<'_> {
    while line.width() > usize::from(width) + 2 && line.spans.len() > 3 {
        let pairs = line.spans.len() - 2;
        line.spans.truncate(pairs);
    }
    line
}

fn cells<'a>(
    process: &Process,
    name: &'a ClassName,
    counters: &proto::ClassCounters,
    measure: Measure,
    reasons_width: usize,
    theme: &Theme,
) -> Vec<Line<'a>> {
    let flow = process.class_flow(name, measure).unwrap_or_default();
    let name_style = if name.as_str() == Class::C7.name() { theme.accent } else { theme.text };
    let number = |value: f64| {
        let style = if value > 0.0 { theme.text } else { theme.faint };
        Line::styled(amount(value, measure), style)
    };
    let lifetime = counters.slow_durations.as_ref();
    // Without recent samples, the quantiles since the start, dimmed.
    let quantile = |recent: u64, ever: u64| match recent {
        0 => Line::styled(quantity::duration_ns(ever), theme.faint),
        some => Line::styled(quantity::duration_ns(some), theme.text),
    };
    vec![
        Line::styled(name.as_str(), name_style),
        Line::styled(class_sizes(&process.identity, name.as_str()), theme.dim),
        number(flow.allocations),
        number(flow.frees),
        match Class::from_name(name.as_str()) {
            // Spans have no fast path that a call could miss.
            Some(Class::Large) => {
                Line::styled(quantity::percent(flow.fast(), flow.operations()), theme.dim)
            }
            _ => fast_share(flow.fast(), flow.operations(), theme),
        },
        number(flow.slow()),
        reasons(&flow.slow_reasons(), measure, reasons_width, theme),
        depth(counters, theme),
        Line::styled(quantity::live_bytes(counters.live_bytes), theme.text),
        quantile(flow.p50_ns, lifetime.map_or(0, |it| it.p50_ns)),
        quantile(flow.p99_ns, lifetime.map_or(0, |it| it.p99_ns)),
    ]
}

/// Reasons with their flow, most frequent first, as many as fit completely; reasons without flow
/// are left out.
fn reasons(flows: &[(&str, f64)], measure: Measure, width: usize, theme: &Theme) -> Line<'static> {
    let mut line = Line::default();
    let flowing = flows.iter().filter(|(_, flow)| *flow > 0.0);
    let mut left_out = flowing.clone().count();
    for (reason, flow) in flowing {
        let amount = amount(*flow, measure);
        let gap = if line.spans.is_empty() { " " } else { "  " };
        // Room for the mark of further reasons, unless this is the last one.
        let mark = if left_out > 1 { "  +9".len() } else { 0 };
        let needed = gap.len() + reason.len() + 1 + amount.len() + mark;
        if line.width() + needed > width && !line.spans.is_empty() {
            line.push_span(Span::styled(format!("  +{left_out}"), theme.dim));
            break;
        }
        left_out -= 1;
        let style = if *reason == AllocReason::OutOfMemory.name() { theme.bad } else { theme.dim };
        line.push_span(Span::styled(format!("{gap}{reason} "), style));
        line.push_span(Span::styled(amount, theme.warn));
    }
    line
}

/// The fill level of the threads' lists: a bar, and the two numbers.
fn depth(counters: &proto::ClassCounters, theme: &Theme) -> Line<'static> {
    let (depth, capacity) = (counters.depth_blocks, counters.capacity_blocks);
    if capacity == 0 && depth == 0 {
        return Line::raw("");
    }
    let share = if capacity == 0 { 1.0 } else { depth as f64 / capacity as f64 };
    let mut spans = bar(share, BAR_WIDTH, theme.accent_bar(), theme.faint);
    spans.push(Span::styled(format!(" {}", quantity::count(depth)), theme.text));
    if capacity > 0 {
        spans.push(Span::styled(format!("/{}", quantity::count(capacity)), theme.dim));
    }
    Line::from(spans)
}
