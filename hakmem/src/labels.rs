//! Sets one label in the text of all labels, `key=value,key=value`.
//!
//! Readers take the text apart at its commas, and each entry at its first `=`; they trim both
//! parts, and of two entries with the same key the later one counts.

use core::{error, fmt};

use crate::settings::{Settings, TEXT_MAX, Text};

/// Why a label was not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelError {
    /// The key is empty, contains a comma, `=` or control character, or has a space at an end.
    Key,
    /// The value contains a comma or control character, or has a space at an end.
    Value,
    /// The text of all labels would have more than 511 bytes.
    Full,
}

impl fmt::Display for LabelError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key => out.write_str(
                "the key of a label must not be empty, contain a comma, `=` or control character, \
                 or begin or end with a space",
            ),
            Self::Value => out.write_str(
                "the value of a label must not contain a comma or control character, or begin or \
                 end with a space",
            ),
            Self::Full => {
                write!(out, "all labels together may have {} bytes; shorten some", TEXT_MAX - 1)
            }
        }
    }
}

impl error::Error for LabelError {}

/// The text of labels in `settings` after `key` is set to `value`. Labels from the environment stay
/// as they are: the user who runs the program has the last word.
pub(crate) fn with(settings: &Settings, key: &str, value: &str) -> Result<Text, LabelError> {
    if key.is_empty() || key.contains('=') || !is_clean(key) {
        return Err(LabelError::Key);
    }
    if !is_clean(value) {
        return Err(LabelError::Value);
    }
    let (fixed, own) = settings.labels.as_bytes().split_at(settings.labels_fixed);
    if entries(fixed).any(|entry| key_of(entry) == Some(key.as_bytes())) {
        return Ok(settings.labels);
    }
    let mut text = Text::EMPTY;
    let mut fits = text.push(fixed);
    for entry in entries(own).filter(|entry| key_of(entry) != Some(key.as_bytes())) {
        fits &= add(&mut text, &[entry]);
    }
    fits &= add(&mut text, &[key.as_bytes(), b"=", value.as_bytes()]);
    if fits { Ok(text) } else { Err(LabelError::Full) }
}

/// Whether readers take `part` as it is.
fn is_clean(part: &str) -> bool {
    part.trim() == part && !part.contains(|it: char| it == ',' || it.is_control())
}

fn entries(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&byte| byte == b',').filter(|entry| !entry.is_empty())
}

/// The key of `entry`; `None` if it has no `=`, so that readers leave it out.
fn key_of(entry: &[u8]) -> Option<&[u8]> {
    let end = entry.iter().position(|&byte| byte == b'=')?;
    Some(entry[..end].trim_ascii())
}

/// Adds an entry that consists of `parts`; false if there is no room.
fn add(text: &mut Text, parts: &[&[u8]]) -> bool {
    let is_first = text.as_bytes().is_empty();
    (is_first || text.push(b",")) && parts.iter().all(|part| text.push(part))
}

#[cfg(test)]
mod tests {
    use std::borrow::ToOwned as _;
    use std::string::ToString as _;

    use super::*;

    /// Settings with `fixed` labels from the environment and `own` ones of the program.
    fn settings(fixed: &str, own: &str) -> Settings {
        let mut settings = Settings::DEFAULT;
        settings.labels_fixed = fixed.len();
        assert!(settings.labels.push(fixed.as_bytes()) && settings.labels.push(own.as_bytes()));
        settings
    }

    #[test]
    fn a_label_replaces_the_one_with_its_key_and_leaves_all_others() {
        let check = |fixed: &str, own: &str, (key, value): (&str, &str), expected: &str| {
            let text = with(&settings(fixed, own), key, value).map(|it| it.as_bytes().to_vec());
            assert_eq!(text, Ok(expected.as_bytes().to_vec()), "{key}={value}");
        };
        check("", "", ("service", "api"), "service=api");
        check("", "a=1,b=2", ("a", "3"), "b=2,a=3");
        check("", "a=1, a = 2 ,junk,b=2", ("a", ""), "junk,b=2,a=");
        check("", "a=1", ("b", "x=y z"), "a=1,b=x=y z");
        check("", "", ("größe", "groß"), "größe=groß");
        // The environment's stay, and are not said twice.
        check("a=1", ",b=2", ("a", "3"), "a=1,b=2");
        check("a=1,", "b=2", ("b", "3"), "a=1,,b=3");
        check("junk", "", ("junk", "3"), "junk,junk=3");
    }

    #[test]
    fn a_label_that_readers_would_take_for_another_is_refused() {
        let check = |key: &str, value: &str, expected| {
            assert_eq!(with(&settings("", ""), key, value).err(), Some(expected), "{key}={value}");
        };
        for key in ["", " ", "a=b", "a,b", " a", "a ", "a\nb", "a\0b", "\u{9b}"] {
            check(key, "value", LabelError::Key);
        }
        for value in ["a,b", " a", "a ", "\x1b[31m", "a\tb"] {
            check("key", value, LabelError::Value);
        }
        let message = LabelError::Full.to_string();
        assert_eq!(message, "all labels together may have 511 bytes; shorten some");
    }

    #[test]
    fn all_labels_together_have_a_bound() {
        let own = "a=".to_owned() + &"x".repeat(505);
        let check = |key: &str, value: &str| {
            with(&settings("", &own), key, value).map(|it| it.as_bytes().len())
        };
        assert_eq!(check("b", "y"), Ok(511));
        assert_eq!(check("b", "yy"), Err(LabelError::Full));
        assert_eq!(check("b", &"y".repeat(5000)), Err(LabelError::Full));
        assert_eq!(check("a", "shorter now"), Ok(13));
    }
}
