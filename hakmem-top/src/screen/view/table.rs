//! A table that fits its columns to the width: less important ones are dropped, one grows.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use super::Areas;
use super::line::shortened;
use crate::screen::view_state::Theme;

/// The alignment of a cell's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

/// One column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) title: &'static str,
    pub(super) width: u16,
    pub(super) align: Align,
    /// 0 is never dropped; among the others, the highest rank is dropped first.
    pub(super) rank: u8,
    /// Whether the column takes the remaining width.
    pub(super) grows: bool,
}

impl Column {
    pub(super) const fn left(title: &'static str, width: u16, rank: u8) -> Self {
        Self { title, width, align: Align::Left, rank, grows: false }
    }

    pub(super) const fn right(title: &'static str, width: u16, rank: u8) -> Self {
        Self { title, width, align: Align::Right, rank, grows: false }
    }

    pub(super) const fn grows(self) -> Self {
        Self { grows: true, ..self }
    }
}

/// A table's content; rows have one cell per column.
pub(super) struct Table<'a> {
    pub(super) columns: &'a [Column],
    pub(super) rows: Vec<Vec<Line<'a>>>,
    pub(super) selected: Option<usize>,
    /// Index of the first of `rows` in the whole list, and the length of that list.
    pub(super) position: (usize, usize),
    /// The column by which rows are sorted, and whether the order is inverted.
    pub(super) sorted: Option<(usize, bool)>,
}

/// Blank cells between two columns.
const GAP: u16 = 1;

/// The first of `count` rows to show in `height` lines, so that the selected row is in the middle
/// if possible.
pub(super) fn first_row(selected: usize, count: usize, height: usize) -> usize {
    selected.saturating_sub(height / 2).min(count.saturating_sub(height))
}

/// Widths of the columns that fit; `None` for a dropped column.
pub(super) fn widths(columns: &[Column], available: u16) -> Vec<Option<u16>> {
    let mut widths: Vec<Option<u16>> = columns.iter().map(|it| Some(it.width)).collect();
    let needed = |widths: &[Option<u16>]| {
        let shown = widths.iter().flatten();
        (shown.clone().sum::<u16>() + GAP * shown.count() as u16).saturating_sub(GAP)
    };
    while needed(&widths) > available {
        let candidates =
            columns.iter().enumerate().filter(|(i, it)| it.rank > 0 && widths[*i].is_some());
        let Some((index, _)) = candidates.max_by_key(|(i, it)| (it.rank, *i)) else { break };
        widths[index] = None;
    }
    let left = available.saturating_sub(needed(&widths));
    let growing = columns.iter().position(|it| it.grows);
    if let Some(width) = growing.and_then(|index| widths[index].as_mut()) {
        *width += left;
    }
    widths
}

/// Draws titles and rows.
pub(super) fn draw(frame: &mut Frame, areas: &Areas, table: Table, theme: &Theme) {
    let widths = widths(table.columns, areas.heading.width);
    let titles: Vec<Line> = table
        .columns
        .iter()
        .enumerate()
        .map(|(index, column)| match table.sorted {
            Some((sorted, inverted)) if sorted == index => {
                let arrow = if inverted { "▴" } else { "▾" };
                Line::styled(format!("{}{arrow}", column.title), theme.accent)
            }
            _ => Line::styled(column.title, theme.heading),
        })
        .collect();
    draw_row(frame, areas.heading, table.columns, &widths, titles, None);
    let (first, count) = table.position;
    for (line, cells) in (0..areas.rows.height).zip(table.rows) {
        let area = Rect { y: areas.rows.y + line, height: 1, ..areas.rows };
        let selected = table.selected == Some(first + usize::from(line));
        let style = selected.then_some(theme.selected);
        draw_row(frame, area, table.columns, &widths, cells, style);
    }
    let below = count.saturating_sub(first + usize::from(areas.rows.height));
    if below > 0 && areas.heading.width >= 60 {
        let more = format!(" +{below} ↓");
        let width = more.chars().count() as u16;
        let x = areas.rows.right().saturating_sub(width);
        let area = Rect { x, y: areas.rows.bottom() - 1, width, height: 1 };
        frame.render_widget(Line::styled(more, theme.accent), area.intersection(areas.rows));
    }
}

fn draw_row(
    frame: &mut Frame,
    area: Rect,
    columns: &[Column],
    widths: &[Option<u16>],
    cells: Vec<Line>,
    style: Option<Style>,
) {
    let mut x = area.x;
    for ((column, width), cell) in columns.iter().zip(widths).zip(cells) {
        let Some(width) = *width else { continue };
        let place = Rect { x, width, ..area }.intersection(area);
        x = x.saturating_add(width + GAP);
        let cell = shortened(cell, usize::from(place.width));
        let cell = match column.align {
            Align::Left => cell.left_aligned(),
            Align::Right => cell.right_aligned(),
        };
        frame.render_widget(cell, place);
    }
    if let Some(style) = style {
        frame.buffer_mut().set_style(area, style);
    }
}
