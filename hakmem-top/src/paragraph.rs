//! Text for people, broken at words; text from elsewhere, made harmless.

use std::fmt::Write as _;

/// Running text behind `start`, broken at words, but not before a percent sign; further lines begin
/// below the first's words.
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

/// Text from elsewhere without what moves a cursor or turns the direction of reading.
pub fn plain(text: &str) -> String {
    let turns = |it: char| matches!(it, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let is_odd = |it: char| it.is_control() || turns(it);
    text.chars().map(|it| if is_odd(it) { ' ' } else { it }).collect()
}

/// As [`plain`], cut to a number of characters.
pub fn one_line(text: &str, characters_max: usize) -> String {
    let plain = plain(text);
    match plain.char_indices().nth(characters_max) {
        Some((cut, _)) => format!("{}…", &plain[..cut]),
        None => plain,
    }
}
