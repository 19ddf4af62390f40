use super::*;

/// Allocations with one timed and one untimed reason, frees with one.
fn layout(bins: &[u32]) -> Layout {
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    Layout {
        classes: vec!["mid".to_owned()],
        reasons: [words(&["refill_central", "refill_spare"]), words(&["flush_full"])],
        timed: [vec![true, false], vec![true]],
        bins: vec![bins.to_vec()],
    }
}

const ALLOCATIONS: StratumId = StratumId { class: 0, direction: 0 };
const FREES: StratumId = StratumId { class: 0, direction: 1 };

/// The parts of the change between two rows, at 20 ns for each slow path.
fn parts(layout: &Layout, rows: [&[f64]; 2]) -> (PartsLayout, Vec<f64>) {
    assert!(rows.iter().all(|row| row.len() == layout.width()));
    let sides = rows.map(|row| Sums::of(row, layout));
    let sides = [&sides[0], &sides[1]];
    let known = known(sides, layout);
    let at = PartsLayout::of(layout);
    let mut prices = Prices::default();
    prices.ns = vec![20.0];
    let mut parts = vec![0.0; at.width()];
    split(sides, &prices, &known, &at, &mut parts);
    (at, parts)
}

fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
}

#[test]
fn a_change_is_split_as_the_formulas_say() {
    let layout = layout(&[]);
    // Operations and reasons of allocations, then of frees; number and sum of durations.
    let before = [1000.0, 100.0, 50.0, 1000.0, 0.0, 100.0, 1000.0];
    let after = [3000.0, 600.0, 300.0, 1000.0, 0.0, 600.0, 18_000.0];
    let (at, parts) = parts(&layout, [&before, &after]);
    near(parts[at.mix(ALLOCATIONS)], 20.0 * (0.75 - 0.5) * (0.1 + 0.2) / 2.0);
    let frequency = &parts[at.frequency(ALLOCATIONS)];
    near(frequency[0], 20.0 * (0.5 + 0.75) / 2.0 * (0.2 - 0.1));
    near(frequency[1], 0.0);
    let share = &parts[at.share(ALLOCATIONS)];
    near(share[0], 0.1);
    near(share[1], 0.05);
    // From 10 ns to 30 ns each.
    near(parts[at.duration(ALLOCATIONS)], 0.75 * 0.2 * 10.0 + 0.5 * 0.1 * 10.0);
    near(parts[at.weight(ALLOCATIONS)], 0.25);
    near(parts[at.weight(FREES)], -0.25);
    let cost = |at: &PartsLayout, of: StratumId| {
        parts[at.mix(of)] + parts[at.duration(of)] + parts[at.frequency(of)].iter().sum::<f64>()
    };
    // From 0.5 · 0.1 · 10 to 0.75 · 0.2 · 30.
    near(cost(&at, ALLOCATIONS) + cost(&at, FREES), 4.5 - 0.5);
}

#[test]
fn what_a_side_hardly_used_is_all_mix() {
    let layout = layout(&[]);
    let check = |operations: f64, others: f64, is_known: bool| {
        let before = [operations, 10.0, 0.0, others, 0.0, 10.0, 200.0];
        let after = [1000.0, 100.0, 0.0, 1000.0, 0.0, 100.0, 2000.0];
        let (at, parts) = parts(&layout, [&before, &after]);
        let frequency = parts[at.frequency(ALLOCATIONS)][0];
        assert_eq!(frequency != 0.0, is_known, "{operations} {others}");
        let change = 20.0 * (100.0 / 2000.0 - 10.0 / (operations + others));
        near(parts[at.mix(ALLOCATIONS)] + frequency, change);
    };
    check(200.0, 200.0, true);
    check(199.0, 199.0, false);
    // A share that is more than ten times smaller.
    check(1000.0, 19_000.0, true);
    check(1000.0, 19_100.0, false);
}

/// A row of a class with two bins: allocations and timed refills of each.
fn of_bins(bins: [(f64, f64); 2], price: f64) -> Vec<f64> {
    let [(one, refills_one), (two, refills_two)] = bins;
    let refills = refills_one + refills_two;
    let class = [one + two, refills, 0.0, 0.0, 0.0, refills, refills * price];
    let of_bin = |operations, refills| [operations, refills, 0.0, 0.0, 0.0];
    [&class[..], &of_bin(one, refills_one), &of_bin(two, refills_two)].concat()
}

#[test]
fn other_bins_of_a_class_are_mix_and_not_frequency() {
    let layout = layout(&[22, 23]);
    // A tenth and a half of the bins' allocations are slow, on both sides.
    let before = of_bins([(3000.0, 300.0), (1000.0, 500.0)], 20.0);
    let after = of_bins([(1000.0, 100.0), (3000.0, 1500.0)], 20.0);
    let (at, found) = parts(&layout, [&before, &after]);
    near(found[at.frequency(ALLOCATIONS)][0], 0.0);
    near(found[at.mix(ALLOCATIONS)], 20.0 * (0.4 - 0.2));
    near(found[at.share(ALLOCATIONS)][0], 0.0);
    // Twice as many are slow in the second bin.
    let after = of_bins([(3000.0, 300.0), (1000.0, 1000.0)], 20.0);
    let (at, found) = parts(&layout, [&before, &after]);
    near(found[at.frequency(ALLOCATIONS)][0], 20.0 * 0.25 * 0.5);
    near(found[at.share(ALLOCATIONS)][0], 0.25 * 0.5);
    near(found[at.mix(ALLOCATIONS)], 0.0);
}

#[test]
fn longer_slow_paths_of_other_bins_are_mix() {
    let layout = layout(&[22, 23]);
    let before = of_bins([(1000.0, 300.0), (1000.0, 100.0)], 10.0);
    let after = of_bins([(1000.0, 100.0), (1000.0, 300.0)], 30.0);
    let (at, found) = parts(&layout, [&before, &after]);
    // From 10 ns to 30 ns each; half of the slow paths are of the same bins.
    near(found[at.duration(ALLOCATIONS)], 0.2 * (10.0 + 10.0) * 0.5);
    near(found[at.mix(ALLOCATIONS)], 0.2 * (10.0 + 10.0) * 0.5);
}

#[test]
fn bins_that_do_not_account_for_their_class_are_not_compared() {
    let layout = layout(&[22, 23]);
    let before = of_bins([(3000.0, 300.0), (1000.0, 500.0)], 20.0);
    let mut after = of_bins([(1000.0, 100.0), (3000.0, 1500.0)], 20.0);
    // An older agent does not tell the bins.
    after[7..].fill(0.0);
    let (at, found) = parts(&layout, [&before, &after]);
    near(found[at.frequency(ALLOCATIONS)][0], 20.0 * (0.4 - 0.2));
    near(found[at.mix(ALLOCATIONS)], 0.0);
}
