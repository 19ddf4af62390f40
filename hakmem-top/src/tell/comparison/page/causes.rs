//! The causes, each with its interval drawn on one common scale.

use std::fmt::Write as _;

use hakmem_diagnosis::diagnosis::{Cause, Estimate};
use hakmem_diagnosis::{Diagnosis, Verdict};

use super::markup::{self, escape, number, prose};
use super::scale::Scale;
use crate::tell::comparison::words;
use crate::words::quantity::{added_ns, count};

const WIDTH: f64 = 300.0;
const HEIGHT: f64 = 26.0;
const MIDDLE: f64 = 15.0;

/// The section.
pub(super) fn section(diagnosis: &Diagnosis) -> String {
    let mut text = String::from("<section aria-labelledby=\"why\">\n<h2 id=\"why\">Why</h2>\n");
    if diagnosis.causes.is_empty() {
        let nothing = match diagnosis.verdict {
            Verdict::NotEnoughData => "Too little is known to name a cause.",
            _ => "Nothing of note changed.",
        };
        let _ = writeln!(text, "<p>{nothing}</p>\n</section>");
        return text;
    }
    let scale = scale(&diagnosis.causes);
    let confidence = words::confidence(diagnosis.method.confidence);
    let _ = writeln!(
        text,
        "<p class=\"note\">Most expensive first, in nanoseconds per operation with the \
         {confidence} interval; all bars have one scale.</p>\n<ol class=\"causes\">"
    );
    for (index, cause) in diagnosis.causes.iter().enumerate() {
        text.push_str(&item(index, cause, &scale));
    }
    text.push_str("</ol>\n</section>\n");
    text
}

fn scale(causes: &[Cause]) -> Scale {
    let ends = || causes.iter().flat_map(|it| [it.cost_ns.low, it.cost_ns.high, it.cost_ns.value]);
    let low = ends().fold(0.0, f64::min);
    let high = ends().fold(0.0, f64::max);
    Scale::new([low, high], [6.0, WIDTH - 6.0])
}

fn item(index: usize, cause: &Cause, scale: &Scale) -> String {
    let mut text = String::from("<li>\n<div class=\"what\">\n");
    let place = words::place(cause);
    let place =
        if place.is_empty() { String::new() } else { format!(" <code>{}</code>", escape(&place)) };
    let _ = writeln!(text, "<h3>{}{place}</h3>", words::kind(cause.kind));
    let _ = writeln!(text, "<p>{}</p>", prose(&cause.text));
    if !cause.advice.is_empty() {
        let _ = writeln!(text, "<p class=\"advice\">→ {}</p>", prose(&cause.advice));
    }
    let [before, after] = cause.operations.map(count);
    let _ = writeln!(text, "<p class=\"note\">behind it: {before} and {after} operations</p>");
    text.push_str("</div>\n<div class=\"cost\">\n");
    text.push_str(&match cause.cost_ns {
        Estimate { value: 0.0, low: 0.0, high: 0.0 } => {
            "<p class=\"note\">costs memory</p>\n".into()
        }
        cost => drawing(index, &cost, scale),
    });
    text.push_str("</div>\n</li>\n");
    text
}

fn drawing(index: usize, cost: &Estimate, scale: &Scale) -> String {
    let value = format!("{} ns", added_ns(cost.value));
    let interval = words::interval(cost);
    let id = format!("cause-{index}");
    let mut text = markup::svg(&id, WIDTH, HEIGHT, &value, &format!("interval {interval}"));
    let class = match (words::is_sure(cost), cost.value > 0.0) {
        (true, true) => "worse",
        (true, false) => "better",
        (false, _) => "unsure",
    };
    let reach = [scale.at(0.0), scale.at(cost.value)];
    text.push_str(&markup::bar(&format!("reach {class}"), reach, MIDDLE - 5.0, 10.0));
    text.push_str(&markup::line(
        "axis",
        [scale.at(0.0), MIDDLE - 9.0, scale.at(0.0), MIDDLE + 9.0],
    ));
    let ends = [scale.at(cost.low), MIDDLE, scale.at(cost.high), MIDDLE];
    text.push_str(&markup::line(&format!("interval {class}"), ends));
    let _ = writeln!(
        text,
        "<circle class=\"dot {class}\" cx=\"{:.1}\" cy=\"{MIDDLE}\" r=\"4.5\"/>\n</svg>\n\
         <p class=\"figure\"><strong>{}</strong> <span>{}</span></p>",
        scale.at(cost.value),
        number(&value),
        number(&interval),
    );
    text
}
