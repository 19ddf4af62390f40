//! The recent past of a class as a chart of block characters.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::bar::sparkline;
use super::panel::draw_rule;
use crate::model::{ClassName, HistoryPoint, Process, STEP_SECONDS};
use crate::screen::view_state::Theme;
use crate::words::quantity;

/// The operations that a chart shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Path {
    Fast,
    Slow,
}

impl Path {
    fn name(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Slow => "slow",
        }
    }

    fn value(self, point: &HistoryPoint) -> f64 {
        match self {
            Self::Fast => point.allocations_fast + point.frees_fast,
            Self::Slow => point.allocations_slow + point.frees_slow,
        }
    }
}

/// Draws allocations and frees of one path, on their own scale, the newest at the right.
pub(super) fn draw(
    frame: &mut Frame,
    area: Rect,
    process: &Process,
    class: &str,
    path: Path,
    theme: &Theme,
) {
    let width = usize::from(area.width);
    let history = process.history.get(&ClassName::new(class));
    let values = history.map(|it| it.newest(width, |it| path.value(it))).unwrap_or_default();
    let peak = values.iter().copied().fold(0.0, f64::max);
    let span = quantity::span_seconds((width as f64 * STEP_SECONDS) as u64);
    let title = vec![
        Span::styled(format!("{class} {} ", path.name()), theme.accent),
        Span::styled(format!("peak {}/s, last {span}", quantity::rate(peak)), theme.dim),
    ];
    draw_rule(frame, Rect { height: area.height.min(1), ..area }, title, theme);
    let style = if path == Path::Fast { theme.good } else { theme.warn };
    let rows = area.height.saturating_sub(1);
    for row in 0..rows {
        // Each row shows its slice of the height: full below the value, empty above, eighths
        // within.
        let floor = f64::from(rows - 1 - row);
        let scale = if peak > 0.0 { f64::from(rows) / peak } else { 0.0 };
        let slice: Vec<f64> = values.iter().map(|it| it * scale - floor).collect();
        let text = format!("{:>width$}", sparkline(&slice, 1.0));
        let place = Rect { y: area.y + 1 + row, height: 1, ..area };
        frame.render_widget(Line::styled(text, style), place);
    }
}
