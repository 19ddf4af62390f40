use super::*;

fn of(counts: &[(usize, u64)]) -> Histogram {
    let mut all = [0; BUCKETS];
    for &(index, count) in counts {
        all[index] = count;
    }
    Histogram::from_counts(all)
}

#[test]
fn an_hdr_histogram_loses_nothing() {
    let full = Histogram::from_counts((0..BUCKETS as u64).map(|index| index * 7 + 1));
    assert_eq!(Histogram::from_hdr(&full.to_hdr()), full);
    assert_eq!(full.to_hdr().len(), full.count());
    for index in 0..BUCKETS {
        let one = of(&[(index, 3)]);
        assert_eq!(Histogram::from_hdr(&one.to_hdr()), one, "bucket {index}");
    }
}

#[test]
fn quantiles_lie_in_the_bucket_of_their_rank() {
    let check = |counts: &[(usize, u64)], quantile: f64, bucket: usize| {
        let found = of(counts).quantile_ns(quantile);
        assert_eq!(hakmem_segment::duration::bucket(found), bucket, "{counts:?} {quantile}");
    };
    check(&[(10, 99), (40, 1)], 0.5, 10);
    check(&[(10, 99), (40, 1)], 0.99, 10);
    check(&[(10, 99), (40, 1)], 0.999, 40);
    check(&[(10, 1)], 0.0, 10);
    check(&[(BUCKETS - 1, 1)], 1.0, BUCKETS - 1);
    assert_eq!(Histogram::default().quantile_ns(0.5), 0);
    assert_eq!(of(&[(3, u64::MAX), (4, u64::MAX)]).count(), u64::MAX);
}

#[test]
fn what_was_added_since_is_what_was_added() {
    let earlier = of(&[(1, 5), (7, 2)]);
    let added = of(&[(0, 1), (7, 4), (115, 9)]);
    let mut later = earlier.clone();
    later.add(&added);
    assert_eq!(later.since(&earlier), added);
    assert_eq!(earlier.since(&later), Histogram::default());
}

#[test]
fn a_quantile_is_interpolated_inside_its_bucket() {
    // From 32 to 39 ns, and from 64 to 79 ns.
    let histogram = of(&[(4, 10), (8, 10)]);
    let quantiles = [0.0, 0.25, 0.5, 0.525, 0.75, 1.0].map(|it| histogram.quantile_ns(it));
    assert_eq!(quantiles, [32, 35, 39, 65, 71, 79]);
    assert_eq!([-1.0, 2.0].map(|it| histogram.quantile_ns(it)), [32, 79]);
}

#[test]
fn only_buckets_with_durations_are_kept() {
    assert!(of(&[]).is_empty() && !of(&[(3, 1)]).is_empty());
    let histogram = Histogram::from_counts((0..200).map(|it| u64::from(it >= 114)));
    assert_eq!(histogram.buckets().collect::<Vec<_>>(), [(114, 1), (115, 1)]);
    let mut sum = of(&[(1, u64::MAX), (5, 2)]);
    sum.add(&of(&[(1, 1), (3, 4), (5, 5)]));
    assert_eq!(sum, of(&[(1, u64::MAX), (3, 4), (5, 7)]));
}
