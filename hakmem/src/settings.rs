//! The settings: what the program gives itself, and over it the environment, parsed once at start.
//!
//! An unknown `HAKMEM_` name or a bad value prints one line that names it and its default, and the
//! program continues.
//!
//! # Orderings
//! Relaxed: every thread of a silent program sets `SILENT` before each request, including the
//! thread whose request reads the settings. `IS_GIVEN` is stored with Release after the settings
//! that a program gives itself, and loaded with Acquire.
//!
//! # Safety
//! The thread that sets `IS_CLAIMED` writes `GIVEN`, once; it is read after that alone.
#![allow(unsafe_code)]

use core::cell::UnsafeCell;
use core::ffi::CStr;
use core::fmt::Arguments;

use hakmem_segment::{Check, Push, Routing};

use crate::os::{auxiliary_vector, message, process};
use crate::sync::{AtomicBool, Ordering};

/// Bytes reserved for the directory and for the labels; longer values are refused.
pub(crate) const TEXT_MAX: usize = 512;

/// Bounds of the bytes that a thread's list of one bin may hold; the upper bound is the default.
pub(crate) const LIST_BYTES_MIN: u32 = 1024;
pub(crate) const LIST_BYTES_MAX: u32 = 128 * 1024;

/// Whether the environment is meant for other programs than this one.
static SILENT: AtomicBool = AtomicBool::new(false);

/// Keeps the process from publishing and from reading settings, unless it has started already.
#[inline]
pub(crate) fn keep_silent() {
    SILENT.store(true, Ordering::Relaxed);
}

/// Whether the process publishes its telemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telemetry {
    /// It makes a segment that other programs can read.
    On,
    /// It counts for itself alone.
    Off,
}

/// The settings that a program gives itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) directory: &'static str,
    pub(crate) labels: &'static str,
    pub(crate) telemetry: Telemetry,
    pub(crate) check: Check,
    pub(crate) on_error: OnError,
    pub(crate) list_bytes: u32,
}

impl Given {
    /// The settings of a program that gives itself none.
    pub(crate) const DEFAULT: Self = Self {
        directory: "",
        labels: "",
        telemetry: Telemetry::On,
        check: Check::Sample,
        on_error: OnError::Report,
        list_bytes: LIST_BYTES_MAX,
    };
}

/// Panics, at compile time where settings are constants, if a text is too long or holds a zero.
pub(crate) const fn demand_text(text: &str) {
    assert!(text.len() < TEXT_MAX, "the text has more than 511 bytes");
    let mut at = 0;
    while at < text.len() {
        assert!(text.as_bytes()[at] != 0, "the text contains a zero byte");
        at += 1;
    }
}

/// Panics, at compile time where settings are constants, if lists cannot be bounded so.
pub(crate) const fn demand_list_bytes(bytes: u32) {
    assert!(
        bytes >= LIST_BYTES_MIN && bytes <= LIST_BYTES_MAX,
        "a list holds from 1024 to 131072 bytes"
    );
}

/// A value that one thread writes once.
struct Once(UnsafeCell<Given>);

// SAFETY: `IS_CLAIMED` and `IS_GIVEN` order all accesses.
unsafe impl Sync for Once {}

static GIVEN: Once = Once(UnsafeCell::new(Given::DEFAULT));
static IS_CLAIMED: AtomicBool = AtomicBool::new(false);
static IS_GIVEN: AtomicBool = AtomicBool::new(false);

/// Notes the settings that the program gives itself, for the start. Slow paths call this.
#[inline]
#[cfg_attr(miri, allow(dead_code))]
pub(crate) fn give(given: &Given) {
    if !IS_CLAIMED.load(Ordering::Relaxed) {
        give_first(given);
    }
}

#[cold]
#[cfg_attr(miri, allow(dead_code))]
fn give_first(given: &Given) {
    if !IS_CLAIMED.swap(true, Ordering::Relaxed) {
        // SAFETY: this thread claimed it, and nobody reads before `IS_GIVEN` is set.
        unsafe { *GIVEN.0.get() = *given };
        // Release: pairs with the Acquire in `given`.
        IS_GIVEN.store(true, Ordering::Release);
    }
}

