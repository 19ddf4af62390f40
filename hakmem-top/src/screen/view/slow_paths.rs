//! The slow paths of one class: each reason with its flow, its share and its meaning.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use hakmem_segment::vocabulary::{AllocReason, FreeReason};

use super::bar::bar;
use super::figure::amount;
use super::line::shortened;
use super::panel::{draw_rule, rows};
use crate::model::{ClassName, Measure, Process};
use crate::screen::view_state::{Theme, ViewState};
use crate::words::{explanation, quantity};

const OUT_OF_MEMORY: &str = AllocReason::OutOfMemory.name();
const REJECTED: &str = FreeReason::Rejected.name();

/// Rows of the full panel: title, two sums, the reasons, two lines of facts, and a blank one.
pub(super) fn rows_wanted(process: &Process, class: &str) -> u16 {
    let reasons =
        process.class(class).map_or(0, |it| it.slow_allocations.len() + it.slow_frees.len());
    1 + 2 + rows(reasons) + 3 + 1
}

/// Draws the panel.
pub(super) fn draw(
    frame: &mut Frame,
    area: Rect,
    process: &Process,
    class: &str,
    state: &ViewState,
) {
    let theme = &state.theme;
    let measure = state.measure_of(process);
    let title = vec![
        Span::styled("slow paths of ", theme.accent),
        Span::styled(class.to_owned(), theme.accent),
        Span::styled(format!("  {}", sizes(process, class)), theme.dim),
    ];
    draw_rule(frame, Rect { height: area.height.min(1), ..area }, title, theme);
    let inner = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    let name = ClassName::new(class);
    let Some(flow) = process.class_flow(&name, measure) else { return };
    let mut lines = Vec::new();
    let meaning: fn(&str) -> &'static str = explanation::alloc_reason;
    lines.extend(reasons(
        "allocations",
        &flow.slow_allocations,
        flow.allocations,
        meaning,
        measure,
        theme,
    ));
    let meaning: fn(&str) -> &'static str = explanation::free_reason;
    lines.extend(reasons("frees", &flow.slow_frees, flow.frees, meaning, measure, theme));
    if let Some(counters) = process.class(class) {
        lines.push(Line::from(vec![
            Span::styled("took        ", theme.dim),
            Span::styled("p50 ", theme.dim),
            Span::styled(quantity::duration_ns(flow.p50_ns), theme.text),
            Span::styled("  p99 ", theme.dim),
            Span::styled(quantity::duration_ns(flow.p99_ns), theme.text),
            Span::styled("  p99.9 ever ", theme.dim),
            Span::styled(
                quantity::duration_ns(counters.slow_durations.as_ref().map_or(0, |it| it.p999_ns)),
                theme.text,
            ),
        ]));
        lines.push(Line::from(vec![
            Span::styled("blocks      ", theme.dim),
            Span::styled(quantity::signed_count(counters.live_blocks.max(0)), theme.text),
            Span::styled(" live  ", theme.dim),
            Span::styled(quantity::count(counters.depth_blocks), theme.text),
            Span::styled(" on lists  ", theme.dim),
            Span::styled(quantity::count(counters.central_blocks), theme.text),
            Span::styled(" central", theme.dim),
        ]));
        if counters.suppressed_events > 0 {
            lines.push(Line::styled(
                format!("{} events suppressed", quantity::count(counters.suppressed_events)),
                theme.dim,
            ));
        }
    }
    let width = usize::from(inner.width);
    let lines: Vec<Line> = lines.into_iter().map(|line| shortened(line, width)).collect();
    frame.render_widget(Paragraph::new(lines), inner);
}

/// The class's sizes with their unit.
fn sizes(process: &Process, class: &str) -> String {
    match explanation::class_sizes(&process.identity, class) {
        sizes if sizes.contains(|it: char| it.is_ascii_digit()) && !sizes.ends_with("KiB") => {
            format!("{sizes} bytes")
        }
        sizes => sizes,
    }
}

fn reasons(
    label: &'static str,
    flows: &[(String, f64)],
    all: f64,
    meaning: fn(&str) -> &'static str,
    measure: Measure,
    theme: &Theme,
) -> Vec<Line<'static>> {
    let unit = if measure == Measure::Rate { "/s" } else { "" };
    let slow: f64 =
        flows.iter().filter(|(reason, _)| reason != OUT_OF_MEMORY).map(|(_, flow)| flow).sum();
    let of_all = if all > 0.0 {
        format!(" slow, {} % of {}{unit}", quantity::percent(slow, all), amount(all, measure))
    } else {
        format!(" slow, {}", quantity::no_calls(measure == Measure::Rate))
    };
    let mut lines = vec![Line::from(vec![
        Span::styled(format!("{label:<12}"), theme.dim),
        Span::styled(format!("{:>8}{unit}", amount(slow, measure)), theme.text),
        Span::styled(of_all, theme.dim),
    ])];
    for (reason, flow) in flows {
        let bad = [OUT_OF_MEMORY, REJECTED].contains(&reason.as_str());
        let style = match (bad, *flow > 0.0) {
            (true, _) => theme.bad,
            (false, true) => theme.text,
            (false, false) => theme.faint,
        };
        let mut line = Line::styled(format!("  {reason:<15}"), style);
        line.push_span(Span::styled(format!("{:>7} ", amount(*flow, measure)), style));
        let share = if slow > 0.0 { flow / slow } else { 0.0 };
        line.spans.extend(bar(share, 8, theme.warn, theme.faint));
        line.push_span(Span::styled(format!(" {}", meaning(reason)), theme.dim));
        lines.push(line);
    }
    lines
}
