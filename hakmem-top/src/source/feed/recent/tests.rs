use super::*;
use crate::model::sample;

#[test]
fn the_halves_share_the_sample_in_the_middle() {
    let samples = (0..=20).map(|at| sample::process(1, "a", f64::from(at), 1e6)).collect();
    let series = Series { samples, ..Series::default() };
    let middle = sample::STARTED_AT as f64 + 10.0;
    let diagnosis = halves(&series, middle, 10.0).diagnosis;
    assert_eq!((diagnosis.before.samples, diagnosis.after.samples), (11, 11));
    assert_eq!((diagnosis.before.to, diagnosis.after.from), (middle, middle));
    assert_eq!(diagnosis.before.name, "the 10s before");
    assert_eq!(diagnosis.after.name, "the last 10s");
}