/// The settings that the program gives itself.
fn given() -> Given {
    // Acquire: pairs with the Release in `give_first`.
    if !IS_GIVEN.load(Ordering::Acquire) {
        return Given::DEFAULT;
    }
    // SAFETY: written, and never again.
    unsafe { *GIVEN.0.get() }
}

/// Text of bounded length.
#[derive(Clone, Copy, PartialEq, Eq)]
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

    /// The text as a C string.
    pub(crate) fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or_default()
    }

    fn set(&mut self, name: &str, value: &[u8], say: impl FnOnce(Arguments<'_>)) {
        // One byte is left for the null of a C string.
        if value.len() >= TEXT_MAX || value.contains(&0) {
            say(format_args!("{name} is longer than {} bytes; using its default", TEXT_MAX - 1));
            return;
        }
        self.bytes = [0; TEXT_MAX];
        self.bytes[..value.len()].copy_from_slice(value);
        self.length = value.len();
    }
}

/// The reaction to a wrong free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// Count it, print it, and continue.
    Report,
    /// Count it, print it, and abort.
    Abort,
}

impl OnError {
    fn from_name(word: &str) -> Option<Self> {
        match word {
            "report" => Some(Self::Report),
            "abort" => Some(Self::Abort),
            _ => None,
        }
    }
}

/// The settings in force.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settings {
    /// `HAKMEM_DIR`; empty means the default.
    pub(crate) directory: Text,
    /// `HAKMEM_LABELS`.
    pub(crate) labels: Text,
    /// `HAKMEM_TELEMETRY`.
    pub(crate) telemetry: bool,
    /// `HAKMEM_ROUTING`.
    pub(crate) routing: Routing,
    /// `HAKMEM_PUSH`.
    pub(crate) push: Push,
    /// `HAKMEM_CHECK`.
    pub(crate) check: Check,
    /// `HAKMEM_ON_ERROR`.
    pub(crate) on_error: OnError,
    /// `HAKMEM_LIST_BYTES`.
    pub(crate) list_bytes: u32,
    /// `HAKMEM_ALLOW_UNSAFE`.
    allow_unsafe: bool,
    /// Whether the program gave itself settings, which are the defaults of the environment's.
    has_given: bool,
}

impl Settings {
    /// The settings before the environment is read.
    pub(crate) const DEFAULT: Self = Self {
        directory: Text::EMPTY,
        labels: Text::EMPTY,
        telemetry: true,
        routing: Routing::Direct,
        push: Push::Boxed,
        check: Check::Sample,
        on_error: OnError::Report,
        list_bytes: LIST_BYTES_MAX,
        allow_unsafe: false,
        has_given: false,
    };

    /// Reads the environment over what the program gives itself, and that over the defaults. A
    /// privileged program does not trust its environment.
    pub(crate) fn read(&mut self) {
        if SILENT.load(Ordering::Relaxed) {
            self.telemetry = false;
            return;
        }
        self.take(&given());
        if !auxiliary_vector::is_privileged() {
            process::for_each_variable(&mut |variable| self.apply(variable, message::print));
        }
        self.refuse_unsafe(message::print);
    }

    /// Takes what the program gives itself.
    fn take(&mut self, given: &Given) {
        self.has_given = *given != Given::DEFAULT;
        self.directory.set("the program's directory", given.directory.as_bytes(), message::print);
        self.labels.set("the program's text of labels", given.labels.as_bytes(), message::print);
        self.telemetry = given.telemetry == Telemetry::On;
        self.check = given.check;
        self.on_error = given.on_error;
        self.list_bytes = given.list_bytes;
    }

