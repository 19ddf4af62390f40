//! Bars and sparklines made of block characters.

use ratatui::style::Style;
use ratatui::text::Span;

const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A horizontal bar of `width` cells, of which `share` (0 to 1) is filled.
pub(super) fn bar(share: f64, width: u16, filled: Style, empty: Style) -> Vec<Span<'static>> {
    let width = usize::from(width);
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    // A share above 0 must be visible.
    let least = usize::from(share > 0.0);
    let eighths = ((share * width as f64 * 8.0).round() as usize).max(least);
    let full = eighths / 8;
    let part = EIGHTHS[eighths % 8];
    let rest = width - full - usize::from(!part.is_empty());
    vec![
        Span::styled(format!("{}{part}", "█".repeat(full)), filled),
        Span::styled("·".repeat(rest), empty),
    ]
}

/// One column per value, scaled so that `highest` is a full block; zero is a blank.
pub(super) fn sparkline(values: &[f64], highest: f64) -> String {
    values
        .iter()
        .map(|value| {
            if *value <= 0.0 || highest <= 0.0 {
                return ' ';
            }
            let level = (value / highest * LEVELS.len() as f64).ceil() as usize;
            LEVELS[level.clamp(1, LEVELS.len()) - 1]
        })
        .collect()
}

/// One character for a fill level; a blank for empty.
pub(super) fn level(share: f64) -> char {
    sparkline(&[share], 1.0).chars().next().unwrap_or(' ')
}
