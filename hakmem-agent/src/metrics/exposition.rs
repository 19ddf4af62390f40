//! The two text formats that Prometheus reads: OpenMetrics 1.0 and text 0.0.4.
//!
//! `prometheus-client` only writes OpenMetrics, and an agent behind an older scraper or `promtool`
//! needs the other format too, so this module has its own encoder. A family is written header
//! first, then its samples, with these differences:
//!
//! | | OpenMetrics | text 0.0.4 |
//! |---|---|---|
//! | counter `x_total` | family `x`, sample `x_total` | family and sample `x_total` |
//! | info `x_info` | family `x` of type info | a gauge `x_info` |
//! | unit | `# UNIT` | none |
//! | numbers of `le` | always with a point | as Prometheus prints them |
//! | end | `# EOF` | none |
//!
//! A family without samples is left out, so that a scrape names only what exists.

use std::fmt::Write as _;

use hakmem_reader::text::is_unsafe;

/// One of the two formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus text 0.0.4.
    Text,
}

impl Format {
    /// The format that an `Accept` header prefers; text if it names neither.
    pub fn negotiate(accept: Option<&str>) -> Self {
        let mut best = (Self::Text, 0.0);
        for range in accept.unwrap_or_default().split(',') {
            let mut parameters = range.split(';').map(str::trim);
            let media_type = parameters.next().unwrap_or_default().to_ascii_lowercase();
            let mut quality = 1.0;
            let mut version = None;
            for parameter in parameters {
                match parameter.split_once('=') {
                    Some(("q", value)) => quality = value.trim().parse().unwrap_or(0.0),
                    Some(("version", value)) => version = Some(value.trim().trim_matches('"')),
                    _ => {}
                }
            }
            let format = match media_type.as_str() {
                "application/openmetrics-text" if matches!(version, None | Some("1.0.0")) => {
                    Self::OpenMetrics
                }
                "text/plain" | "text/*" | "*/*" => Self::Text,
                _ => continue,
            };
            if quality > best.1 {
                best = (format, quality);
            }
        }
        best.0
    }

    /// The value of `Content-Type` in the answer.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// The kind of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows; its name ends in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Always 1; its labels hold the information. Its name ends in `_info`.
    Info,
    /// Counts by upper bound.
    Histogram,
}

/// The description of a family.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// Name of its samples; for a histogram, without `_bucket`, `_sum` and `_count`.
    pub name: &'static str,
    /// The kind of the family.
    pub kind: Kind,
    /// Base unit, with which the name (before `_total`) ends; empty for plain numbers.
    pub unit: &'static str,
    /// One sentence for people.
    pub help: &'static str,
}

/// Names and values of labels.
pub type Labels<'a> = &'a [(&'static str, &'a str)];

/// A document in progress.
#[derive(Debug)]
pub struct Exposition {
    format: Format,
    text: String,
    /// The family whose header has been written.
    open: Option<&'static str>,
}

impl Exposition {
    /// An empty document.
    pub fn new(format: Format) -> Self {
        Self { format, text: String::with_capacity(64 * 1024), open: None }
    }

    /// Writes a whole number. Samples of one family must follow each other.
    pub fn number(&mut self, family: &Family, labels: Labels<'_>, value: i128) {
        self.begin(family);
        self.sample(family.name, "", labels, None);
        let _ = writeln!(self.text, "{value}");
    }

    /// Writes a number with a fraction; one that is not finite is left out.
    pub fn float(&mut self, family: &Family, labels: Labels<'_>, value: f64) {
        if value.is_finite() {
            self.begin(family);
            self.sample(family.name, "", labels, None);
            let _ = writeln!(self.text, "{value}");
        }
    }

    /// Writes a histogram: `buckets` holds for each bucket its upper bound and its own count,
    /// ascending; `above` counts the values above all bounds; `sum` is the sum of all values.
    pub fn histogram(
        &mut self,
        family: &Family,
        labels: Labels<'_>,
        buckets: &[(f64, u64)],
        above: u64,
        sum: f64,
    ) {
        self.begin(family);
        // The sum saturates: if it wrapped around, a bucket would be smaller than the one before,
        // and a strict parser drops the whole page for that.
        let mut total = 0u64;
        for &(bound, count) in buckets {
            total = total.saturating_add(count);
            self.sample(family.name, "_bucket", labels, Some(&bound_text(bound)));
            let _ = writeln!(self.text, "{total}");
        }
        total = total.saturating_add(above);
        self.sample(family.name, "_bucket", labels, Some("+Inf"));
        let _ = writeln!(self.text, "{total}");
        self.sample(family.name, "_sum", labels, None);
        let _ = writeln!(self.text, "{sum}");
        self.sample(family.name, "_count", labels, None);
        let _ = writeln!(self.text, "{total}");
    }

    /// The finished document.
    pub fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }

    fn begin(&mut self, family: &Family) {
        if self.open == Some(family.name) {
            return;
        }
        self.open = Some(family.name);
        let (name, kind) = match (self.format, family.kind) {
            (Format::OpenMetrics, Kind::Counter) => (without(family.name, "_total"), "counter"),
            (Format::OpenMetrics, Kind::Info) => (without(family.name, "_info"), "info"),
            (Format::Text, Kind::Counter) => (family.name, "counter"),
            (_, Kind::Gauge | Kind::Info) => (family.name, "gauge"),
            (_, Kind::Histogram) => (family.name, "histogram"),
        };
        let _ = writeln!(self.text, "# TYPE {name} {kind}");
        if self.format == Format::OpenMetrics && !family.unit.is_empty() {
            let _ = writeln!(self.text, "# UNIT {name} {}", family.unit);
        }
        let _ = writeln!(self.text, "# HELP {name} {}", family.help);
    }

    fn sample(&mut self, name: &str, suffix: &str, labels: Labels<'_>, bound: Option<&str>) {
        self.text.push_str(name);
        self.text.push_str(suffix);
        let all = labels.iter().copied().chain(bound.map(|bound| ("le", bound)));
        let mut separator = '{';
        for (label, value) in all {
            self.text.push(separator);
            self.text.push_str(label);
            self.text.push_str("=\"");
            push_escaped(&mut self.text, value);
            self.text.push('"');
            separator = ',';
        }
        self.text.push_str(if separator == '{' { " " } else { "} " });
    }
}

fn without(name: &'static str, suffix: &str) -> &'static str {
    name.strip_suffix(suffix).unwrap_or(name)
}

/// OpenMetrics requires a point or an exponent in every bound; both formats accept it.
fn bound_text(bound: f64) -> String {
    format!("{bound:?}")
}

fn push_escaped(text: &mut String, value: &str) {
    for character in value.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            // Other unsafe characters are legal, but do nothing except confuse terminals.
            other if is_unsafe(other) => text.push('\u{fffd}'),
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests;
