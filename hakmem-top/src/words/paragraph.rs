//! Text for people, wrapped at words; text from elsewhere, made harmless.

use std::fmt::Write as _;

use hakmem_agent::text::clean_text;

/// Appends `words` to `start`, wrapped at words but not before a percent sign; later lines are
/// indented to the first line's words.
pub fn wrap(words: &str, start: &str, width: usize) -> String {
    let mut text = String::new();
    let indent = " ".repeat(start.chars().count());
    let mut line = String::from(start);
    let mut is_first = true;
    let words = words.replace(" %", "\u{a0}%");
    for word in words.split(' ') {
        if !is_first && line.chars().count() + 1 + word.chars().count() > width {
            let _ = writeln!(text, "{line}");
            line = indent.clone();
        } else if !is_first {
            line.push(' ');
        }
        line.push_str(word);
        is_first = false;
    }
    let _ = writeln!(text, "{line}");
    text.replace('\u{a0}', " ")
}

/// The text of others on one line, as [`clean_text`] makes it.
pub fn plain(text: &str) -> String {
    clean_text(text).into()
}

/// Like [`plain`], cut to `characters_max` characters.
pub fn one_line(text: &str, characters_max: usize) -> String {
    let plain = plain(text);
    match plain.char_indices().nth(characters_max) {
        Some((cut, _)) => format!("{}…", &plain[..cut]),
        None => plain,
    }
}
