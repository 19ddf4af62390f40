use std::sync::Arc;

use hakmem_diagnosis::Side;
use hakmem_diagnosis::diagnosis::{Cause, CauseKind, Direction, Estimate};

use super::super::comparison::Baseline;
use super::*;

/// Seconds within which symptoms begin together.
const TOGETHER: f64 = 60.0;

#[derive(Clone, Copy)]
enum Was {
    Begun,
    Seen,
    Over,
}

fn symptom(was: Was, class: &str, cost_ns: f64, since: f64) -> Symptom {
    let cause = Cause {
        kind: CauseKind::Reason,
        class: Some(class.to_owned()),
        direction: Some(Direction::Free),
        reason: None,
        cost_ns: Estimate { value: cost_ns, low: cost_ns, high: cost_ns },
        slow_share: Estimate::default(),
        operations: [0; 2],
        text: String::new(),
        advice: String::new(),
    };
    let finding = Finding { since, until: None, cost_ns: [1.0, 1.0 + cost_ns], cause };
    let turn = match was {
        Was::Begun => Turn::Began(finding),
        Was::Seen => Turn::Changed(finding),
        Was::Over => Turn::Ended(Finding { until: Some(since), ..finding }),
    };
    let baseline = Baseline { side: Arc::new(Side::default()), recording: None };
    Symptom { turn, baseline, current: Some(Arc::new(Side::default())) }
}

/// Takes symptoms; returns the reports as `(number, news, class, others)`.
fn take(
    changes: &mut Changes,
    now: f64,
    symptoms: Vec<(Source, Symptom)>,
) -> Vec<(u64, News, String, usize)> {
    let mut next_id = changes.open.iter().map(|it| it.id).max().unwrap_or(0);
    let told = changes.take(symptoms, now, &mut next_id);
    let class = |it: &Told| it.finding.cause.class.clone().unwrap();
    told.iter().map(|it| (it.id, it.news, class(it), it.others)).collect()
}

#[test]
fn what_begins_together_is_one_finding_of_what_costs_most() {
    let mut changes = Changes::new(TOGETHER);
    let both =
        vec![(0, symptom(Was::Begun, "C1", 2.0, 5.0)), (3, symptom(Was::Begun, "C2", 9.0, 5.0))];
    assert_eq!(take(&mut changes, 10.0, both), [(1, News::Began, "C2".into(), 1)]);
    // This symptom becomes sure later, and costs more.
    let later = vec![(4, symptom(Was::Begun, "C3", 20.0, 40.0))];
    assert_eq!(take(&mut changes, 50.0, later), [(1, News::Changed, "C3".into(), 2)]);
    // After that, the reported symptom stays.
    let grown = vec![(0, symptom(Was::Seen, "C1", 50.0, 5.0))];
    assert_eq!(take(&mut changes, 90.0, grown), [(1, News::Changed, "C3".into(), 2)]);
}

#[test]
fn what_begins_much_later_is_another_change() {
    let mut changes = Changes::new(TOGETHER);
    take(&mut changes, 10.0, vec![(0, symptom(Was::Begun, "C1", 2.0, 5.0))]);
    let later = vec![(0, symptom(Was::Begun, "C2", 2.0, 95.0))];
    assert_eq!(take(&mut changes, 100.0, later), [(2, News::Began, "C2".into(), 0)]);
    // A symptom that was over for a while returns to its finding.
    assert_eq!(
        take(&mut changes, 110.0, vec![(0, symptom(Was::Over, "C1", 2.0, 105.0))]),
        [(1, News::Ended, "C1".into(), 0)]
    );
    let again = vec![(0, symptom(Was::Seen, "C2", 2.0, 95.0))];
    assert_eq!(take(&mut changes, 120.0, again), [(2, News::Changed, "C2".into(), 0)]);
}

#[test]
fn a_finding_ends_with_the_last_of_its_symptoms() {
    let mut changes = Changes::new(TOGETHER);
    let both =
        vec![(0, symptom(Was::Begun, "C1", 2.0, 5.0)), (0, symptom(Was::Begun, "C2", 9.0, 5.0))];
    take(&mut changes, 10.0, both);
    let over = vec![(0, symptom(Was::Over, "C2", 9.0, 150.0))];
    assert_eq!(take(&mut changes, 200.0, over), [(1, News::Changed, "C1".into(), 1)]);
    let back = vec![(0, symptom(Was::Begun, "C2", 9.0, 250.0))];
    assert_eq!(take(&mut changes, 260.0, back), [(1, News::Changed, "C1".into(), 1)]);
    let over = |class: &str| (0, symptom(Was::Over, class, 9.0, 300.0));
    let ended = take(&mut changes, 300.0, vec![over("C1"), over("C2")]);
    assert_eq!(ended.len(), 1);
    assert_eq!((ended[0].0, ended[0].1), (1, News::Ended));
    assert_eq!(take(&mut changes, 310.0, vec![over("C1")]), [], "it ends once");
}

#[test]
fn findings_of_one_program_are_bounded() {
    let mut changes = Changes::new(TOGETHER);
    for index in 0..20 {
        let now = f64::from(index) * 100.0;
        take(&mut changes, now, vec![(0, symptom(Was::Begun, &format!("C{index}"), 1.0, now))]);
    }
    assert_eq!(changes.open.len(), OPEN_MAX);
}
