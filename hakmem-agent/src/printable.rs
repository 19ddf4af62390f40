//! Makes text from strangers (names of files, arguments, requests of clients) safe to print: a
//! newline in it would forge a line of a log, an escape sequence would control a terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a character moves the cursor, ends the line, or changes the direction of writing.
fn is_unsafe(character: char) -> bool {
    let changes_direction = matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let ends_line = matches!(character, '\u{2028}' | '\u{2029}');
    character.is_control() || changes_direction || ends_line
}

/// The text on one line, with every unsafe character escaped as in Rust: `\n`, `\u{1b}`.
pub fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, |_| false)
}

/// The text with line breaks and tabs unchanged, and every other unsafe character escaped.
pub fn printable_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |character| matches!(character, '\n' | '\t'))
}

/// A client's text on one line and shortened: an error must not be as long as the text it quotes.
pub fn excerpt(text: &str) -> String {
    const CHARACTERS_MAX: usize = 80;
    let mut kept: String = text.chars().take(CHARACTERS_MAX).collect();
    if kept.len() < text.len() {
        kept.push('…');
    }
    printable(&kept).into_owned()
}

fn escaped(text: &str, is_kept: impl Fn(char) -> bool) -> Cow<'_, str> {
    let must_go = |character: char| is_unsafe(character) && !is_kept(character);
    if !text.contains(must_go) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if must_go(character) {
            // Writing to a string cannot fail. `escape_debug` does not escape marks of direction.
            let _ = match character {
                '\n' | '\r' | '\t' | '\0' => write!(out, "{}", character.escape_debug()),
                other => write!(out, "{}", other.escape_unicode()),
            };
        } else {
            out.push(character);
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_its_line_or_rules_the_terminal() {
        let check = |text: &str, line: &str, lines: &str| {
            assert_eq!((&*printable(text), &*printable_lines(text)), (line, lines));
        };
        check("plain, ümlaut, 漢字", "plain, ümlaut, 漢字", "plain, ümlaut, 漢字");
        check("a\nWARN b\tc", "a\\nWARN b\\tc", "a\nWARN b\tc");
        check("\u{1b}[2J\r\u{9b}x\0", "\\u{1b}[2J\\r\\u{9b}x\\0", "\\u{1b}[2J\\r\\u{9b}x\\0");
        check("\u{202e}txt\u{2028}", "\\u{202e}txt\\u{2028}", "\\u{202e}txt\\u{2028}");
    }

    #[test]
    fn an_excerpt_is_short_whatever_it_is_of() {
        assert_eq!(excerpt("1-2-3"), "1-2-3");
        assert_eq!(excerpt("a\nb"), "a\\nb");
        let long = excerpt(&"\u{1b}".repeat(3_000_000));
        assert!(long.len() < 1000 && long.ends_with('…'), "{long}");
    }
}
