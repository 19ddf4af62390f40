use super::*;

#[test]
fn text_cannot_steer_a_terminal() {
    let check = |input: &[u8], expected: &str| assert_eq!(clean_bytes(input), expected);
    check(b"plain", "plain");
    check("plain, ümlaut, 漢字".as_bytes(), "plain, ümlaut, 漢字");
    check(b"two\nlines\t.", "two lines .");
    check(b"\x1b[31mred", "\u{fffd}[31mred");
    check("a\u{202e}b\u{9b}c".as_bytes(), "a\u{fffd}b\u{fffd}c");
    check(b"\xff\xfe", "\u{fffd}\u{fffd}");
    assert_eq!(clean_padded(b"name\0\0junk"), "name");
}

#[test]
fn nothing_leaves_its_line_or_rules_the_terminal() {
    let check = |text: &str, line: &str, lines: &str| {
        assert_eq!((&*escaped_text(text), &*escaped_lines(text)), (line, lines));
    };
    check("plain, ümlaut, 漢字", "plain, ümlaut, 漢字", "plain, ümlaut, 漢字");
    check("a\nWARN b\tc", "a\\nWARN b\\tc", "a\nWARN b\tc");
    check("\u{1b}[2J\r\u{9b}x\0", "\\u{1b}[2J\\r\\u{9b}x\\0", "\\u{1b}[2J\\r\\u{9b}x\\0");
    check("\u{202e}txt\u{2028}", "\\u{202e}txt\\u{2028}", "\\u{202e}txt\\u{2028}");
}

#[test]
fn no_function_lets_an_unsafe_character_through() {
    let all: String = ('\0'..=char::MAX).collect();
    let unsafe_ones = |text: &str| text.chars().filter(|it| is_unsafe(*it)).count();
    assert_eq!(unsafe_ones(&all), 65 + 5 + 7 + 16 + 1);
    assert_eq!(unsafe_ones(&clean_text(&all)), 0);
    assert_eq!(unsafe_ones(&escaped_text(&all)), 0);
    let lines = escaped_lines(&all);
    assert_eq!(unsafe_ones(&lines.replace(['\n', '\t'], "")), 0);
    let json: String = all.chars().filter(|it| *it >= ' ').collect();
    assert_eq!(unsafe_ones(&escaped_json(&json)), 0);
    // Each character is replaced by one, so widths and limits hold.
    assert_eq!(clean_text(&all).chars().count(), all.chars().count());
    for misleading in ['\u{200b}', '\u{200f}', '\u{202a}', '\u{202e}', '\u{2066}', '\u{feff}'] {
        assert!(is_unsafe(misleading), "{misleading:?}");
    }
}

#[test]
fn clean_text_is_compared_and_padded_like_the_text_it_holds() {
    let text = clean_text("name");
    assert!(text == *"name" && text == "name");
    assert!(text != *"other" && text != "other");
    assert_eq!(format!("[{text:>6}] [{text:<6}] [{text:.2}]"), "[  name] [name  ] [na]");
    assert_eq!((text.as_str(), text.as_ref(), &*text), ("name", "name", "name"));
    let keys = std::collections::HashMap::from([(text.clone(), 1)]);
    assert_eq!(keys.get("name"), Some(&1));
    assert_eq!(String::from(text), "name");
    assert_eq!(hex(&[0x00, 0x0f, 0xa0]), "000fa0");
}

#[test]
fn a_json_document_keeps_its_layout_and_escapes_what_misleads() {
    let document = "{\n\t\"a\": \"ü~\u{7f}\u{202e}\"\n}";
    assert_eq!(escaped_json(document), "{\n\t\"a\": \"ü~\\u007f\\u202e\"\n}");
}
