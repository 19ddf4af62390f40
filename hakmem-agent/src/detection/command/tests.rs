use std::process::Command;

use super::*;

/// The words into which a shell splits a command line.
fn words(line: &str) -> Vec<String> {
    let script = format!("set -- {line}; printf '%s\\0' \"$@\"");
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_terminator('\0').map(str::to_owned).collect()
}

#[test]
fn a_finding_is_named_by_its_number_and_its_moment() {
    let since = Timestamp { seconds: 1_795_687_203, nanos: 250_000_000 };
    let command = command(7, &since, None);
    assert_eq!(command, "hakmem-top diff finding:7@2026-11-26T10:00:03.250Z");
}

#[test]
fn no_socket_gets_out_of_its_word() {
    for name in ["a b", "$(id)", "`id`", "a'b\"c", "; id #", "*", "a\\", "!x", "~", "ü€", ""] {
        let words = words(&command(1, &Timestamp::default(), Some(Path::new(name))));
        assert_eq!(words.len(), 5, "{words:?}");
        assert_eq!(words[2], format!("unix:{name}"));
    }
}
