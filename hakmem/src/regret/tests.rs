use super::*;

const FLOOR: usize = 10;
const CEILING: usize = 100;

#[test]
fn memory_that_is_needed_again_is_kept_from_then_on_and_no_more_than_that() {
    let mut regret = Regret::new(FLOOR, CEILING);
    regret.took_new(50);
    assert_eq!(regret.kept_bytes(), FLOOR, "nothing was purged");
    regret.gave(30, 0);
    regret.took_new(20);
    assert_eq!(regret.kept_bytes(), FLOOR + 20);
    regret.took_new(20);
    assert_eq!(regret.kept_bytes(), FLOOR + 30, "only 30 bytes were purged");
    regret.gave(usize::MAX, 0);
    regret.took_new(usize::MAX);
    assert_eq!(regret.kept_bytes(), CEILING);
}

#[test]
fn what_was_learnt_fades_while_nothing_is_purged() {
    let mut regret = Regret::new(FLOOR, CEILING);
    regret.gave(60, 0);
    regret.took_new(60);
    regret.gave(5, 1_000);
    regret.fade(1_999);
    assert_eq!(regret.kept_bytes(), 70, "less than a second ago");
    regret.fade(2_000);
    assert_eq!(regret.kept_bytes(), 35);
    regret.took_new(5);
    assert_eq!(regret.kept_bytes(), 35, "what was purged long ago is not regretted");
    regret.fade(2_500);
    assert_eq!(regret.kept_bytes(), 35, "once a second");
    regret.fade(9_000);
    regret.fade(19_000);
    assert_eq!(regret.kept_bytes(), FLOOR);
}
