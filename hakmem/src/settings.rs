//! The settings: what the program gives itself, and over it the environment, parsed once at start.
//!
//! An unknown `HAKMEM_` name or a bad value prints one line, which says what is used instead, and
//! the program continues. Of a name that the environment has twice, the first counts, as for
//! `getenv`, by which other programs read it.
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
use core::fmt::{self, Arguments, Display};

use hakmem_segment::{Check, OnError, Push, Routing, Telemetry};

use crate::os::{auxiliary_vector, message, process, program_text};
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
    pub(crate) const EMPTY: Self = Self { bytes: [0; TEXT_MAX], length: 0 };

    /// The bytes.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// The text as a C string.
    pub(crate) fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or_default()
    }

    /// The bytes, followed by zeros.
    pub(crate) fn padded(&self) -> &[u8; TEXT_MAX] {
        &self.bytes
    }

    /// Adds `bytes`; false if there is no room for all of them. One byte is left for the null of a
    /// C string.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> bool {
        let end = self.length + bytes.len();
        if end >= TEXT_MAX {
            return false;
        }
        self.bytes[self.length..end].copy_from_slice(bytes);
        self.length = end;
        true
    }

    /// Replaces the text by `value`; false if that has no room, which `say` gets a message about.
    fn set(&mut self, name: impl Display, value: &[u8], say: impl FnOnce(Arguments<'_>)) -> bool {
        let fits = value.len() < TEXT_MAX && !value.contains(&0);
        if fits {
            // In place: the first call of a process may come on a small stack.
            self.bytes.fill(0);
            self.length = 0;
            self.push(value);
        } else {
            let kept = if self.length > 0 { "the program's own" } else { "its default" };
            say(format_args!("{name} is longer than {} bytes; using {kept}", TEXT_MAX - 1));
        }
        fits
    }
}

/// The settings in force.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settings {
    /// `HAKMEM_DIR`; empty means the default.
    pub(crate) directory: Text,
    /// `HAKMEM_LABELS`, and what the program set itself.
    pub(crate) labels: Text,
    /// Bytes at the start of `labels` that come from the environment.
    pub(crate) labels_fixed: usize,
    /// `HAKMEM_TELEMETRY`.
    pub(crate) telemetry: Telemetry,
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
}

impl Settings {
    /// The settings before the environment is read.
    pub(crate) const DEFAULT: Self = Self {
        directory: Text::EMPTY,
        labels: Text::EMPTY,
        labels_fixed: 0,
        telemetry: Telemetry::On,
        routing: Routing::Direct,
        push: Push::Boxed,
        check: Check::Sample,
        on_error: OnError::Report,
        list_bytes: LIST_BYTES_MAX,
        allow_unsafe: false,
    };

    /// Reads the environment over what the program gives itself, and that over the defaults. A
    /// privileged program does not trust its environment.
    pub(crate) fn read(&mut self) {
        if SILENT.load(Ordering::Relaxed) {
            self.telemetry = Telemetry::Off;
            return;
        }
        self.take(&given());
        self.take_text(program_text::settings(), message::print);
        if !auxiliary_vector::is_privileged() {
            let mut seen = Seen::default();
            process::for_each_variable(&mut |variable| {
                self.apply(variable, &mut seen, message::print);
            });
        }
        self.refuse_unsafe(message::print);
    }

    /// Takes what the program gives itself.
    fn take(&mut self, given: &Given) {
        self.directory.set("the program's directory", given.directory.as_bytes(), message::print);
        self.labels.set("the program's text of labels", given.labels.as_bytes(), message::print);
        self.telemetry = given.telemetry;
        self.check = given.check;
        self.on_error = given.on_error;
        self.list_bytes = given.list_bytes;
    }

    /// Takes the lines of the text that a C program gives itself.
    fn take_text(&mut self, text: &[u8], say: impl Fn(Arguments<'_>)) {
        let mut seen = Seen::default();
        for line in text.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii) {
            let is_setting = line.starts_with(b"HAKMEM_") && line.contains(&b'=');
            match () {
                () if line.is_empty() => {}
                () if is_setting => self.apply(line, &mut seen, &say),
                () => say(format_args!(
                    "hakmem_settings: `{}` is not HAKMEM_NAME=value; ignored",
                    printable(line)
                )),
            }
        }
        // They are the program's own, which it may replace.
        self.labels_fixed = 0;
    }

