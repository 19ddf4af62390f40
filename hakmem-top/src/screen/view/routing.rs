//! C7's routing: the routing in force and its effect, the outcomes of C7's frees, fast and slow by
//! reason, anomalies first, and the recent past.

use std::collections::BTreeMap;

use hakmem_proto::v1 as proto;
use hakmem_segment::vocabulary::{Class, Routing};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use super::bar::{bar, sparkline};
use super::charts;
use super::figure::{amount, fast_share};
use super::line::shortened;
use super::panel::{draw_rule, rows, side_by_side};
use super::slow_paths;
use crate::model::{
    ClassFlow, ClassName, HistoryPoint, Measure, Model, Process, anomalies, seconds,
};
use crate::screen::view_state::{Theme, ViewState};
use crate::words::explanation;
use crate::words::quantity;

/// The class of this tab.
const C7: &str = Class::C7.name();
/// Least width for the slow paths beside the routing.
const TWO_COLUMNS_WIDTH: u16 = 100;
/// Least height below the panel that is worth using.
const ROWS_BELOW_MIN: u16 = 6;
/// Rows for the sparklines and their title.
const HISTORY_ROWS: u16 = 5;

/// Draws the whole tab.
pub(super) fn draw(
    frame: &mut Frame,
    area: Rect,
    model: &Model,
    process: &Process,
    state: &ViewState,
) {
    let wide = area.width >= TWO_COLUMNS_WIDTH;
    let below = area.height.saturating_sub(rows_wanted(process).max(if wide {
        slow_paths::rows_wanted(process, C7)
    } else {
        0
    }));
    let below = if below >= ROWS_BELOW_MIN { below } else { 0 };
    let [top, bottom] =
        Layout::vertical([Constraint::Fill(1), Constraint::Length(below)]).areas(area);
    if !wide {
        draw_panel(frame, top, model, process, state);
        slow_paths::draw(frame, bottom, process, C7, state);
        return;
    }
    let [left, right] = side_by_side(top);
    draw_panel(frame, left, model, process, state);
    slow_paths::draw(frame, right, process, C7, state);
    let [fast, slow] = Layout::vertical([Constraint::Fill(1), Constraint::Fill(1)]).areas(bottom);
    charts::draw(frame, fast, process, C7, charts::Path::Fast, &state.theme);
    charts::draw(frame, slow, process, C7, charts::Path::Slow, &state.theme);
}

/// Rows of the full panel: title, explanation, paths, outcomes, sparklines, and a blank one.
pub(super) fn rows_wanted(process: &Process) -> u16 {
    let outcomes = process.class(C7).map_or(0, |it| it.outcomes.len()).max(1);
    let anomalous = if has_anomalies(process) { 3 } else { 0 };
    1 + 2 + 3 + rows(outcomes) + HISTORY_ROWS + anomalous + 1
}

fn has_anomalies(process: &Process) -> bool {
    process.class(C7).is_some_and(|counters| anomalies(counters) > 0)
}

