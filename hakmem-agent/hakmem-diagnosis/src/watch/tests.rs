use super::*;
use crate::diagnosis::Estimate;
use crate::side::Side;
use crate::{Options, diagnose};

/// An answer with one cause, or without any.
fn answer(verdict: Verdict, kind: Option<CauseKind>) -> Diagnosis {
    let nothing = Side::default();
    let mut diagnosis = diagnose(&nothing, &nothing, &Options::default());
    diagnosis.verdict = verdict;
    diagnosis.causes = kind.into_iter().map(cause).collect();
    diagnosis
}

fn cause(kind: CauseKind) -> Cause {
    Cause {
        kind,
        class: Some("C7".to_owned()),
        direction: Some(Direction::Free),
        reason: Some("routed".to_owned()),
        cost_ns: Estimate { value: 5.0, low: 4.0, high: 6.0 },
        slow_share: Estimate::default(),
        operations: [1, 1],
        text: String::new(),
        advice: String::new(),
    }
}

/// Feeds answers: `r` regressed, `u` unchanged, `n` not enough data, `m` another mix. The turns
/// come out as `+`, `~`, `-`.
fn check(answers: &str, expected: &str) -> Watch {
    let mut watch = Watch::new(2, 3);
    let mut found = String::new();
    for (at, letter) in answers.chars().enumerate() {
        let answer = match letter {
            'r' => answer(Verdict::Regressed, Some(CauseKind::Routing)),
            'm' => answer(Verdict::Regressed, Some(CauseKind::Mix)),
            'n' => answer(Verdict::NotEnoughData, Some(CauseKind::Routing)),
            _ => answer(Verdict::Unchanged, Some(CauseKind::Routing)),
        };
        let turns = watch.hear(&answer, at as f64);
        found.extend(turns.iter().map(|turn| match turn {
            Turn::Began(_) => '+',
            Turn::Changed(_) => '~',
            Turn::Ended(_) => '-',
        }));
    }
    assert_eq!(found, expected, "{answers}");
    watch
}

#[test]
fn a_finding_begins_and_ends_slowly() {
    check("rurur", "");
    check("urr", "+");
    check("rrruuu", "+~-");
    check("rruuru", "+~");
    check("rnr", "+");
    check("rruunnu", "+-");
    check("mmm", "");
}

#[test]
fn it_knows_since_when_and_until_when() {
    let mut watch = check("urrr", "+~");
    let finding = watch.ongoing().next().unwrap();
    assert_eq!((finding.since, finding.until), (1.0, None));
    let quiet = answer(Verdict::Unchanged, None);
    let turns: Vec<Turn> = (4..8).flat_map(|at| watch.hear(&quiet, f64::from(at))).collect();
    let [Turn::Ended(finding)] = turns.as_slice() else { panic!("{turns:?}") };
    assert_eq!((finding.since, finding.until), (1.0, Some(4.0)));
    assert_eq!(watch.ongoing().count(), 0);
}

#[test]
fn the_end_of_the_program_ends_what_has_begun() {
    let mut watch = check("rr", "+");
    assert!(
        matches!(watch.end(9.0).as_slice(), [Turn::Ended(finding)] if finding.until == Some(9.0))
    );
    assert!(check("r", "").end(9.0).is_empty());
}

#[test]
fn a_leak_begins_later_and_may_show_in_another_class() {
    let mut watch = Watch::new(2, 3).with_leaks_after(4);
    let mut begun = 0;
    for at in 0..6 {
        let mut answer = answer(Verdict::Regressed, Some(CauseKind::Leak));
        answer.causes[0].class = Some(format!("C{at}"));
        let turns = watch.hear(&answer, f64::from(at));
        begun += turns.iter().filter(|turn| matches!(turn, Turn::Began(_))).count();
        assert_eq!(begun, usize::from(at >= 3), "{at}");
        assert_eq!(watch.pending().count(), usize::from(at < 3), "{at}");
    }
    let seen = watch.ongoing().next().unwrap();
    assert_eq!((seen.since, seen.cause.class.as_deref()), (0.0, Some("C5")));
}

#[test]
fn longer_durations_are_no_finding() {
    let mut watch = Watch::new(1, 1);
    assert_eq!(watch.hear(&answer(Verdict::Regressed, Some(CauseKind::Duration)), 0.0), []);
}

#[test]
fn what_became_cheaper_is_no_finding() {
    let heard = |kind: CauseKind, value: f64| {
        let mut answer = answer(Verdict::Regressed, Some(kind));
        answer.causes[0].cost_ns.value = value;
        Watch::new(1, 1).hear(&answer, 0.0).len()
    };
    assert_eq!([5.0, 0.0, -5.0].map(|value| heard(CauseKind::Capacity, value)), [1, 0, 0]);
    assert_eq!([0.0, -5.0].map(|value| heard(CauseKind::Retention, value)), [1, 1]);
    assert_eq!(heard(CauseKind::SizeCrossing, 5.0), 0);
}

#[test]
fn three_answers_in_a_row_begin_a_finding_unless_another_number_is_set() {
    let mut watch = Watch::default();
    let worse = answer(Verdict::Regressed, Some(CauseKind::Routing));
    assert!(watch.hear(&worse, 1.0).is_empty() && watch.hear(&worse, 2.0).is_empty());
    assert_eq!((watch.pending().count(), watch.ongoing().count()), (1, 0));
    let turns = watch.hear(&worse, 3.0);
    let [Turn::Began(finding)] = &turns[..] else { panic!("{turns:?}") };
    assert_eq!((finding.since, finding.until, finding.key().0), (1.0, None, CauseKind::Routing));
    assert_eq!((watch.pending().count(), watch.ongoing().count()), (0, 1));
}
