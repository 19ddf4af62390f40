//! Panels: areas below a line with a title, alone or two side by side.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};

use crate::screen::view_state::Theme;

/// The rows that `count` lines ask for. An agent may send more lines than any screen has, so the
/// result is at most 1000 rows: a layout that adds up several panels then stays within `u16`.
pub(super) fn rows(count: usize) -> u16 {
    const ROWS_MAX: usize = 1000;
    count.min(ROWS_MAX) as u16
}

/// Draws a horizontal line with a title.
pub(super) fn draw_rule(frame: &mut Frame, area: Rect, title: Vec<Span<'_>>, theme: &Theme) {
    frame.render_widget(Line::styled("─".repeat(usize::from(area.width)), theme.faint), area);
    let mut line = Line::from(vec![Span::styled("─ ", theme.faint)]);
    line.spans.extend(title);
    line.push_span(Span::raw(" "));
    frame.render_widget(line, area);
}

/// Two halves with a gap between them.
pub(super) fn side_by_side(area: Rect) -> [Rect; 2] {
    let [left, _, right] =
        Layout::horizontal([Constraint::Fill(1), Constraint::Length(2), Constraint::Fill(1)])
            .areas(area);
    [left, right]
}
