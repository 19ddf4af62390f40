//! Makes text from a segment safe to print.

/// Decodes `bytes` up to the first zero; see [`clean`].
pub(crate) fn clean_padded(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    clean(&bytes[..end])
}

/// Decodes untrusted text: line breaks and tabs become spaces; other control characters, invalid
/// UTF-8 and characters that reorder or hide text become U+FFFD.
pub fn clean(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().map(clean_character).collect()
}

fn clean_character(character: char) -> char {
    match character {
        '\n' | '\r' | '\t' => ' ',
        _ if character.is_control() => char::REPLACEMENT_CHARACTER,
        // Zero-width characters, directional marks, embeddings and isolates, line separators.
        '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}' => char::REPLACEMENT_CHARACTER,
        _ => character,
    }
}

/// `bytes` in lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_steer_a_terminal() {
        let check = |input: &[u8], expected: &str| assert_eq!(clean(input), expected);
        check(b"plain", "plain");
        check(b"two\nlines\t.", "two lines .");
        check(b"\x1b[31mred", "\u{fffd}[31mred");
        check("a\u{202e}b\u{9b}c".as_bytes(), "a\u{fffd}b\u{fffd}c");
        check(b"\xff\xfe", "\u{fffd}\u{fffd}");
        assert_eq!(clean_padded(b"name\0\0junk"), "name");
    }
}
