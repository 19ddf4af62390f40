//! The environment, parsed once at start.
//!
//! An unknown `HAKMEM_` name or a bad value prints one line that names it and its default, and the
//! program runs on.

use crate::os::{message, process};

/// Longest directory and labels that are kept.
pub(crate) const TEXT_MAX: usize = 512;

/// Text of bounded length.
#[derive(Clone, Copy)]
pub(crate) struct Text {
    bytes: [u8; TEXT_MAX],
    length: usize,
}

impl Text {
    const EMPTY: Self = Self { bytes: [0; TEXT_MAX], length: 0 };

    /// The bytes.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    fn set(&mut self, name: &str, value: &[u8]) {
        // One byte is left so that the text can be made a C string.
        if value.len() >= TEXT_MAX || value.contains(&0) {
            message::print(format_args!(
                "{name} is longer than {} bytes; using its default",
                TEXT_MAX - 1
            ));
            return;
        }
        self.bytes[..value.len()].copy_from_slice(value);
        self.length = value.len();
    }
}

/// What the environment asks for.
pub(crate) struct Settings {
    /// `HAKMEM_DIR`; empty means the default.
    pub(crate) directory: Text,
    /// `HAKMEM_LABELS`.
    pub(crate) labels: Text,
    /// `HAKMEM_TELEMETRY`.
    pub(crate) telemetry: bool,
}

impl Settings {
    /// What holds before the environment is read.
    pub(crate) const DEFAULT: Self =
        Self { directory: Text::EMPTY, labels: Text::EMPTY, telemetry: true };

    /// Reads the environment; a privileged program's is not trusted.
    pub(crate) fn read() -> Self {
        let mut settings = Self::DEFAULT;
        if !process::is_privileged() {
            process::for_each_variable(&mut |variable| settings.apply(variable));
        }
        settings
    }

    fn apply(&mut self, variable: &[u8]) {
        let Some(rest) = variable.strip_prefix(b"HAKMEM_") else { return };
        let Some(equals) = rest.iter().position(|&byte| byte == b'=') else { return };
        let (name, value) = (&rest[..equals], &rest[equals + 1..]);
        match name {
            b"DIR" => self.directory.set("HAKMEM_DIR", value),
            b"LABELS" => self.labels.set("HAKMEM_LABELS", value),
            b"TELEMETRY" => match value {
                b"on" | b"" => self.telemetry = true,
                b"off" => self.telemetry = false,
                _ => complain("HAKMEM_TELEMETRY", value, "on or off", "on"),
            },
            b"ROUTING" => {
                if !matches!(value, b"direct" | b"") {
                    complain("HAKMEM_ROUTING", value, "direct", "direct");
                }
            }
            // Read by hakmem-top, not here.
            b"LIBRARY" => {}
            _ => message::print(format_args!(
                "HAKMEM_{} is no setting of hakmem; ignored (see the README's table)",
                printable(name)
            )),
        }
    }
}

fn complain(name: &str, value: &[u8], allowed: &str, default: &str) {
    let value = printable(value);
    message::print(format_args!("{name}={value} is not {allowed}; using {default}"));
}

/// The text if it is printable ASCII; untrusted bytes must not reach a terminal.
fn printable(bytes: &[u8]) -> &str {
    let text = core::str::from_utf8(bytes).ok();
    text.filter(|text| text.bytes().all(|byte| byte.is_ascii_graphic())).unwrap_or("(unprintable)")
}

#[cfg(test)]
mod tests;