/// Draws the parts of the panel that fit: explanation, outcomes, sparklines.
pub(super) fn draw_panel(
    frame: &mut Frame,
    area: Rect,
    model: &Model,
    process: &Process,
    state: &ViewState,
) {
    let theme = &state.theme;
    let measure = state.measure_of(process);
    let routing = &process.identity.routing;
    let flow = process.class_flow(&ClassName::new(C7), measure).unwrap_or_default();
    let mut title = vec![Span::styled("C7 routing ", theme.accent)];
    title.push(Span::styled(routing.clone(), routing_style(routing, theme)));
    if !process.identity.push.is_empty() {
        title.push(Span::styled(format!(" {} push", process.identity.push), theme.dim));
    }
    draw_rule(frame, Rect { height: area.height.min(1), ..area }, title, theme);
    let inner = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    let explanation = explanation::routing(routing);
    let width = usize::from(inner.width.max(1));
    let explanation_rows = (explanation.chars().count() / width + 1).min(2) as u16;
    let found = anomaly_lines(model, process, theme);
    let found_rows = rows(found.len());
    // Two lines of paths, a heading, the outcomes.
    let number_rows = 3 + rows(flow.outcomes.len().max(1));
    let history_rows = HISTORY_ROWS + found_rows.min(1);
    let has_history = inner.height >= explanation_rows + found_rows + number_rows + history_rows;
    let [said, found_area, numbers, history, _] = Layout::vertical([
        Constraint::Length(explanation_rows),
        Constraint::Length(found_rows),
        Constraint::Max(number_rows),
        Constraint::Length(if has_history { history_rows } else { 0 }),
        Constraint::Fill(1),
    ])
    .areas(inner);
    let text = Paragraph::new(Line::styled(explanation, theme.dim)).wrap(Wrap { trim: true });
    frame.render_widget(text, said);
    let found: Vec<Line> = found.into_iter().map(|line| shortened(line, width)).collect();
    frame.render_widget(Paragraph::new(found), found_area);
    let has_frees = process.class(C7).is_some_and(|counters| counters.frees > 0);
    draw_outcomes(frame, numbers, (&flow, has_frees), measure, theme);
    if history.height > 0 {
        draw_sparklines(frame, history, process, theme);
    }
}

/// C7's anomalies: their number, the time of the last one, and the classes as which the blocks were
/// freed, as far as the remaining events show them.
fn anomaly_lines(model: &Model, process: &Process, theme: &Theme) -> Vec<Line<'static>> {
    if !has_anomalies(process) {
        return Vec::new();
    }
    let of_c7 = |event: &&proto::Event| {
        event.process_key == process.key
            && event.class == C7
            && explanation::is_anomaly(&event.detail)
    };
    let events: Vec<_> = model.events.newest_first().filter(of_c7).collect();
    let told_at = events.first().and_then(|event| event.at.as_ref()).map(seconds);
    let counted_at = process.history.get(&ClassName::new(C7)).and_then(|it| it.anomaly_seen_at());
    let all = process.class(C7).map_or(0, anomalies);
    let mut text = format!("ANOMALIES {} in all", quantity::count(all));
    if let Some(at) = told_at.into_iter().chain(counted_at).reduce(f64::max) {
        let now = process.started_at() + process.age_seconds();
        text.push_str(&format!(" · last seen {} ago", quantity::ago_seconds(now - at)));
    }
    let mut lines = vec![Line::styled(text, theme.bad)];
    let mut claimed: BTreeMap<&str, u64> = BTreeMap::new();
    for event in events.iter().filter(|event| !event.claimed_class.is_empty()) {
        *claimed.entry(&event.claimed_class).or_default() += 1;
    }
    if !claimed.is_empty() {
        let counts = claimed.iter().map(|(class, count)| format!("{class} ×{count}"));
        let text = format!("  taken for {}", counts.collect::<Vec<_>>().join(", "));
        lines.push(Line::styled(text, theme.bad));
    }
    lines
}

fn routing_style(routing: &str, theme: &Theme) -> Style {
    match explanation::c7_is_fast(routing) {
        Some(true) => theme.good,
        Some(false) if routing == Routing::E3.name() => theme.bad,
        Some(false) | None => theme.warn,
    }
}

