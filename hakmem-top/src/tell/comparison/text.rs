//! A diagnosis as text: the verdict first, then why, then the tables, then what limits it.

use std::fmt::Write as _;

use hakmem_diagnosis::diagnosis::{Cause, Estimate, Stratum};
use hakmem_diagnosis::{Diagnosis, Verdict};

use super::{Comparison, words};
use crate::words::paragraph::{self, one_line, plain};
use crate::words::quantity::{self, added_ns, cost_ns, share_percent};

/// Least and greatest width of the text, in columns.
const WIDTHS: (usize, usize) = (80, 120);
/// Reasons that are shown at most, the most expensive ones.
const REASONS_MAX: usize = 10;
/// Longest value that is shown whole: build ids are long, and their beginnings differ.
const VALUE_MAX: usize = 34;

/// How the text is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextStyle {
    width: usize,
    has_colours: bool,
}

impl TextStyle {
    /// Text of `columns` columns, limited to 80 to 120, with or without colours.
    pub fn new(columns: usize, has_colours: bool) -> Self {
        Self { width: columns.clamp(WIDTHS.0, WIDTHS.1), has_colours }
    }

    /// Whether the text contains escape sequences for colours.
    pub fn has_colours(self) -> bool {
        self.has_colours
    }

    /// `text` with an SGR attribute if colours are wanted.
    fn painted(self, text: &str, attribute: &str) -> String {
        if self.has_colours { format!("\x1b[{attribute}m{text}\x1b[0m") } else { text.into() }
    }

    fn heading(self, text: &mut String, words: &str) {
        let _ = writeln!(text, "\n{}", self.painted(words, "1"));
    }
}

/// The whole text.
pub(super) fn write(comparison: &Comparison, style: TextStyle) -> String {
    let diagnosis = &comparison.diagnosis;
    let mut text = String::new();
    write_verdict(&mut text, comparison, style);
    write_causes(&mut text, diagnosis, style);
    write_change(&mut text, diagnosis, style);
    write_strata(&mut text, diagnosis, style);
    write_reasons(&mut text, &diagnosis.strata, style);
    write_differences(&mut text, diagnosis, style);
    write_caveats(&mut text, diagnosis, style);
    write_method(&mut text, diagnosis, style);
    text
}

/// The verdict, the sides and the caveats.
pub(super) fn write_summary(comparison: &Comparison, style: TextStyle) -> String {
    let mut text = String::new();
    write_verdict(&mut text, comparison, style);
    write_caveats(&mut text, &comparison.diagnosis, style);
    text
}

fn write_verdict(text: &mut String, comparison: &Comparison, style: TextStyle) {
    let diagnosis = &comparison.diagnosis;
    let attribute = match diagnosis.verdict {
        Verdict::Regressed => "1;31",
        Verdict::Improved => "1;32",
        Verdict::Unchanged => "1",
        Verdict::NotEnoughData => "1;33",
    };
    let verdict = words::verdict(diagnosis.verdict);
    let headline = plain(words::headline(diagnosis));
    let _ = writeln!(text, "{}: {headline}", style.painted(verdict, attribute));
    for (label, side) in [("before", &diagnosis.before), ("after", &diagnosis.after)] {
        let program = plain(&side.programs.join(", "));
        let program = if program.is_empty() { program } else { format!(" of {program}") };
        let extent = words::extent(side, comparison.units);
        let words = format!("{}: {extent}{program}", plain(&side.name));
        text.push_str(&paragraph::wrap(&words, &format!("  {label:<7} "), style.width));
    }
}

fn write_causes(text: &mut String, diagnosis: &Diagnosis, style: TextStyle) {
    if diagnosis.causes.is_empty() {
        return;
    }
    let confidence = words::confidence(diagnosis.method.confidence);
    style.heading(text, &format!("CAUSES, in nanoseconds per operation ({confidence} interval)"));
    for (index, cause) in diagnosis.causes.iter().enumerate() {
        write_cause(text, index + 1, cause, style);
    }
}

fn write_cause(text: &mut String, number: usize, cause: &Cause, style: TextStyle) {
    let name = format!("{} · {}", words::kind(cause.kind), words::place(cause));
    let name = name.trim_end_matches(" · ");
    let cost = match cause.cost_ns {
        // The cause costs memory, not time.
        Estimate { value: 0.0, low: 0.0, high: 0.0 } => String::new(),
        cost => format!("{} ({})", added_ns(cost.value), words::interval(&cost)),
    };
    let gap = style.width.saturating_sub(4 + name.chars().count() + cost.chars().count()).max(2);
    let name = style.painted(name, "1");
    let line = format!("{number:>2}. {name}{:gap$}{cost}", "");
    let _ = writeln!(text, "{}", line.trim_end());
    text.push_str(&paragraph::wrap(&plain(&cause.text), "    ", style.width));
    if !cause.advice.is_empty() {
        text.push_str(&paragraph::wrap(&plain(&cause.advice), "    → ", style.width));
    }
}

