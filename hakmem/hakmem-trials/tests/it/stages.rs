//! Programs that go wrong in one way each are recorded, compared and checked by the commands that
//! users type; these tests measure how often the answer is right.
//!
//! The right answers were written down before they were measured: [`CASES`]. Several comparisons
//! run at once, because a verdict must not need an idle machine.

mod commands;
mod wander;

use commands::{Answer, Bench};

/// Comparisons that a short test makes for each of its cases.
const FEW: u64 = 3;

/// A stage, and the right answer when it goes wrong.
#[derive(Clone, Copy, Debug)]
struct Case {
    stage: &'static str,
    verdict: &'static str,
    /// Kinds that are right for the first cause; if empty, any kind is right, and so is no cause.
    kinds: &'static [&'static str],
    /// Seconds for which a recorded program runs.
    seconds: u64,
}

impl Case {
    fn is_right(&self, answer: &Answer) -> bool {
        let is_named = self.kinds.is_empty() || self.kinds.contains(&answer.kind.as_str());
        answer.verdict == self.verdict && is_named
    }
}

/// Seconds of a recording, unless a case needs more.
const SECONDS: u64 = 4;

const fn case(stage: &'static str, verdict: &'static str, kinds: &'static [&'static str]) -> Case {
    Case { stage, verdict, kinds, seconds: SECONDS }
}

/// The right answers.
const CASES: [Case; 9] = [
    // The cache is never emptied, so it is a leak, however slowly it grows.
    case("cache", "regressed", &["leak"]),
    // The cache has a limit, at which its growth ends.
    case("filling", "unchanged", &[]),
    // The surviving sixteenth of a burst retains all of its memory.
    case("bursts", "regressed", &["retention"]),
    case("fragmentation", "regressed", &["retention"]),
    // A batch has more blocks than the lists hold: they run empty and full all the time. Six
    // batches come per second, and during the first twenty, slabs are still new ones: the cost
    // falls meanwhile, and a comparison can hardly be sure of it.
    Case { seconds: 8, ..case("batches", "regressed", &["reason", "capacity"]) },
    // The blocks that were on the lists must be fetched again.
    case("trim", "regressed", &["reason", "capacity"]),
    // Beyond 256 KiB each block is mapped on its own.
    case("spans", "regressed", &["large_spans"]),
    // The sizes differ, but take the same paths, however much larger they are.
    case("buffers", "unchanged", &["mix"]),
    case("handover", "regressed", &["handover"]),
];

/// Whether an answer about an unchanged program is a false alarm.
fn is_alarm(answer: &Answer) -> bool {
    matches!(answer.verdict.as_str(), "regressed" | "improved")
}

/// Prints one row of the table.
fn tell(name: &str, answers: &[Answer], is_right: impl Fn(&Answer) -> bool) -> (usize, usize) {
    let right = answers.iter().filter(|it| is_right(it)).count();
    println!("| {name} | {} | {right} |", answers.len());
    for answer in answers.iter().filter(|it| !is_right(it)) {
        println!("    {}, first {:?}: {}", answer.verdict, answer.kind, answer.headline);
    }
    (right, answers.len())
}

#[test]
fn a_few_stages_are_judged_rightly() {
    let bench = Bench::new(3);
    let shown = ["cache", "spans", "buffers"];
    for case in CASES.iter().filter(|case| shown.contains(&case.stage)) {
        let (changed, _) = bench.diffs(case.stage, case.seconds, FEW);
        let (right, _) = tell(case.stage, &changed, |it| case.is_right(it));
        assert!(right + 1 >= FEW as usize, "{}: {right} of {FEW}", case.stage);
    }
}

/// `.ci/diagnosis` runs this by hand. `DIAGNOSIS_REPETITIONS` sets the number of repetitions, and
/// `DIAGNOSIS_STAGES` the stages.
#[test]
#[ignore = "takes an hour; .ci/diagnosis runs it"]
fn rates_of_right_answers() {
    let times = std::env::var("DIAGNOSIS_REPETITIONS").ok().and_then(|it| it.parse().ok());
    let times: u64 = times.unwrap_or(20);
    let wanted = std::env::var("DIAGNOSIS_STAGES").unwrap_or_default();
    let is_wanted = |stage: &str| wanted.is_empty() || wanted.split(',').any(|it| it == stage);
    let bench = Bench::new(4);
    let mut missed = Vec::new();
    let mut alarms = (0, 0);
    println!("| case | runs | right |\n|---|---|---|");
    for case in CASES.iter().filter(|case| is_wanted(case.stage)) {
        let (changed, same) = bench.diffs(case.stage, case.seconds, times);
        let (checked, checked_same) = bench.checks(case.stage, times);
        for (how, answers) in [("diff", &changed), ("check", &checked)] {
            let name = format!("{}, {how}", case.stage);
            let (right, all) = tell(&name, answers, |it| case.is_right(it));
            if right * 20 < all * 19 {
                missed.push(format!("{name}: {right} of {all}"));
            }
        }
        for (how, answers) in [("diff", &same), ("check", &checked_same)] {
            let name = format!("{} unchanged, {how}", case.stage);
            let (right, all) = tell(&name, answers, |it| !is_alarm(it));
            alarms = (alarms.0 + all - right, alarms.1 + all);
        }
    }
    if is_wanted("wander") {
        for window in wander::WINDOWS {
            let answers = wander::windows(&bench, window, times);
            let name = format!("windows of {window} s of a wandering load");
            let (right, all) = tell(&name, &answers, |it| !is_alarm(it));
            if right * 20 < all * 19 {
                missed.push(format!("{name}: {right} of {all}"));
            }
        }
    }
    println!("false alarms of unchanged programs: {} of {}", alarms.0, alarms.1);
    assert!(alarms.0 * 100 <= alarms.1, "{} false alarms of {}", alarms.0, alarms.1);
    assert!(missed.is_empty(), "{missed:#?}");
}
