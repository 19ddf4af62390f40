//! A comparison as one HTML file that needs nothing else: no script, no network, no font.
//!
//! Names in it may come from other people's processes, so everything passes [`markup::escape`], and
//! a content security policy in the file forbids what would still get through. Colours are
//! variables of the style sheet, so one drawing serves light and dark screens and paper.

mod causes;
mod courses;
mod markup;
mod scale;
mod tables;

mod waterfall;

use std::fmt::Write as _;

use hakmem_diagnosis::{Diagnosis, Verdict};

use super::{Comparison, words};
use crate::words::quantity::{cost_ns, share_percent};
use markup::escape;

const STYLE: &str = include_str!("page/style.css");

/// The whole file.
pub(super) fn write(comparison: &Comparison) -> String {
    let diagnosis = &comparison.diagnosis;
    let verdict = words::verdict(diagnosis.verdict);
    let sections = [
        hero(diagnosis),
        causes::section(diagnosis),
        waterfall::section(diagnosis),
        courses::section(&comparison.courses),
        tables::sections(comparison),
        footing(diagnosis),
    ];
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{verdict}: {} → {}</title>\n<style>\n{STYLE}</style>\n</head>\n\
         <body>\n<main>\n{}</main>\n</body>\n</html>\n",
        escape(&diagnosis.before.name),
        escape(&diagnosis.after.name),
        sections.concat(),
    )
}

/// The verdict's class in the style sheet, and a sign that needs no colours.
fn look(verdict: Verdict) -> (&'static str, &'static str) {
    match verdict {
        Verdict::Regressed => ("regressed", "▲"),
        Verdict::Improved => ("improved", "▼"),
        Verdict::Unchanged => ("unchanged", "="),
        Verdict::NotEnoughData => ("unknown", "?"),
    }
}

/// The verdict and the main figures.
fn hero(diagnosis: &Diagnosis) -> String {
    let (class, sign) = look(diagnosis.verdict);
    let verdict = words::verdict(diagnosis.verdict);
    let mut text = format!(
        "<header class=\"{class}\">\n<p class=\"badge\"><span aria-hidden=\"true\">{sign}</span> \
         {verdict}</p>\n<h1>{}</h1>\n<p class=\"sides\">{}{} <span aria-label=\"against\">→</span> \
         {}{}</p>\n",
        markup::prose(words::headline(diagnosis)),
        markup::key("before"),
        escape(&diagnosis.before.name),
        markup::key("after"),
        escape(&diagnosis.after.name),
    );
    text.push_str("<dl class=\"tiles\">\n");
    for (name, value, note) in tiles(diagnosis) {
        let _ = writeln!(
            text,
            "<div><dt>{name}</dt><dd>{}<small>{}</small></dd></div>",
            markup::number(&value),
            markup::number(&note)
        );
    }
    text.push_str("</dl>\n</header>\n");
    text
}

fn tiles(diagnosis: &Diagnosis) -> [(&'static str, String, String); 4] {
    let (before, after, change) = (&diagnosis.before, &diagnosis.after, &diagnosis.change);
    let arrow = |before: String, after: String| format!("{before} → {after}");
    let cost = arrow(cost_ns(before.cost_ns), cost_ns(words::cost_after(diagnosis)));
    [
        ("Slow-path time per operation", format!("{cost}\u{a0}ns"), words::total(change)),
        (
            "Paths, at equal durations",
            format!("{}\u{a0}ns", crate::words::quantity::added_ns(change.frequency.value)),
            format!(
                "{} interval {}",
                words::confidence(diagnosis.method.confidence),
                words::interval(&change.frequency)
            ),
        ),
        (
            "Slow calls",
            format!(
                "{} %",
                arrow(share_percent(before.slow_share), share_percent(after.slow_share))
            ),
            "of all allocations and frees".into(),
        ),
        (
            "Looked at",
            arrow(
                crate::words::quantity::count(before.operations),
                crate::words::quantity::count(after.operations),
            ),
            format!(
                "operations in {} and {}",
                words::seconds(before.seconds),
                words::seconds(after.seconds)
            ),
        ),
    ]
}

/// The caveats and the method.
fn footing(diagnosis: &Diagnosis) -> String {
    let mut text = String::new();
    if !diagnosis.caveats.is_empty() {
        text.push_str(
            "<section aria-labelledby=\"caveats\">\n<h2 id=\"caveats\">Caveats</h2>\n<ul>\n",
        );
        for it in &diagnosis.caveats {
            let forbids = if it.forbids { "<strong>Forbids a verdict:</strong> " } else { "" };
            let _ = writeln!(text, "<li>{forbids}{}</li>", markup::prose(&it.text));
        }
        text.push_str("</ul>\n</section>\n");
    }
    let _ = writeln!(
        text,
        "<footer aria-labelledby=\"method\">\n<h2 id=\"method\">Method</h2>\n<p>{}</p>\n<p>{}</p>\n\
         <p>An operation is one successful allocation or one free. Made by hakmem-top {}.</p>\n\
         </footer>",
        escape(&words::rules(&diagnosis.method)),
        escape(&words::sources(&diagnosis.method)),
        env!("CARGO_PKG_VERSION"),
    );
    text
}
