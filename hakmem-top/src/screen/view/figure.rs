//! Figures of a process as text, and the styles that say how good they are.

use ratatui::style::Style;
use ratatui::text::Line;

use hakmem_segment::vocabulary::ProcessState;

use crate::model::{Measure, Process};
use crate::screen::view_state::Theme;
use crate::words::quantity;

/// A rate, or a total.
pub(super) fn amount(value: f64, measure: Measure) -> String {
    match measure {
        Measure::Rate => quantity::rate(value),
        Measure::Total => quantity::count(value as u64),
    }
}

/// The share of the fast path, coloured by its size.
pub(super) fn fast_share(fast: f64, all: f64, theme: &Theme) -> Line<'static> {
    let share = if all > 0.0 { fast / all } else { 1.0 };
    let style = match share {
        _ if all <= 0.0 => theme.faint,
        0.95.. => theme.good,
        0.5..0.95 => theme.warn,
        _ => theme.bad,
    };
    Line::styled(quantity::percent(fast, all), style)
}

/// The style of a process's state.
pub(super) fn state_style(process: &Process, theme: &Theme) -> Style {
    match ProcessState::from_name(&process.state) {
        Some(ProcessState::Running) => theme.good,
        Some(ProcessState::Exited | ProcessState::Replaced) => theme.dim,
        Some(ProcessState::Killed | ProcessState::Ended) => theme.warn,
        Some(ProcessState::Crashed) | None => theme.bad,
    }
}
