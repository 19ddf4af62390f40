//! How slow each class was over time, on both sides: the data for the page's plots.
//!
//! Counters are cumulative, so any subset of the samples yields a coarser course without losing
//! operations between two samples.

use hakmem_diagnosis::diagnosis::{Direction, Stratum};
use hakmem_diagnosis::{Series, Side};
use hakmem_proto::v1::{ClassCounters, Process};

use crate::model::seconds;

/// Points of a course at most: the eye cannot use more.
const POINTS_MAX: f64 = 60.0;
/// How long a course waits for enough operations, as a fraction of its length, before it has a gap.
const GAPS_MAX: f64 = 12.0;
/// Courses per side at most; the others are counted.
const COURSES_MAX: usize = 8;
/// Least number of operations for a share; a share of fewer is noise.
const OPERATIONS_MIN: u64 = 500;

/// One class and direction over time.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassCourses {
    /// The class.
    pub class: String,
    /// Allocations or frees.
    pub direction: Direction,
    /// Before and after.
    pub sides: [Vec<Course>; 2],
    /// Courses of both sides that are left out.
    pub left_out: usize,
}

/// One process over time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Course {
    /// Ends of intervals, in seconds since the side's series began, and the slow share within each;
    /// `None` where too few operations happened.
    pub points: Vec<(f64, Option<f64>)>,
}

/// The courses of `strata`; those that changed most come first.
pub(super) fn of_strata(strata: &[Stratum], before: &Side, after: &Side) -> Vec<ClassCourses> {
    let weight = |it: &Stratum| it.frequency_ns.abs() + it.duration_ns.abs();
    let mut strata: Vec<&Stratum> = strata.iter().collect();
    strata.sort_by(|a, b| weight(b).total_cmp(&weight(a)));
    let of = |stratum: &Stratum| {
        let sides = [before, after].map(|side| courses(side, &stratum.class, stratum.direction));
        let left_out = sides.iter().map(|it| it.len().saturating_sub(COURSES_MAX)).sum();
        let sides = sides.map(|mut courses| {
            courses.truncate(COURSES_MAX);
            courses
        });
        ClassCourses { class: stratum.class.clone(), direction: stratum.direction, sides, left_out }
    };
    strata.into_iter().map(of).collect()
}

/// The courses of the processes on a side that used the class.
fn courses(side: &Side, class: &str, direction: Direction) -> Vec<Course> {
    let courses = side.series.iter().map(|series| course(series, class, direction));
    courses.filter(|it| it.points.iter().any(|(_, share)| share.is_some())).collect()
}

fn course(series: &Series, class: &str, direction: Direction) -> Course {
    let (Some(first), Some(last)) = (series.samples.first(), series.samples.last()) else {
        return Course::default();
    };
    let (began, ended) = (at(first), at(last));
    let step = (ended - began) / POINTS_MAX;
    let patience = (ended - began) / GAPS_MAX;
    let (mut since, mut base) = (began, counts(first, class, direction));
    let mut points = Vec::new();
    for sample in &series.samples[1..] {
        let (now, counts) = (at(sample), counts(sample, class, direction));
        let operations = counts.0.saturating_sub(base.0);
        let slow = counts.1.saturating_sub(base.1);
        let is_last = now >= ended;
        let is_enough = operations >= OPERATIONS_MIN && now - since >= step * 0.99;
        if !is_enough && now - since < patience && !is_last {
            continue;
        }
        let share = (operations >= OPERATIONS_MIN).then(|| slow as f64 / operations as f64);
        points.push((now - began, share));
        (since, base) = (now, counts);
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
