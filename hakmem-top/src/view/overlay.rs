//! What lies over the body for a while: help, the program's output, a question.

use hakmem_diagnosis::Verdict;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph};

use crate::comparison::TextStyle;
use crate::model::Model;
use crate::paragraph;
use crate::quantity;
use crate::view_state::{Compared, Theme, ViewState};

const HELP: [(&str, &str); 19] = [
    ("1 … 6, Tab, h l, ← →", "tabs: processes, classes, C7 routing, threads, events, findings"),
    ("j k, ↓ ↑, wheel", "move the selection; PgUp PgDn by ten"),
    ("g G, Home End", "first row, last row"),
    ("Enter, click twice", "open the selected process, class or finding's process"),
    ("Esc", "close, clear the filter, back to the processes"),
    ("/", "filter rows by text"),
    ("s, i", "sort by the next column, invert the order"),
    ("c", "rates per second or totals since the start"),
    ("e", "show or hide ended processes"),
    ("p, Space", "pause the picture; data is still collected"),
    ("+ -", "shorter or longer interval"),
    ("d", "compare the process's last minute with the one before"),
    ("o", "what the program printed (with run)"),
    ("t", "theme: dark, light, mono"),
    ("Ctrl-Z", "suspend"),
    ("q, Ctrl-C", "quit"),
    ("FAST %", "share of allocations and frees that no slow path took"),
    ("LIST DEPTH", "free blocks on the threads' lists, against what they may hold"),
    ("P50 P99", "of timed slow paths, last 10 s; faint: since the start"),
];

/// Draws what is open, if anything is.
pub(super) fn draw(frame: &mut Frame, area: Rect, model: &Model, state: &ViewState) {
    if state.output {
        draw_output(frame, area, model, &state.theme);
    }
    if let Some(compared) = &state.compared {
        draw_compared(frame, area, compared, &state.theme);
    }
    if state.help {
        draw_help(frame, area, &state.theme);
    }
    if state.asking {
        draw_question(frame, area, model, &state.theme);
    }
}

/// The last minute against the one before, as far as it fits; the verdict stands first.
fn draw_compared(frame: &mut Frame, area: Rect, compared: &Compared, theme: &Theme) {
    let text = match compared {
        Compared::Pending => "comparing the last minute with the one before …".into(),
        Compared::Failed(reason) => format!("cannot compare: {reason}"),
        Compared::Ready(comparison) => {
            comparison.text(TextStyle::new(usize::from(area.width.saturating_sub(4)), false))
        }
    };
    let style = |index: usize, line: &str| match compared {
        Compared::Ready(comparison) if index == 0 => match comparison.diagnosis.verdict {
            Verdict::Regressed => theme.bad,
            Verdict::Improved => theme.good,
            Verdict::Unchanged | Verdict::NotEnoughData => theme.accent,
        },
        _ if line.starts_with(|it: char| it.is_ascii_uppercase()) => theme.heading,
        _ => theme.text,
    };
    let mut lines: Vec<Line> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let wrapped =
            paragraph::wrap(line.trim_start(), leading(line), usize::from(area.width) - 4);
        let style = style(index, line);
        lines.extend(wrapped.lines().map(|it| Line::styled(format!(" {it} "), style)));
    }
    draw_box(frame, area, "the last minute · Esc closes", lines, theme);
}

/// The blanks that a line begins with.
fn leading(line: &str) -> &str {
    &line[..line.len() - line.trim_start().len()]
}

fn draw_help(frame: &mut Frame, area: Rect, theme: &Theme) {
    let lines: Vec<Line> = HELP
        .iter()
        .map(|(keys, meaning)| {
            Line::from(vec![
                Span::styled(format!(" {keys:<21}"), theme.accent),
                Span::styled(format!("{meaning} "), theme.text),
            ])
        })
        .collect();
    draw_box(frame, area, "help", lines, theme);
}

fn draw_question(frame: &mut Frame, area: Rect, model: &Model, theme: &Theme) {
    let command = model.program.as_ref().map_or("", |it| it.command.as_str());
    let key = |key: &'static str, meaning: &'static str| {
        Line::from(vec![
            Span::styled(format!(" {key:<5}"), theme.accent),
            Span::styled(meaning, theme.text),
        ])
    };
    let lines = vec![
        Line::styled(format!(" {command}"), theme.dim),
        key("q", "end it (SIGTERM) and quit "),
        key("d", "leave the screen, let it run on, summary at its end "),
        key("Esc", "stay "),
    ];
    draw_box(frame, area, "the program still runs", lines, theme);
}

/// Draws a box in the middle, as large as its lines and the area allow.
fn draw_box(
    frame: &mut Frame,
    area: Rect,
    title: &'static str,
    lines: Vec<Line<'_>>,
    theme: &Theme,
) {
    let wanted = lines.iter().map(Line::width).max().unwrap_or(0) as u16 + 2;
    let width = wanted.min(area.width);
    let height = (lines.len() as u16 + 2).min(area.height);
    let place = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    };
    let block = Block::bordered()
        .border_style(theme.faint)
        .title(Span::styled(format!(" {title} "), theme.accent));
    frame.render_widget(Clear, place);
    frame.render_widget(Paragraph::new(lines).block(block), place);
}

fn draw_output(frame: &mut Frame, area: Rect, model: &Model, theme: &Theme) {
    let Some(program) = &model.program else { return };
    let height = (area.height / 2).max(3).min(area.height);
    let place = Rect { y: area.bottom() - height, height, ..area };
    let lines: Vec<Line> = program
        .output
        .last_lines(usize::from(height.saturating_sub(2)))
        .into_iter()
        .map(|line| Line::styled(line, theme.text))
        .collect();
    let dropped = program.output.dropped_bytes;
    let title = if dropped > 0 {
        let dropped = quantity::bytes(i64::try_from(dropped).unwrap_or(i64::MAX));
        format!(" output, {dropped} before this no longer kept ")
    } else {
        " output ".to_owned()
    };
    let block =
        Block::bordered().border_style(theme.faint).title(Span::styled(title, theme.accent));
    frame.render_widget(Clear, place);
    frame.render_widget(Paragraph::new(lines).block(block), place);
}
