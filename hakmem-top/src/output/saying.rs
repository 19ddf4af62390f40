//! Output to standard output and standard error that never panics and never passes on control
//! characters from elsewhere.
//!
//! `println!` and `eprintln!` panic if they cannot write (`| head`, a full disk), and they pass on
//! any control sequence in a name from a segment or a recording, which could take over the
//! terminal.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write as _};

use hakmem_agent::text::{escaped_json, escaped_lines};

/// Prints a line to standard error; errors are ignored.
macro_rules! say {
    ($($words:tt)*) => {
        $crate::output::saying::line(format_args!($($words)*))
    };
}

/// The function behind `say!`.
pub(crate) fn line(words: Arguments<'_>) {
    let text = words.to_string();
    let mut stderr = io::stderr().lock();
    // If this fails, there is nobody to report it to.
    let _ = writeln!(stderr, "{}", escaped_lines(text.trim_end()));
}

/// Prints text for people.
///
/// # Errors
///
/// The system's error; a closed pipe (`| head`) is not an error.
pub(crate) fn print(text: &str) -> io::Result<()> {
    print_as_it_is(&escaped_lines(text))
}

/// Prints text that contains this program's own colours.
///
/// # Errors
///
/// Those of [`print()`].
pub(crate) fn print_coloured(text: &str) -> io::Result<()> {
    print_as_it_is(&with_colours_only(text))
}

/// Prints a JSON document.
///
/// # Errors
///
/// Those of [`print()`].
pub(crate) fn print_json(document: &str) -> io::Result<()> {
    print_as_it_is(&escaped_json(document))
}

/// Prints text for other programs, unchanged.
///
/// # Errors
///
/// Those of [`print()`].
pub(crate) fn print_as_it_is(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

/// Keeps colours (`ESC [ digits m`) and escapes every other control character.
fn with_colours_only(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("\u{1b}[") {
        let (before, sequence) = rest.split_at(at);
        out.push_str(&escaped_lines(before));
        let arguments =
            sequence[2..].trim_start_matches(|it: char| it.is_ascii_digit() || it == ';');
        let length = match arguments.strip_prefix('m') {
            Some(after) => sequence.len() - after.len(),
            None => 0,
        };
        out.push_str(&sequence[..length]);
        // A sequence that is not a colour is escaped from its first character on.
        let escaped = if length == 0 { 1 } else { 0 };
        out.push_str(&escaped_lines(&sequence[length..length + escaped]));
        rest = &sequence[length + escaped..];
    }
    out.push_str(&escaped_lines(rest));
    out
}

/// Makes a panic in any thread or task end this program. A screen or an agent in this process that
/// lost one of its parts would go on with figures that never change.
///
/// `end` gets the panic's message on one line, and returns the exit code.
pub(crate) fn end_on_panics(end: fn(&str) -> u8) {
    std::panic::set_hook(Box::new(move |panic| {
        let words = panic.to_string();
        let words: Vec<&str> = words.split_whitespace().collect();
        std::process::exit(end(&words.join(" ")).into());
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_pass_and_nothing_else_does() {
        let check = |text: &str, expected: &str| assert_eq!(with_colours_only(text), expected);
        check("plain\n", "plain\n");
        check("\u{1b}[31;1mred\u{1b}[0m\n", "\u{1b}[31;1mred\u{1b}[0m\n");
        check("\u{1b}[2Jgone\u{1b}[1", "\\u{1b}[2Jgone\\u{1b}[1");
        check("\u{1b}]0;title\u{7}\u{1b}[mx", "\\u{1b}]0;title\\u{7}\u{1b}[mx");
        check("\u{1b}[\u{1b}[3m\u{1b}[", "\\u{1b}[\u{1b}[3m\\u{1b}[");
    }
}
