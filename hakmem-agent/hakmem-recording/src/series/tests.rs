use super::*;
use crate::sample::timestamp;

fn sample(after_start: f64) -> Process {
    Process { sampled_at: Some(timestamp(after_start)), ..Process::default() }
}

fn moments(samples: &[Process]) -> Vec<f64> {
    let start = moment(&sample(0.0));
    samples.iter().map(|it| ((moment(it) - start) * 10.0).round() / 10.0).collect()
}

#[test]
fn samples_keep_their_distance_and_the_newest_is_there() {
    let mut thinned = Thinned::new(1.0);
    (0..=25).for_each(|tenth| drop(thinned.push(sample(f64::from(tenth) / 10.0))));
    assert_eq!(moments(&thinned.into_samples()), [0.0, 1.0, 2.0, 2.5]);
}

#[test]
fn without_a_step_all_are_kept() {
    let mut thinned = Thinned::new(0.0);
    (0..5).for_each(|tenth| drop(thinned.push(sample(f64::from(tenth) / 10.0))));
    assert_eq!(thinned.into_samples().len(), 5);
}

#[test]
fn too_many_samples_are_thinned_evenly() {
    let mut collector = Collector::bounded(1000, 2000);
    let identity = Identity::default();
    for second in 0..1000 {
        let process = Process { key: "a".to_owned(), ..sample(f64::from(second)) };
        let at = process.sampled_at.unwrap();
        collector.sample(Sample { identity: &identity, process: &process, at, at_rest: false });
    }
    let [series] = <[_; 1]>::try_from(collector.into_series()).unwrap();
    let moments = moments(&series.samples);
    assert!((40..200).contains(&moments.len()), "{}", moments.len());
    assert_eq!((moments[0], moments[moments.len() - 1]), (0.0, 999.0));
    let steps: Vec<f64> = moments.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(steps[..steps.len() - 1].iter().all(|step| *step == steps[0]), "{steps:?}");
}

#[test]
fn no_more_samples_are_left_out_than_memory_requires() {
    let bytes = Process { key: "a".to_owned(), ..sample(1.5) }.encoded_len();
    // Ten a second, of which three quarters fit.
    let mut collector = Collector::bounded(100, 300 * (bytes + 2));
    let identity = Identity::default();
    for tenth in 0..400 {
        let process = Process { key: "a".to_owned(), ..sample(f64::from(tenth) / 10.0) };
        let at = process.sampled_at.unwrap();
        collector.sample(Sample { identity: &identity, process: &process, at, at_rest: false });
    }
    let [series] = <[_; 1]>::try_from(collector.into_series()).unwrap();
    assert!((190..300).contains(&series.samples.len()), "{}", series.samples.len());
}

#[test]
fn a_series_has_the_labels_that_its_process_had_last() {
    let mut collector = Collector::new(1000);
    for (second, service) in ["none", "first", "second"].into_iter().enumerate() {
        let labels = [("service".to_owned(), service.to_owned())].into();
        let identity = Identity { labels, ..Identity::default() };
        let process = Process { key: "a".to_owned(), ..sample(second as f64) };
        let at = process.sampled_at.unwrap();
        collector.sample(Sample { identity: &identity, process: &process, at, at_rest: false });
    }
    assert_eq!(collector.into_series()[0].identity.labels["service"], "second");
}
