//! Moments and windows, as the user types them.
//!
//! A moment is one of
//!
//! - RFC 3339, `2026-11-26T10:00:00Z`; without an offset it is the local time of this machine;
//! - a clock time, `10:00`, `10:00:30` or `10:00:30.5`, in the local time of this machine: the
//!   first such moment within the recording or, if there is none, the one nearest to it, so that a
//!   window may begin or end a little outside;
//! - `+90`, `+90s`, `+5m` or `+1h`: a time after the recording's start.
//!
//! A window is `FROM..TO`, either of which may be left out, or `last 5m`, which ends at the end.
//! The meaning of a clock time depends on the recording, so parsing and resolving are two steps,
//! both without I/O: the caller provides the time zone.

use std::str::FromStr;

use hakmem_recording::Window;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

/// Why a text is not a moment or window, or not one of this recording.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// The text is not a moment.
    #[error("`{0}` is not a time; give HH:MM[:SS], RFC 3339 (2026-11-26T10:00:00Z) or +SECONDS")]
    Moment(String),
    /// The text is not a window.
    #[error("`{0}` is not a window; give FROM..TO, either of which may be left out, or `last 5m`")]
    Window(String),
    /// The window ends before it begins.
    #[error("the window ends at {to}, before it begins at {from}; swap them")]
    Backwards {
        /// The beginning of the window.
        from: String,
        /// The end of the window.
        to: String,
    },
    /// The window and the recording do not overlap.
    #[error("nothing was recorded in that window: the recording goes from {start} to {end}")]
    Outside {
        /// The recording's start.
        start: String,
        /// The recording's end.
        end: String,
    },
}

/// A parsed moment, before it is resolved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Moment {
    /// Seconds of Unix time.
    Unix(f64),
    /// Date and time in this machine's zone.
    Local(DateTime),
    /// Time of day in this machine's zone.
    Clock(Time),
    /// Seconds from the recording's start.
    AfterStart(f64),
}

/// A parsed window, before it is resolved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TimeWindow {
    /// From one moment to another.
    Between(Option<Moment>, Option<Moment>),
    /// This many seconds before the end of the recording.
    Last(f64),
}

impl FromStr for Moment {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        let text = text.trim();
        let wrong = || TimeError::Moment(text.to_owned());
        if let Some(span) = text.strip_prefix('+') {
            return span_seconds(span).map(Self::AfterStart).ok_or_else(wrong);
        }
        if let Ok(timestamp) = text.parse::<Timestamp>() {
            return Ok(Self::Unix(unix_seconds(timestamp)));
        }
        // The date parser is lenient; a clock time must look like one.
        let is_clock = text.len() >= 4 && text.find(':').is_some_and(|at| at <= 2);
        if is_clock {
            return clock(text).map(Self::Clock).ok_or_else(wrong);
        }
        let is_date = text.contains('T') || text.contains(' ');
        let local = text.parse::<DateTime>().ok().filter(|_| is_date && text.contains(':'));
        local.map(Self::Local).ok_or_else(wrong)
    }
}

impl FromStr for TimeWindow {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        let text = text.trim();
        let wrong = || TimeError::Window(text.to_owned());
        if let Some(span) = text.strip_prefix("last ") {
            return span_seconds(span.trim()).map(Self::Last).ok_or_else(wrong);
        }
        let (from, to) = text.split_once("..").ok_or_else(wrong)?;
        let moment = |text: &str| match text.trim() {
            "" => Ok(None),
            text => text.parse().map(Some),
        };
        Ok(Self::Between(moment(from)?, moment(to)?))
    }
}

impl Moment {
    /// The moment in seconds of Unix time, for a recording from `start` to `end`. A clock time
    /// before `not_before` is moved to the next day.
    fn resolve(self, start: f64, end: f64, not_before: f64, zone: &TimeZone) -> f64 {
        match self {
            Self::Unix(seconds) => seconds,
            Self::AfterStart(seconds) => start + seconds,
            Self::Local(local) => local_seconds(zone, local).unwrap_or(start),
            Self::Clock(time) => {
                let candidates = occurrences(time, start, end, zone);
                let candidates = candidates.into_iter().filter(|&at| at >= not_before);
                let distance = |at: f64| (start - at).max(at - end).max(0.0);
                // The first of equally near ones, so the earliest within the recording.
                let nearest = candidates.min_by(|a, b| distance(*a).total_cmp(&distance(*b)));
                nearest.unwrap_or(start)
            }
        }
    }
}

