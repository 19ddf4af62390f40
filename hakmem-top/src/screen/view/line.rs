//! Lines of text: text from other processes made harmless, and lines cut to a width.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::words::paragraph::one_line;

/// Characters of a text from another process that a line keeps at most; few terminals are wider.
const CHARACTERS_MAX: usize = 200;

/// Text from another process, without characters that would break a line or the terminal.
pub(super) fn harmless(text: &str) -> String {
    one_line(text, CHARACTERS_MAX)
}

/// The line cut to a width, with an ellipsis in place of the rest.
pub(super) fn shortened(line: Line<'_>, width: usize) -> Line<'_> {
    if line.width() <= width {
        return line;
    }
    let mut left = width.saturating_sub(1);
    let mut spans: Vec<Span> = Vec::new();
    for span in line.spans {
        if left == 0 {
            break;
        }
        let text: String = take_width(&span.content, &mut left);
        spans.push(Span::styled(text, span.style));
    }
    if width > 0 {
        let style = spans.last().map_or(Style::new(), |span| span.style);
        spans.push(Span::styled("…", style));
    }
    Line::from(spans)
}

fn take_width(text: &str, left: &mut usize) -> String {
    let mut taken = String::new();
    for character in text.chars() {
        let width = Span::raw(character.to_string()).width();
        if width > *left {
            *left = 0;
            break;
        }
        *left -= width;
        taken.push(character);
    }
    taken
}
