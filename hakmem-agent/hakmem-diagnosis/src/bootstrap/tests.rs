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
