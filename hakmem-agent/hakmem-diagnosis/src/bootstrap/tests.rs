use super::*;

#[test]
fn blocks_are_longer_where_neighbours_depend_on_each_other() {
    let lengths = [(0.0, 27), (0.5, 64), (0.9, 64), (0.9, 1_000)].map(|(r, n)| block_length(r, n));
    assert_eq!(lengths, [3, 6, 16, 51]);
    assert_eq!([block_length(0.97, 1), block_length(0.5, 0)], [1, 1]);
}

#[test]
fn short_blocks_show_less_of_what_depends() {
    assert_eq!(shown_share(0.0, 1), 1.0);
    let shown = shown_share(0.9, 12);
    assert!((shown - 0.434).abs() < 0.001, "{shown}");
    assert!(shown_share(0.97, 1) >= 0.1);
}

#[test]
fn numbers_are_drawn_evenly_and_the_same_again() {
    let mut random = Random::new(7);
    let mut counts = [0; 5];
    (0..50_000).for_each(|_| counts[random.below(5)] += 1);
    assert!(counts.iter().all(|count| (9_700..10_300).contains(count)), "{counts:?}");
    let again: Vec<usize> = std::iter::repeat_with({
        let mut random = Random::new(7);
        move || random.below(5)
    })
    .take(3)
    .collect();
    let mut random = Random::new(7);
    assert_eq!(again, [0; 3].map(|_| random.below(5)));
}

#[test]
fn the_generator_is_the_published_one() {
    let mut random = Random::new(1_234_567);
    let published = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973];
    assert_eq!([0; 2].map(|_| random.next()), published);
}

/// A hundred values of which `length` in a row are 1, the next −1, and so on.
fn square_wave(length: usize) -> Vec<f64> {
    (0..100_usize).map(|at| if (at / length).is_multiple_of(2) { 1.0 } else { -1.0 }).collect()
}

#[test]
fn dependence_is_found_and_not_underestimated() {
    let check = |runs: &[Vec<f64>], expected: f64| {
        let found = autocorrelation(runs);
        assert!((found - expected).abs() < 1e-3, "{found} is not {expected}");
    };
    // The coefficient 0.81, corrected by (1 + 3 · 0.81) / 100, plus a standard error of 0.059.
    check(&[square_wave(10)], 0.903);
    check(&[square_wave(2)], 0.120);
    check(&[square_wave(1)], 0.0);
    check(&[square_wave(50)], 0.97);
    // Ends of runs are no neighbours.
    let pairs: Vec<Vec<f64>> = square_wave(2).chunks(2).map(<[f64]>::to_vec).collect();
    check(&pairs, 0.612);
    check(&[], 0.0);
}

fn urn(count: usize, rho: f64, by_run: bool) -> Urn {
    let rows = vec![vec![vec![1.0]; count]];
    Urn::of(rows, vec![vec![0.5; count]], by_run, rho)
}

#[test]
fn an_interval_is_as_wide_as_its_independent_values_require() {
    let urn_of_64 = urn(64, 0.5, false);
    assert_eq!(urn_of_64.describe(), "64 intervals in blocks of 6");
    assert!((urn_of_64.blocks() - 64.0 / 6.0).abs() < 1e-9);
    // 64/6 blocks that show 0.78125 of the variance; Student's t of 19.3 degrees of freedom.
    let factor = half_width_factor(&urn_of_64, &urn_of_64, 0.99);
    assert!((factor - 3.3943).abs() < 1e-3, "{factor}");
    // Four runs on each side have six degrees of freedom together.
    let runs = urn(4, 0.0, true);
    assert_eq!((runs.describe().as_str(), runs.blocks()), ("4 runs", 4.0));
    let factor = half_width_factor(&runs, &runs, 0.99);
    assert!((factor - 3.70718 * (4.0_f64 / 3.0).sqrt()).abs() < 1e-3, "{factor}");
    // Values that depend strongly count as few, whatever the length of a block is.
    assert!((urn(1_000, 0.9, false).blocks() - 1_000.0 / 51.0).abs() < 1e-9);
    assert!((urn(20, 0.9, false).blocks() - 20.0 * 0.1 / 1.9).abs() < 1e-9);
}

#[test]
fn a_drawing_has_as_many_rows_as_the_run_and_only_its_rows() {
    let rows = vec![(0..10).map(|it| vec![1.0, f64::from(it)]).collect::<Vec<_>>(), vec![]];
    let urn = Urn::of(rows, vec![vec![0.5; 10]], false, 0.5);
    let mut random = Random::new(5);
    let mut sums = [7.0; 2];
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..200 {
        urn.draw(&mut random, &mut sums);
        assert_eq!(sums[0], 10.0);
        assert!((0.0..=90.0).contains(&sums[1]), "{sums:?}");
        seen.insert(sums[1] as u64);
    }
    assert!(seen.len() > 10, "{seen:?}");
}
