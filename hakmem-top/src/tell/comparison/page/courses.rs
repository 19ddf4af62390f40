//! How the slow share of each class changed over time: one small plot per class, both sides in it.

use std::fmt::Write as _;

use super::markup::{self, escape};
use super::scale::{self, Scale, round_up};
use crate::tell::comparison::{ClassCourses, Course, words};
use crate::words::quantity::share_percent;

const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 150.0;
/// Horizontal and vertical extent of the curves.
const X: [f64; 2] = [46.0, WIDTH - 10.0];
const Y: [f64; 2] = [HEIGHT - 22.0, 10.0];
/// Plots that are drawn at most, those that matter most; the others are counted.
const PLOTS_MAX: usize = 8;

/// The section; empty if no class has samples over time.
pub(super) fn section(classes: &[ClassCourses]) -> String {
    let is_drawn = |it: &&ClassCourses| it.sides.iter().any(|side| !side.is_empty());
    let drawn: Vec<&ClassCourses> = classes.iter().filter(is_drawn).collect();
    if drawn.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "<section aria-labelledby=\"time\">\n<h2 id=\"time\">Over time</h2>\n<p class=\"note\">\
         Slow calls in percent of the calls of their class, against seconds since each side began. \
         {}before {}after</p>\n<div class=\"plots\">\n",
        markup::key("before"),
        markup::key("after"),
    );
    for (index, class) in drawn.iter().take(PLOTS_MAX).enumerate() {
        text.push_str(&plot(index, class));
    }
    text.push_str("</div>\n");
    if drawn.len() > PLOTS_MAX {
        let more = drawn.len() - PLOTS_MAX;
        let _ = writeln!(
            text,
            "<p class=\"note\">{more} more matter less and are in the table only.</p>"
        );
    }
    let left_out = drawn.iter().map(|it| it.left_out).max().unwrap_or(0);
    if left_out > 0 {
        let _ = writeln!(text, "<p class=\"note\">{left_out} more processes are not drawn.</p>");
    }
    text.push_str("</section>\n");
    text
}

fn plot(index: usize, class: &ClassCourses) -> String {
    let name = format!("{} {}", class.class, words::direction(class.direction));
    let courses = || class.sides.iter().flatten();
    let shares = || courses().flat_map(|it| &it.points).filter_map(|(_, share)| *share);
    let top = round_up(shares().fold(0.0, f64::max).max(0.000_01)).min(1.0);
    let ends = courses().filter_map(|it| it.points.last()).map(|(at, _)| *at);
    let (x, y) = (Scale::new([0.0, ends.fold(0.0, f64::max)], X), Scale::new([0.0, top], Y));
    let [before, after] = class.sides.each_ref().map(|side| spread(side));
    let said = format!("slow share before {before}, after {after}");
    let mut text = format!("<figure>\n<figcaption>{}</figcaption>\n", escape(&name));
    let title = format!("{name}: slow share over time");
    text.push_str(&markup::svg(&format!("time-{index}"), WIDTH, HEIGHT, &title, &said));
    for tick in [0.0, top / 2.0, top] {
        text.push_str(&markup::line("grid", [X[0], y.at(tick), X[1], y.at(tick)]));
        let number = format!("{} %", scale::tick(tick * 100.0));
        text.push_str(&markup::label(X[0] - 6.0, y.at(tick) + 4.0, "end", "tick", &number));
    }
    for tick in x.ticks(5.0) {
        let number = format!("{} s", scale::tick(tick));
        text.push_str(&markup::label(x.at(tick), HEIGHT - 5.0, "middle", "tick", &number));
    }
    for (side, style) in class.sides.iter().zip(["before", "after"]) {
        for course in side {
            text.push_str(&curve(course, style, &x, &y));
        }
    }
    text.push_str("</svg>\n</figure>\n");
    text
}

/// A line for each stretch without a gap; a dot for a stretch of a single point.
fn curve(course: &Course, style: &str, x: &Scale, y: &Scale) -> String {
    let mut text = String::new();
    for stretch in course.points.split(|(_, share)| share.is_none()) {
        let place = |(at, share): &(f64, Option<f64>)| (x.at(*at), y.at(share.unwrap_or(0.0)));
        match stretch {
            [] => {}
            [point] => {
                let (x, y) = place(point);
                let _ = writeln!(
                    text,
                    "<circle class=\"point {style}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.5\"/>"
                );
            }
            points => {
                let places = points.iter().map(place);
                let places: Vec<_> = places.map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
                let _ = writeln!(
                    text,
                    "<polyline class=\"course {style}\" points=\"{}\"/>",
                    places.join(" ")
                );
            }
        }
    }
    text
}

/// Least and greatest share, in words.
fn spread(side: &[Course]) -> String {
    let shares = || side.iter().flat_map(|it| &it.points).filter_map(|(_, share)| *share);
    if shares().next().is_none() {
        return "unknown".into();
    }
    let least = shares().fold(f64::INFINITY, f64::min);
    let largest = shares().fold(0.0, f64::max);
    format!("{} to {} %", share_percent(least), share_percent(largest))
}
