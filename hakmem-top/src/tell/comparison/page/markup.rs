//! The markup from which all sections are built.

use crate::words::paragraph::plain;

/// Escapes text for use in an element or a quoted attribute.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for it in plain(text).chars() {
        match it {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(it),
        }
    }
    escaped
}

/// A sentence as HTML: text in backquotes becomes code, and `->` becomes an arrow.
pub(super) fn prose(text: &str) -> String {
    let text = &text.replace(" -> ", " → ");
    let parts: Vec<String> = text.split('`').map(escape).collect();
    if parts.len().is_multiple_of(2) {
        return escape(text);
    }
    let words = parts.iter().enumerate().map(|(index, part)| match index % 2 {
        0 => part.clone(),
        _ => format!("<code>{part}</code>"),
    });
    words.collect()
}

/// A number with the minus sign that is as wide as a plus sign.
pub(super) fn number(text: &str) -> String {
    escape(&text.replace('-', "−"))
}

/// A patch in the colour of a side or a part, to stand before its name.
pub(super) fn key(class: &str) -> String {
    format!("<span class=\"key {class}\" aria-hidden=\"true\"></span>")
}

/// Opens a drawing that a screen reader announces with `title` and `description`.
pub(super) fn svg(id: &str, width: f64, height: f64, title: &str, description: &str) -> String {
    format!(
        "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\">\n\
         <title id=\"{id}-t\">{}</title>\n<desc id=\"{id}-d\">{}</desc>\n",
        escape(title),
        escape(description),
    )
}

/// Text in a drawing; `anchor` is `start`, `middle` or `end`.
pub(super) fn label(x: f64, y: f64, anchor: &str, class: &str, text: &str) -> String {
    format!(
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" class=\"{class}\">{}</text>\n",
        escape(text)
    )
}

/// A line in a drawing.
pub(super) fn line(class: &str, [x1, y1, x2, y2]: [f64; 4]) -> String {
    format!(
        "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>\n"
    )
}

/// A filled rectangle in a drawing, always wide enough to be seen.
pub(super) fn bar(class: &str, [left, right]: [f64; 2], y: f64, height: f64) -> String {
    let (left, right) = (left.min(right), left.max(right));
    let width = (right - left).max(1.5);
    format!(
        "<rect class=\"{class}\" x=\"{left:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" \
         height=\"{height}\" rx=\"2\"/>\n"
    )
}