    /// Falls back to `direct` unless the routing that reproduces a bug was asked for twice. Like
    /// [`Settings::apply`], it gives its message to `say`.
    pub(crate) fn refuse_unsafe(&mut self, say: impl FnOnce(Arguments<'_>)) {
        if self.routing == Routing::E3 && !self.allow_unsafe {
            self.routing = Routing::Direct;
            say(format_args!(
                "HAKMEM_ROUTING=e3 corrupts memory, on purpose; using direct (set \
                 HAKMEM_ALLOW_UNSAFE=1 to use it)"
            ));
        }
    }

    /// Takes the setting in `variable`, if it is one. An invalid one changes nothing; `say` gets a
    /// message about it.
    pub(crate) fn apply(&mut self, variable: &[u8], say: impl FnOnce(Arguments<'_>)) {
        let Some(rest) = variable.strip_prefix(b"HAKMEM_") else { return };
        let Some(equals) = rest.iter().position(|&byte| byte == b'=') else { return };
        let (name, value) = (&rest[..equals], &rest[equals + 1..]);
        let has_given = self.has_given;
        // What a message calls the value that stays in force.
        let or =
            |default: &'static str| if has_given { "the program's own setting" } else { default };
        match name {
            b"DIR" => self.directory.set("HAKMEM_DIR", value, say),
            b"LABELS" => self.labels.set("HAKMEM_LABELS", value, say),
            b"TELEMETRY" => {
                let name = "HAKMEM_TELEMETRY";
                choose(&mut self.telemetry, name, value, on_or_off, "on or off", or("on"), say);
            }
            b"ROUTING" => {
                let (name, words) =
                    ("HAKMEM_ROUTING", "direct, registry, exclude, uniform, hybrid or e3");
                choose(&mut self.routing, name, value, Routing::from_name, words, "direct", say);
            }
            b"PUSH" => {
                let (name, words) = ("HAKMEM_PUSH", "boxed or direct");
                choose(&mut self.push, name, value, Push::from_name, words, "boxed", say);
            }
            b"CHECK" => {
                let (name, words) = ("HAKMEM_CHECK", "off, sample or full");
                choose(&mut self.check, name, value, Check::from_name, words, or("sample"), say);
            }
            b"ON_ERROR" => {
                let (name, words) = ("HAKMEM_ON_ERROR", "report or abort");
                choose(
                    &mut self.on_error,
                    name,
                    value,
                    OnError::from_name,
                    words,
                    or("report"),
                    say,
                );
            }
            b"LIST_BYTES" => {
                let name = "HAKMEM_LIST_BYTES";
                choose(
                    &mut self.list_bytes,
                    name,
                    value,
                    list_bytes,
                    "1024 to 131072",
                    or("131072"),
                    say,
                );
            }
            b"ALLOW_UNSAFE" => {
                let name = "HAKMEM_ALLOW_UNSAFE";
                choose(&mut self.allow_unsafe, name, value, one_or_zero, "1 or 0", "0", say);
            }
            // Read by hakmem-top, not here.
            b"LIBRARY" => {}
            _ => say(format_args!(
                "HAKMEM_{} is not a setting of hakmem; ignored (hakmem/SETTINGS.md lists them)",
                printable(name)
            )),
        }
    }
}

fn on_or_off(word: &str) -> Option<bool> {
    match word {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

fn list_bytes(digits: &str) -> Option<u32> {
    digits.parse().ok().filter(|bytes| (LIST_BYTES_MIN..=LIST_BYTES_MAX).contains(bytes))
}

fn one_or_zero(word: &str) -> Option<bool> {
    match word {
        "1" => Some(true),
        "0" => Some(false),
        _ => None,
    }
}

/// Sets `setting` to the value that `value` names. An empty value keeps the default, and so does an
/// invalid one, about which `say` gets a message.
fn choose<T>(
    setting: &mut T,
    name: &str,
    value: &[u8],
    from_name: impl Fn(&str) -> Option<T>,
    words: &str,
    default: &str,
    say: impl FnOnce(Arguments<'_>),
) {
    match core::str::from_utf8(value).ok().and_then(from_name) {
        Some(chosen) => *setting = chosen,
        None if value.is_empty() => {}
        None => say(format_args!("{name}={} is not {words}; using {default}", printable(value))),
    }
}

/// The text of `bytes` if it is printable ASCII; untrusted bytes must not reach a terminal.
fn printable(bytes: &[u8]) -> &str {
    let text = core::str::from_utf8(bytes).ok();
    text.filter(|text| text.bytes().all(|byte| byte.is_ascii_graphic())).unwrap_or("(unprintable)")
}

#[cfg(test)]
mod tests;
