//! The change, step by step from the cost before to the cost after.
//!
//! Each step is one part (mix, frequency or duration) of one class and direction. Steps that are
//! too small to be drawn are joined, so that the steps always lead exactly to the end.

use std::fmt::Write as _;

use hakmem_diagnosis::Diagnosis;
use hakmem_diagnosis::diagnosis::Stratum;

use super::markup::{self, escape, number};
use super::scale::{self, Scale};
use crate::tell::comparison::words;
use crate::words::quantity::{added_ns, cost_ns};

const WIDTH: f64 = 860.0;
const ROW: f64 = 26.0;
const BAR: f64 = 16.0;
/// Horizontal extent of the bars; labels stand on their left, values on their right.
const BARS: [f64; 2] = [210.0, 760.0];
/// Room for the numbers of the scale.
const FOOT: f64 = 24.0;
/// A step below the whole drawing's width divided by this number is too small to be seen.
const VISIBLE: f64 = 300.0;
/// Steps that are drawn separately.
const STEPS_MAX: usize = 9;

/// One step.
#[derive(Clone, Debug, PartialEq)]
struct Step {
    part: &'static str,
    label: String,
    value: f64,
}

/// The section.
pub(super) fn section(diagnosis: &Diagnosis) -> String {
    let mut text = String::from(
        "<section aria-labelledby=\"change\">\n<h2 id=\"change\">What changed</h2>\n\
         <p class=\"note\">Nanoseconds in slow paths per operation. The steps sum to the change \
         exactly.</p>\n",
    );
    text.push_str(&parts(diagnosis));
    text.push_str("<figure class=\"scroll\">\n");
    text.push_str(&drawing(diagnosis));
    text.push_str("</figure>\n</section>\n");
    text
}

/// The three parts with their intervals; they double as the legend of the colours.
fn parts(diagnosis: &Diagnosis) -> String {
    let change = &diagnosis.change;
    let mut text = String::from("<ul class=\"parts\">\n");
    for (part, meaning, estimate) in [
        ("mix", words::MIX, &change.mix),
        ("frequency", words::FREQUENCY, &change.frequency),
        ("duration", words::DURATION, &change.duration),
    ] {
        let _ = writeln!(
            text,
            "<li>{}<strong>{part}</strong> {} <span class=\"note\">({}) {meaning}</span></li>",
            markup::key(part),
            number(&added_ns(estimate.value)),
            number(&words::interval(estimate)),
        );
    }
    text.push_str("</ul>\n");
    text
}

/// The steps to draw: the largest ones in the order of the parts, then the rest, joined.
fn steps(diagnosis: &Diagnosis) -> Vec<Step> {
    let of = |part: &'static str, value: fn(&Stratum) -> f64| {
        diagnosis.strata.iter().map(move |it| Step {
            part,
            label: format!("{} {}", it.class, words::direction(it.direction)),
            value: value(it),
        })
    };
    let mut steps: Vec<Step> = of("mix", |it| it.mix_ns)
        .chain(of("frequency", |it| it.frequency_ns))
        .chain(of("duration", |it| it.duration_ns))
        .collect();
    let mut sizes: Vec<f64> = steps.iter().map(|it| it.value.abs()).collect();
    sizes.sort_by(|a, b| b.total_cmp(a));
    let ends = diagnosis.before.cost_ns.max(words::cost_after(diagnosis));
    let largest = sizes.first().copied().unwrap_or(0.0).max(ends);
    let least = sizes.get(STEPS_MAX).copied().unwrap_or(0.0).max(largest / VISIBLE);
    steps.retain(|it| it.value.abs() > least);
    let drawn: f64 = steps.iter().map(|it| it.value).sum();
    let rest = diagnosis.change.total.value - drawn;
    if added_ns(rest) != "0" {
        steps.push(Step { part: "rest", label: "all others".into(), value: rest });
    }
    steps
}

fn drawing(diagnosis: &Diagnosis) -> String {
    let (before, after) = (diagnosis.before.cost_ns, words::cost_after(diagnosis));
    let steps = steps(diagnosis);
    let mut levels = vec![before];
    for step in &steps {
        levels.push(levels[levels.len() - 1] + step.value);
    }
    let ends = levels.iter().copied().chain([0.0, after]);
    let range = ends.fold([0.0, 0.0], |[low, high]: [f64; 2], it| [low.min(it), high.max(it)]);
    let scale = Scale::new(range, BARS);
    let height = (steps.len() + 2) as f64 * ROW + FOOT;
    let said = format!(
        "from {} to {} ns per operation: {}",
        cost_ns(before),
        cost_ns(after),
        steps.iter().map(said).collect::<Vec<_>>().join(", ")
    );
    let mut text = markup::svg("waterfall", WIDTH, height, "The change, step by step", &said);
    for tick in scale.ticks(6.0) {
        let x = scale.at(tick);
        text.push_str(&markup::line("grid", [x, 0.0, x, height - FOOT + 4.0]));
        text.push_str(&markup::label(x, height - 5.0, "middle", "tick", &scale::tick(tick)));
    }
    text.push_str(&row(0, "before", "before", &cost_ns(before), &scale, [0.0, before]));
    for (index, step) in steps.iter().enumerate() {
        let (from, to) = (levels[index], levels[index + 1]);
        text.push_str(&joint(index, scale.at(from)));
        let label = if step.part == "rest" { step.label.clone() } else { said_name(step) };
        let value = added_ns(step.value);
        text.push_str(&row(index + 1, step.part, &label, &value, &scale, [from, to]));
    }
    text.push_str(&joint(steps.len(), scale.at(after)));
    text.push_str(&row(steps.len() + 1, "after", "after", &cost_ns(after), &scale, [0.0, after]));
    text.push_str("</svg>\n");
    text
}

/// The line from the end of a row's bar to the beginning of the next one.
fn joint(index: usize, x: f64) -> String {
    let top = index as f64 * ROW + 5.0;
    markup::line("joint", [x, top + BAR, x, top + ROW])
}

fn said_name(step: &Step) -> String {
    format!("{} · {}", step.part, step.label)
}

fn said(step: &Step) -> String {
    format!("{} {}", said_name(step), added_ns(step.value))
}

fn row(
    index: usize,
    class: &str,
    label: &str,
    value: &str,
    scale: &Scale,
    [from, to]: [f64; 2],
) -> String {
    let y = index as f64 * ROW + 5.0;
    let total = if matches!(class, "before" | "after") { "name total" } else { "name" };
    let mut text = String::from("<g>\n");
    let _ = writeln!(text, "<title>{}: {}</title>", escape(label), number(value));
    text.push_str(&markup::label(BARS[0] - 12.0, y + 12.5, "end", total, label));
    text.push_str(&markup::bar(class, [scale.at(from), scale.at(to)], y, BAR));
    let value = value.replace('-', "−");
    text.push_str(&markup::label(WIDTH - 8.0, y + 12.5, "end", "value", &value));
    text.push_str("</g>\n");
    text
}