fn draw_outcomes(
    frame: &mut Frame,
    area: Rect,
    (flow, has_frees): (&ClassFlow, bool),
    measure: Measure,
    theme: &Theme,
) {
    let unit = if measure == Measure::Rate { "/s" } else { "" };
    let mut lines = vec![
        path_line("allocations", flow.allocations_fast, flow.allocations, measure, theme),
        path_line("frees", flow.frees_fast, flow.frees, measure, theme),
    ];
    if flow.outcomes.is_empty() {
        // Before the second sample there is no flow, whatever the counts.
        let words = if has_frees { "" } else { "no C7 block has been freed yet" };
        lines.push(Line::styled(words, theme.faint));
    } else {
        lines.push(Line::styled(
            format!("FREES RECOGNISED BY   {:>9}{:>9}{:>9}", format!("ALL{unit}"), "FAST", "SLOW"),
            theme.heading,
        ));
    }
    for it in &flow.outcomes {
        let style = if explanation::is_anomaly(&it.outcome) { theme.bad } else { theme.text };
        let slow = (it.all - it.fast).max(0.0);
        let mut line = Line::from(vec![
            Span::styled(format!("  {:<20}", it.outcome), style),
            Span::styled(format!("{:>9}", amount(it.all, measure)), style),
            Span::styled(format!("{:>9}", amount(it.fast, measure)), theme.good),
            Span::styled(
                format!("{:>9}", amount(slow, measure)),
                if slow > 0.0 { theme.warn } else { theme.faint },
            ),
        ]);
        let meaning = format!("  {}", explanation::outcome(&it.outcome));
        if line.width() + meaning.chars().count() <= usize::from(area.width) {
            line.push_span(Span::styled(meaning, theme.dim));
        }
        lines.push(shortened(line, usize::from(area.width)));
    }
    frame.render_widget(Paragraph::new(lines), area);
}

/// One direction: its flow, and a bar of the fast path's share.
fn path_line(
    label: &'static str,
    fast: f64,
    all: f64,
    measure: Measure,
    theme: &Theme,
) -> Line<'static> {
    let unit = if measure == Measure::Rate { "/s" } else { "" };
    let mut line = Line::from(vec![
        Span::styled(format!("{label:<12}"), theme.dim),
        Span::styled(format!("{:>8}{unit:<2} ", amount(all, measure)), theme.text),
    ]);
    let share = if all > 0.0 { fast / all } else { 0.0 };
    line.spans.extend(bar(share, 14, theme.good, if all > 0.0 { theme.warn } else { theme.faint }));
    let percent = fast_share(fast, all, theme);
    let words = if all > 0.0 {
        format!(" {percent} % fast")
    } else {
        format!(" {}", quantity::no_calls(measure == Measure::Rate))
    };
    line.push_span(Span::styled(words, percent.style));
    line
}

type HistoryValue = fn(&HistoryPoint) -> f64;
type Look = fn(&Theme) -> Style;

/// The values of the sparklines, and their styles.
const SERIES: [(&str, HistoryValue, Look); 5] = [
    ("alloc fast", |it| it.allocations_fast, |theme| theme.good),
    ("alloc slow", |it| it.allocations_slow, |theme| theme.warn),
    ("free  fast", |it| it.frees_fast, |theme| theme.good),
    ("free  slow", |it| it.frees_slow, |theme| theme.warn),
    ("anomalies", |it| it.anomalies, |theme| theme.bad),
];

fn draw_sparklines(frame: &mut Frame, area: Rect, process: &Process, theme: &Theme) {
    const LABEL_WIDTH: u16 = 22;
    let points = usize::from(area.width.saturating_sub(LABEL_WIDTH));
    let seconds = points as f64 * crate::model::STEP_SECONDS;
    let mut lines = vec![Line::styled(
        format!("{:<11}{:>10} LAST {}", "", "PEAK/S", quantity::span_seconds(seconds as u64)),
        theme.heading,
    )];
    let history = process.history.get(&ClassName::new(C7));
    // The anomalies are shown only if there are any.
    let shown = if has_anomalies(process) { SERIES.len() } else { SERIES.len() - 1 };
    for (label, value, style) in &SERIES[..shown] {
        let values = history.map(|it| it.newest(points, value)).unwrap_or_default();
        let peak = values.iter().copied().fold(0.0, f64::max);
        // The newest value is always at the right edge.
        let graph = format!("{:>points$}", sparkline(&values, peak));
        lines.push(Line::from(vec![
            Span::styled(format!("{label:<11}"), theme.dim),
            Span::styled(format!("{:>10} ", quantity::rate(peak)), theme.text),
            Span::styled(graph, style(theme)),
        ]));
    }
    frame.render_widget(Paragraph::new(lines), area);
}
