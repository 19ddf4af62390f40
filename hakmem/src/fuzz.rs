//! The body of the fuzz target `settings`, which `cargo test` runs too.

use core::fmt::{self, Write};

use hakmem_segment::Routing;

use crate::settings::{LIST_BYTES_MAX, LIST_BYTES_MIN, Seen, Settings, TEXT_MAX};

/// Reads the settings from an environment, whose variables end with zeros as the kernel passes
/// them. No variable may break the program, nor the terminal to which messages go. Returns the
/// number of variables that changed a setting.
pub fn read_environment(environment: &[u8]) -> usize {
    let mut settings = Settings::DEFAULT;
    let mut seen = Seen::default();
    let mut changes = 0;
    for variable in environment.split(|&byte| byte == 0) {
        let mut after = settings;
        let is_told = apply(&mut after, &mut seen, variable);
        let is_changed = after != settings;
        assert!(!is_told || !is_changed, "a variable with a message changes nothing");
        let is_ours = variable.starts_with(b"HAKMEM_");
        assert!(is_ours || !(is_told || is_changed), "other variables mean nothing");
        settings = after;
        let is_told_again = apply(&mut after, &mut seen, variable);
        assert!(is_told_again || !(is_told || is_changed), "a variable is told to be there twice");
        assert!(after == settings, "a variable counts once");
        changes += usize::from(is_changed);
    }
    for text in [&settings.directory, &settings.labels] {
        assert!(text.as_bytes().len() < TEXT_MAX, "texts are bounded");
        assert_eq!(text.as_bytes(), text.as_c_str().to_bytes(), "texts have no zeros");
    }
    assert!((LIST_BYTES_MIN..=LIST_BYTES_MAX).contains(&settings.list_bytes), "lists are bounded");
    let asked = settings.routing;
    let mut is_refused = false;
    settings.refuse_unsafe(|message| is_refused |= is_line(message));
    assert_eq!(is_refused, settings.routing != asked, "a refusal has a message");
    assert!(!is_refused || asked == Routing::E3, "only that routing is unsafe");
    changes
}

/// Applies one variable; returns whether there was a message.
fn apply(settings: &mut Settings, seen: &mut Seen, variable: &[u8]) -> bool {
    let mut is_told = false;
    settings.apply(variable, seen, |message| is_told |= is_line(message));
    is_told
}

/// Whether `message` is one line without anything that controls a terminal, as it must be.
fn is_line(message: fmt::Arguments<'_>) -> bool {
    struct Printable;
    impl Write for Printable {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            let is_plain = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
            if text.bytes().all(is_plain) { Ok(()) } else { Err(fmt::Error) }
        }
    }
    assert!(Printable.write_fmt(message).is_ok(), "{message} is not printable");
    true
}

#[cfg(test)]
mod tests;