fn write_change(text: &mut String, diagnosis: &Diagnosis, style: TextStyle) {
    let change = &diagnosis.change;
    style.heading(text, "CHANGE, in nanoseconds in slow paths per operation");
    let _ = writeln!(text, "  {:<10} {:>9}", "before", cost_ns(diagnosis.before.cost_ns));
    let parts = [
        ("mix", &change.mix, words::MIX),
        ("frequency", &change.frequency, words::FREQUENCY),
        ("duration", &change.duration, words::DURATION),
    ];
    for (name, part, meaning) in parts {
        let interval = words::interval(part);
        let _ =
            writeln!(text, "  {name:<10} {:>9}  {interval:<22} {meaning}", added_ns(part.value));
    }
    let after = cost_ns(words::cost_after(diagnosis));
    let _ = writeln!(text, "  {:<10} {after:>9}  {}", "after", words::total(change));
}

fn write_strata(text: &mut String, diagnosis: &Diagnosis, style: TextStyle) {
    let strata = &diagnosis.strata;
    if strata.is_empty() {
        return;
    }
    style.heading(text, "CLASSES, before and after; what each adds in nanoseconds per operation");
    let _ = writeln!(
        text,
        "{:<5} {:<5} {:>13} {:>13} {:>15} {:>7} {:>7} {:>7}",
        "CLASS", "CALLS", "SHARE %", "SLOW %", "SLOW TAKES", "MIX", "FREQ.", "DURAT."
    );
    let (shown, small): (Vec<&Stratum>, Vec<&Stratum>) =
        strata.iter().partition(|it| matters(it, diagnosis));
    for stratum in shown {
        let [before, after] = &stratum.sides;
        let _ = writeln!(
            text,
            "{:<5} {:<5} {:>6} {:>6} {:>6} {:>6} {:>7} {:>7} {:>7} {:>7} {:>7}",
            one_line(&stratum.class, 5),
            words::direction(stratum.direction),
            share_percent(before.share),
            share_percent(after.share),
            share_percent(before.slow_share),
            share_percent(after.slow_share),
            words::took(before.slow_ns),
            words::took(after.slow_ns),
            added_ns(stratum.mix_ns),
            added_ns(stratum.frequency_ns),
            added_ns(stratum.duration_ns),
        );
    }
    if !small.is_empty() {
        let more = small.len();
        let _ = writeln!(
            text,
            "… and {more} with almost no part in the change; --json and --html have them all"
        );
    }
}

/// Whether a class makes more than a thousandth of one side's calls or of the change.
fn matters(stratum: &Stratum, diagnosis: &Diagnosis) -> bool {
    let least = diagnosis.change.total.value.abs() / 1000.0;
    let parts = [stratum.mix_ns, stratum.frequency_ns, stratum.duration_ns];
    let adds = parts.iter().any(|it| it.abs() > least && added_ns(*it) != "0");
    adds || stratum.sides.iter().any(|side| side.share > 1e-3)
}

fn write_reasons(text: &mut String, strata: &[Stratum], style: TextStyle) {
    let reasons = words::reasons(strata);
    if reasons.is_empty() {
        return;
    }
    style.heading(text, "REASONS, before and after; as a share of the calls of their class");
    let _ = writeln!(
        text,
        "{:<5} {:<5} {:<20} {:>17} {:>15} {:>9}",
        "CLASS", "CALLS", "REASON", "COUNT", "%", "ADDS NS"
    );
    for (stratum, reason) in reasons.iter().take(REASONS_MAX) {
        let _ = writeln!(
            text,
            "{:<5} {:<5} {:<20} {:>8} {:>8} {:>7} {:>7} {:>9}",
            one_line(&stratum.class, 5),
            words::direction(stratum.direction),
            one_line(&reason.reason, 20),
            quantity::count(reason.count[0]),
            quantity::count(reason.count[1]),
            share_percent(reason.per_operation[0]),
            share_percent(reason.per_operation[1]),
            added_ns(reason.frequency_ns),
        );
    }
    if reasons.len() > REASONS_MAX {
        let more = reasons.len() - REASONS_MAX;
        let _ = writeln!(text, "… and {more} that add less; --json and --html have them all");
    }
}

fn write_differences(text: &mut String, diagnosis: &Diagnosis, style: TextStyle) {
    if diagnosis.differences.is_empty() {
        return;
    }
    style.heading(text, "WHAT ELSE DIFFERS");
    for it in &diagnosis.differences {
        let (what, before) = (one_line(&it.what, 20), one_line(&it.before, VALUE_MAX));
        let after = one_line(&it.after, VALUE_MAX);
        let _ = writeln!(text, "  {what:<18} {before} → {after}");
    }
}

fn write_caveats(text: &mut String, diagnosis: &Diagnosis, style: TextStyle) {
    if diagnosis.caveats.is_empty() {
        return;
    }
    style.heading(text, "CAVEATS");
    for it in &diagnosis.caveats {
        let mark = if it.forbids { "  ! " } else { "  - " };
        text.push_str(&paragraph::wrap(&plain(&it.text), mark, style.width));
    }
}

fn write_method(text: &mut String, diagnosis: &Diagnosis, style: TextStyle) {
    let method = &diagnosis.method;
    style.heading(text, "METHOD");
    for line in [words::rules(method), words::sources(method)] {
        text.push_str(&paragraph::wrap(&line, "  ", style.width));
    }
}
