//! How slow a class was over time, on both sides: what the page draws.
//!
//! Counters are cumulative, so that a course of any coarseness follows from a subset of the
//! samples, with nothing lost between two of them.

use hakmem_diagnosis::diagnosis::{Direction, Stratum};
use hakmem_diagnosis::{Series, Side};
use hakmem_proto::v1::{ClassCounters, Process};

use crate::model::seconds;

/// Points of a course at most: more than a plot has pixels for is of no use.
const POINTS_MAX: usize = 120;
/// Courses of a side at most; the others are counted.
const COURSES_MAX: usize = 8;
/// Operations that a share is computed of at least: one of few is noise.
const OPERATIONS_MIN: u64 = 100;

/// One class and direction over time.
#[derive(Clone, Debug, PartialEq)]
pub struct Trend {
    /// The class.
    pub class: String,
    /// Which calls.
    pub direction: Direction,
    /// Before and after.
    pub sides: [Vec<Course>; 2],
    /// Courses of both sides that are left out.
    pub left_out: usize,
}

/// One process over time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Course {
    /// Ends of intervals in seconds since the side's series began, and the slow share within;
    /// `None` where too little happened.
    pub points: Vec<(f64, Option<f64>)>,
}

/// The trends of strata.
pub(super) fn trends(strata: &[Stratum], before: &Side, after: &Side) -> Vec<Trend> {
    let of = |stratum: &Stratum| {
        let sides = [before, after].map(|side| courses(side, &stratum.class, stratum.direction));
        let left_out = sides.iter().map(|it| it.len().saturating_sub(COURSES_MAX)).sum();
        let sides = sides.map(|mut courses| {
            courses.truncate(COURSES_MAX);
            courses
        });
        Trend { class: stratum.class.clone(), direction: stratum.direction, sides, left_out }
    };
    strata.iter().map(of).collect()
}

/// The courses of a side's processes that used the class at all.
fn courses(side: &Side, class: &str, direction: Direction) -> Vec<Course> {
    let courses = side.series.iter().map(|series| course(series, class, direction));
    courses.filter(|it| it.points.iter().any(|(_, share)| share.is_some())).collect()
}

fn course(series: &Series, class: &str, direction: Direction) -> Course {
    let samples = &series.samples;
    let Some(first) = samples.first() else { return Course::default() };
    let began = at(first);
    let stride = samples.len().saturating_sub(1).div_ceil(POINTS_MAX).max(1);
    let mut last = counts(first, class, direction);
    let mut points = Vec::new();
    // Counted from the end, so that the last sample is always among them.
    let chosen =
        (1..samples.len()).filter(|index| (samples.len() - 1 - index).is_multiple_of(stride));
    for index in chosen {
        let sample = &samples[index];
        let now = counts(sample, class, direction);
        let operations = now.0.saturating_sub(last.0);
        let slow = now.1.saturating_sub(last.1);
        let share = (operations >= OPERATIONS_MIN).then(|| slow as f64 / operations as f64);
        points.push((at(sample) - began, share));
        last = now;
    }
    Course { points }
}

fn at(sample: &Process) -> f64 {
    sample.sampled_at.as_ref().map_or(0.0, seconds)
}

/// Operations so far, and slow ones among them.
fn counts(sample: &Process, class: &str, direction: Direction) -> (u64, u64) {
    let Some(counters) = sample.classes.iter().find(|it| it.class == class) else { return (0, 0) };
    let ClassCounters { allocations, allocations_fast, frees, frees_fast, .. } = counters;
    match direction {
        Direction::Allocation => (*allocations, allocations.saturating_sub(*allocations_fast)),
        Direction::Free => (*frees, frees.saturating_sub(*frees_fast)),
    }
}