impl TimeWindow {
    /// The window in seconds of Unix time, for a recording from `start` to `end`.
    ///
    /// # Errors
    ///
    /// [`TimeError::Backwards`], and [`TimeError::Outside`] if the window does not overlap the
    /// recording.
    pub fn resolve(&self, start: f64, end: f64, zone: &TimeZone) -> Result<Window, TimeError> {
        let window = match *self {
            Self::Last(seconds) => Window { from: Some(end - seconds), to: None },
            Self::Between(from, to) => {
                let from = from.map(|it| it.resolve(start, end, f64::NEG_INFINITY, zone));
                let not_before = from.unwrap_or(f64::NEG_INFINITY);
                let to = to.map(|it| it.resolve(start, end, not_before, zone));
                Window { from, to }
            }
        };
        if let Window { from: Some(from), to: Some(to) } = window
            && from > to
        {
            return Err(TimeError::Backwards { from: text(from, zone), to: text(to, zone) });
        }
        if window.is_after(end) || window.is_before(start) {
            return Err(TimeError::Outside { start: text(start, zone), end: text(end, zone) });
        }
        Ok(window)
    }
}

/// A moment for people, in the local time of this machine, to the second: `2026-11-26 10:00:00`.
pub fn text(unix_seconds: f64, zone: &TimeZone) -> String {
    match timestamp(unix_seconds) {
        Some(timestamp) => {
            let local = timestamp.to_zoned_datetime(zone.clone());
            local.strftime("%Y-%m-%d %H:%M:%S").to_string()
        }
        None => format!("{unix_seconds:.0}"),
    }
}

/// A moment for machines, RFC 3339 in UTC with milliseconds: `2026-11-26T10:00:00.000Z`.
pub fn rfc3339(unix_seconds: f64) -> String {
    match timestamp(unix_seconds) {
        Some(timestamp) => format!("{timestamp:.3}"),
        None => format!("{unix_seconds:.3}"),
    }
}

/// `90`, `90s`, `5m`, `1h` or `2d` in seconds.
pub fn span_seconds(text: &str) -> Option<f64> {
    let (number, scale) = match text.char_indices().next_back()? {
        (at, 's') => (&text[..at], 1.0),
        (at, 'm') => (&text[..at], 60.0),
        (at, 'h') => (&text[..at], 3600.0),
        (at, 'd') => (&text[..at], 86_400.0),
        _ => (text, 1.0),
    };
    let number: f64 = number.parse().ok()?;
    (number.is_finite() && number >= 0.0).then_some(number * scale)
}

fn clock(text: &str) -> Option<Time> {
    let mut parts = text.split(':');
    let hour = two_digits(parts.next()?)?;
    let minute = two_digits(parts.next()?)?;
    let (second, nanosecond) = match parts.next() {
        None => (0, 0),
        Some(seconds) => {
            let value: f64 = seconds.parse().ok().filter(|it: &f64| (0.0..60.0).contains(it))?;
            (value as i8, ((value.fract() * 1e6).round() as i32).min(999_999) * 1000)
        }
    };
    let is_over = parts.next().is_none();
    Time::new(hour, minute, second, nanosecond).ok().filter(|_| is_over)
}

fn two_digits(text: &str) -> Option<i8> {
    let is_number = matches!(text.len(), 1 | 2) && text.bytes().all(|it| it.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

/// Every moment with this time of day, from the day before the recording to the day after it.
fn occurrences(time: Time, start: f64, end: f64, zone: &TimeZone) -> Vec<f64> {
    /// A longer list for a recording of years is not worth its time.
    const DAYS_MAX: usize = 4000;
    let date =
        |at: f64| -> Option<Date> { Some(timestamp(at)?.to_zoned_datetime(zone.clone()).date()) };
    let (Some(first), Some(last)) = (date(start), date(end)) else { return Vec::new() };
    let mut day = first.saturating_sub(1.day());
    let last = last.saturating_add(1.day());
    let mut found = Vec::new();
    while day <= last && found.len() < DAYS_MAX {
        found.extend(local_seconds(zone, day.to_datetime(time)));
        day = day.saturating_add(1.day());
    }
    found
}

fn local_seconds(zone: &TimeZone, local: DateTime) -> Option<f64> {
    zone.to_timestamp(local).ok().map(unix_seconds)
}

fn unix_seconds(timestamp: Timestamp) -> f64 {
    timestamp.as_second() as f64 + f64::from(timestamp.subsec_nanosecond()) / 1e9
}

fn timestamp(unix_seconds: f64) -> Option<Timestamp> {
    // Microseconds are the precision of a double for today's dates.
    Timestamp::from_microsecond((unix_seconds * 1e6).round() as i64).ok()
}

#[cfg(test)]
mod tests;
