//! Text from strangers: names, arguments and labels of other users' programs, files that anyone may
//! have written, requests of clients.
//!
//! Printed as it is, a newline in such a text forges a line of a log, an escape sequence controls
//! the terminal, and a directional mark makes a reader see other words than there are. So every
//! program here prints [`CleanText`], which only this module makes: [`clean_text`] replaces what is
//! unsafe, and [`escaped_text`] writes it out where a log must not lose it.

use std::borrow::{Borrow, Cow};
use std::fmt::{self, Write as _};
use std::ops::Deref;

/// Text on one line without any [unsafe character](is_unsafe).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CleanText(String);

impl CleanText {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for CleanText {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for CleanText {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for CleanText {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<CleanText> for String {
    fn from(text: CleanText) -> Self {
        text.0
    }
}

impl fmt::Display for CleanText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl PartialEq<str> for CleanText {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for CleanText {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

/// Whether a character ends the line, controls a terminal, or reorders or hides text.
pub fn is_unsafe(character: char) -> bool {
    // Zero-width characters and directional marks; separators of lines and paragraphs, embeddings
    // and overrides; isolates and other invisible characters; the byte order mark.
    let misleads = matches!(
        character,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    );
    character.is_control() || misleads
}

/// Replaces line breaks and tabs by spaces, and every other unsafe character by U+FFFD.
pub fn clean_text(text: &str) -> CleanText {
    CleanText(text.chars().map(clean_character).collect())
}

/// [`clean_text`] of bytes; invalid UTF-8 becomes U+FFFD too.
pub fn clean_bytes(bytes: &[u8]) -> CleanText {
    clean_text(&String::from_utf8_lossy(bytes))
}

/// [`clean_bytes`] of the bytes before the first zero.
pub(crate) fn clean_padded(bytes: &[u8]) -> CleanText {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    clean_bytes(&bytes[..end])
}

/// The text on one line, with every unsafe character escaped as in Rust: `\n`, `\u{1b}`.
pub fn escaped_text(text: &str) -> CleanText {
    CleanText(escaped(text, |_| false).into_owned())
}

/// The text with line breaks and tabs unchanged, and every other unsafe character escaped: a page
/// that this program composed.
pub fn escaped_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |character| matches!(character, '\n' | '\t'))
}

/// A JSON document without unsafe characters. Control characters in its strings are escaped
/// already up to 0x1f; the others occur only in strings, and are escaped here.
pub fn escaped_json(document: &str) -> String {
    let mut out = String::with_capacity(document.len());
    for character in document.chars() {
        if character > '\u{7e}' && is_unsafe(character) {
            out.push_str(&format!("\\u{:04x}", u32::from(character)));
        } else {
            out.push(character);
        }
    }
    out
}

fn clean_character(character: char) -> char {
    match character {
        '\n' | '\r' | '\t' => ' ',
        _ if is_unsafe(character) => char::REPLACEMENT_CHARACTER,
        _ => character,
    }
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

/// `bytes` in lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
