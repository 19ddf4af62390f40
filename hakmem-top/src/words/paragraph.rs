//! Text for people, wrapped at words; text from elsewhere, made harmless.

use std::fmt::Write as _;

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

/// Replaces characters that move the cursor or change the direction of reading.
pub fn plain(text: &str) -> String {
    let turns = |it: char| {
        let embeds = ('\u{202a}'..='\u{202e}').contains(&it);
        let isolates = ('\u{2066}'..='\u{2069}').contains(&it);
        matches!(it, '\u{200e}' | '\u{200f}') || embeds || isolates
    };
    let is_odd = |it: char| it.is_control() || turns(it);
    text.chars().map(|it| if is_odd(it) { ' ' } else { it }).collect()
}

/// Like [`plain`], cut to `characters_max` characters.
pub fn one_line(text: &str, characters_max: usize) -> String {
    let plain = plain(text);
    match plain.char_indices().nth(characters_max) {
        Some((cut, _)) => format!("{}…", &plain[..cut]),
        None => plain,
    }
}