    /// Falls back to the default unless the routing that reproduces a bug was asked for twice. Like
    /// [`Settings::apply`], it gives its message to `say`.
    pub(crate) fn refuse_unsafe(&mut self, say: impl FnOnce(Arguments<'_>)) {
        if self.routing == Routing::E3 && !self.allow_unsafe {
            self.routing = Self::DEFAULT.routing;
            say(format_args!(
                "HAKMEM_ROUTING={} corrupts memory, on purpose; using {} (set \
                 HAKMEM_ALLOW_UNSAFE=1 to use it)",
                Routing::E3.name(),
                self.routing.name(),
            ));
        }
    }

    /// Takes the setting in `variable`, if it is one whose name is not among `seen`. An invalid one
    /// changes nothing; `say` gets a message about it.
    pub(crate) fn apply(
        &mut self,
        variable: &[u8],
        seen: &mut Seen,
        say: impl FnOnce(Arguments<'_>),
    ) {
        let Some(rest) = variable.strip_prefix(b"HAKMEM_") else { return };
        let Some(equals) = rest.iter().position(|&byte| byte == b'=') else { return };
        let (name, value) = (&rest[..equals], &rest[equals + 1..]);
        let Some(&(setting, name)) = NAMES.iter().find(|(_, it)| it.as_bytes() == name) else {
            say(format_args!(
                "HAKMEM_{} is not a setting of hakmem; ignored (hakmem/SETTINGS.md lists them)",
                printable(name)
            ));
            return;
        };
        if !seen.insert(setting) {
            say(format_args!("HAKMEM_{name} is set twice; using the first"));
            return;
        }
        match setting {
            Name::Dir => {
                self.directory.set("HAKMEM_DIR", value, say);
            }
            Name::Labels => {
                if self.labels.set("HAKMEM_LABELS", value, say) {
                    self.labels_fixed = value.len();
                }
            }
            Name::Telemetry => {
                choose(&mut self.telemetry, name, value, Telemetry::ALL, Telemetry::name, say);
            }
            Name::Routing => {
                choose(&mut self.routing, name, value, Routing::ALL, Routing::name, say);
            }
            Name::Push => choose(&mut self.push, name, value, Push::ALL, Push::name, say),
            Name::Check => choose(&mut self.check, name, value, Check::ALL, Check::name, say),
            Name::OnError => {
                choose(&mut self.on_error, name, value, OnError::ALL, OnError::name, say);
            }
            Name::ListBytes => {
                set(
                    &mut self.list_bytes,
                    name,
                    value,
                    list_bytes,
                    format_args!("{LIST_BYTES_MIN} to {LIST_BYTES_MAX}"),
                    |bytes| bytes,
                    say,
                );
            }
            Name::AllowUnsafe => {
                choose(&mut self.allow_unsafe, name, value, &[true, false], one_or_zero, say);
            }
            Name::Library => {}
        }
    }
}

/// The settings that an environment may hold.
#[derive(Clone, Copy)]
enum Name {
    Dir,
    Labels,
    Telemetry,
    Routing,
    Push,
    Check,
    OnError,
    ListBytes,
    AllowUnsafe,
    /// Read by hakmem-top, not here.
    Library,
}

/// The settings with their names, after `HAKMEM_`.
const NAMES: [(Name, &str); 10] = [
    (Name::Dir, "DIR"),
    (Name::Labels, "LABELS"),
    (Name::Telemetry, "TELEMETRY"),
    (Name::Routing, "ROUTING"),
    (Name::Push, "PUSH"),
    (Name::Check, "CHECK"),
    (Name::OnError, "ON_ERROR"),
    (Name::ListBytes, "LIST_BYTES"),
    (Name::AllowUnsafe, "ALLOW_UNSAFE"),
    (Name::Library, "LIBRARY"),
];

/// The settings that an environment has named so far, one bit each.
#[derive(Default)]
pub(crate) struct Seen(u16);

impl Seen {
    /// Adds `setting`; `false` if it was there already.
    fn insert(&mut self, setting: Name) -> bool {
        let bit = 1 << setting as u16;
        let is_new = self.0 & bit == 0;
        self.0 |= bit;
        is_new
    }
}

fn list_bytes(digits: &str) -> Option<u32> {
    digits.parse().ok().filter(|bytes| (LIST_BYTES_MIN..=LIST_BYTES_MAX).contains(bytes))
}

fn one_or_zero(allows: bool) -> &'static str {
    if allows { "1" } else { "0" }
}

/// Sets `setting` to the value among `all` whose word is `value`, as [`set`] does.
fn choose<T: Copy>(
    setting: &mut T,
    name: &str,
    value: &[u8],
    all: &[T],
    word: fn(T) -> &'static str,
    say: impl FnOnce(Arguments<'_>),
) {
    let of_word = |value: &str| all.iter().copied().find(|&it| word(it) == value);
    set(setting, name, value, of_word, Choices { all, word }, word, say);
}

/// Sets `setting` to what `value` means. An empty value changes nothing, nor does an invalid one,
/// about which `say` gets a message: what is `expected`, and, by `shown`, what stays in force.
fn set<T: Copy, D: Display>(
    setting: &mut T,
    name: &str,
    value: &[u8],
    parse: impl Fn(&str) -> Option<T>,
    expected: impl Display,
    shown: impl Fn(T) -> D,
    say: impl FnOnce(Arguments<'_>),
) {
    match core::str::from_utf8(value).ok().and_then(parse) {
        Some(chosen) => *setting = chosen,
        None if value.is_empty() => {}
        None => say(format_args!(
            "HAKMEM_{name}={} is not {expected}; using {}",
            printable(value),
            shown(*setting)
        )),
    }
}

/// The words of a setting, as a message lists them: "off, sample or full".
struct Choices<'a, T> {
    all: &'a [T],
    word: fn(T) -> &'static str,
}

impl<T: Copy> Display for Choices<'_, T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, &it) in self.all.iter().enumerate() {
            out.write_str(match self.all.len() - index {
                _ if index == 0 => "",
                1 => " or ",
                _ => ", ",
            })?;
            out.write_str((self.word)(it))?;
        }
        Ok(())
    }
}

/// The text of `bytes` if it is printable ASCII; untrusted bytes must not reach a terminal.
fn printable(bytes: &[u8]) -> &str {
    let text = core::str::from_utf8(bytes).ok();
    text.filter(|text| text.bytes().all(|byte| byte.is_ascii_graphic())).unwrap_or("(unprintable)")
}

#[cfg(test)]
mod tests;
