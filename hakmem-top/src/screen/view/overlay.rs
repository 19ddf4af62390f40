//! Overlays: boxes over the body for help, comparison, the program's output, or a question.

use hakmem_diagnosis::Verdict;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph};

use crate::model::Model;
use crate::screen::view_state::{Compared, Theme, ViewState};
use crate::tell::comparison::TextStyle;
use crate::words::{paragraph, quantity};

const HELP: [(&str, &str); 19] = [
    ("1 … 6, Tab, h l, ← →", "tabs: processes, classes, C7 routing, threads, events, findings"),
    ("j k, ↓ ↑, wheel", "move the selection, or scroll this; PgUp PgDn by ten"),
    ("g G, Home End", "first row, last row"),
    ("Enter, click twice", "open the selected process, class or finding's process"),
    ("Esc", "close, clear the filter, back to the processes"),
    ("/", "filter this tab's rows by text, pid or label"),
    ("s, i", "sort by the next column, invert the order"),
    ("c", "rates per second or totals since the start"),
    ("e", "show or hide ended processes; crashes stay"),
    ("p, Space", "pause the screen; data is still collected"),
    ("+ -", "shorter or longer interval"),
    ("d", "compare the process's last minute with the minute before"),
    ("o", "the program's output (with run)"),
    ("t", "theme: dark, light, mono"),
    ("Ctrl-L, Ctrl-Z", "redraw everything, suspend"),
    ("q, Ctrl-C", "quit"),
    ("FAST %", "share of allocations and frees on the fast path"),
    ("LIST DEPTH", "free blocks on the threads' lists, and their capacity"),
    ("P50 P99", "of timed slow paths, last 10 s; faint: since the start"),
];

/// A box over the body.
struct Overlay<'a> {
    title: String,
    lines: Vec<Line<'a>>,
    /// Its place, including a border of one cell.
    place: Rect,
    /// Whether it shows its end first, and scrolls up from there.
    from_end: bool,
}

/// Draws the open overlays.
pub(super) fn draw(frame: &mut Frame, area: Rect, model: &Model, state: &ViewState) {
    let open = all(area, model, state);
    let last = open.len().saturating_sub(1);
    for (index, overlay) in open.into_iter().enumerate() {
        // Only the topmost overlay scrolls.
        let scroll = if index == last { state.scroll } else { 0 };
        overlay.draw(frame, scroll, &state.theme);
    }
}

/// The scroll position of the topmost overlay after moving down by `by` lines, on a body of size
/// `area`; `None` if nothing can be scrolled.
pub fn scrolled(area: Rect, model: &Model, state: &ViewState, by: i64) -> Option<usize> {
    if state.asking {
        return None;
    }
    let top = all(area, model, state).pop()?;
    let by = if top.from_end { by.saturating_neg() } else { by };
    let now = state.scroll.min(top.scroll_max());
    Some(now.saturating_add_signed(by as isize).min(top.scroll_max()))
}

/// All open overlays, from bottom to top.
fn all<'a>(area: Rect, model: &'a Model, state: &'a ViewState) -> Vec<Overlay<'a>> {
    let theme = &state.theme;
    let mut open = Vec::new();
    if state.output {
        open.extend(output(area, model, theme));
    }
    if let Some(shown) = &state.compared {
        open.push(compared(area, shown, theme));
    }
    if state.help {
        open.push(help(area, theme));
    }
    if state.asking {
        open.push(question(area, model, theme));
    }
    open
}

impl<'a> Overlay<'a> {
    /// A centred overlay, as large as its lines and the area allow.
    fn centred(area: Rect, title: &str, lines: Vec<Line<'a>>) -> Self {
        let wanted = lines.iter().map(Line::width).max().unwrap_or(0) as u16 + 2;
        let width = wanted.min(area.width);
        let height = u16::try_from(lines.len() + 2).unwrap_or(u16::MAX).min(area.height);
        let place = Rect {
            x: area.x + (area.width - width) / 2,
            y: area.y + (area.height - height) / 2,
            width,
            height,
        };
        Self { title: title.to_owned(), lines, place, from_end: false }
    }

    /// The number of lines that fit.
    fn rows(&self) -> usize {
        usize::from(self.place.height.saturating_sub(2))
    }

    fn scroll_max(&self) -> usize {
        self.lines.len().saturating_sub(self.rows())
    }

    fn draw(self, frame: &mut Frame, scroll: usize, theme: &Theme) {
        let (all, rows, max) = (self.lines.len(), self.rows(), self.scroll_max());
        let scroll = scroll.min(max);
        let first = if self.from_end { max - scroll } else { scroll };
        let mut title = format!(" {} ", self.title);
        if max > 0 && rows > 0 {
            title.push_str(&format!("· {} to {} of {all}, j k scroll ", first + 1, first + rows));
        }
        let block =
            Block::bordered().border_style(theme.faint).title(Span::styled(title, theme.accent));
        let lines: Vec<Line> = self.lines.into_iter().skip(first).take(rows).collect();
        frame.render_widget(Clear, self.place);
        frame.render_widget(Paragraph::new(lines).block(block), self.place);
    }
}

/// The comparison of the last minute with the minute before; the verdict comes first.
fn compared<'a>(area: Rect, compared: &Compared, theme: &Theme) -> Overlay<'a> {
    let text = match compared {
        Compared::Pending => "comparing the last minute with the minute before …".into(),
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
    let width = usize::from(area.width.saturating_sub(4));
    let mut lines: Vec<Line> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let wrapped = paragraph::wrap(line.trim_start(), leading(line), width);
        let style = style(index, line);
        lines.extend(wrapped.lines().map(|it| Line::styled(format!(" {it} "), style)));
    }
    Overlay::centred(area, "the last minute · Esc closes", lines)
}

/// The leading blanks of a line.
fn leading(line: &str) -> &str {
    &line[..line.len() - line.trim_start().len()]
}

fn help<'a>(area: Rect, theme: &Theme) -> Overlay<'a> {
    let line = |(keys, meaning): &(&str, &str)| {
        Line::from(vec![
            Span::styled(format!(" {keys:<21}"), theme.accent),
            Span::styled(format!("{meaning} "), theme.text),
        ])
    };
    Overlay::centred(area, "help", HELP.iter().map(line).collect())
}

fn question<'a>(area: Rect, model: &'a Model, theme: &Theme) -> Overlay<'a> {
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
    Overlay::centred(area, "the program still runs", lines)
}

/// The end of the program's output, over the lower half.
fn output<'a>(area: Rect, model: &'a Model, theme: &Theme) -> Option<Overlay<'a>> {
    let program = model.program.as_ref()?;
    let height = (area.height / 2).max(3).min(area.height);
    let place = Rect { y: area.bottom() - height, height, ..area };
    let lines = program.output.last_lines(usize::MAX).into_iter();
    let lines = lines.map(|line| Line::styled(line, theme.text)).collect();
    let title = match program.output.dropped_bytes {
        0 => "output".to_owned(),
        dropped => {
            let dropped = quantity::bytes(i64::try_from(dropped).unwrap_or(i64::MAX));
            format!("output, {dropped} before this no longer kept")
        }
    };
    Some(Overlay { title, lines, place, from_end: true })
}
