//! Malformed samples.

use super::synthetic::{Program, usual};
use crate::diagnosis::Verdict;
use crate::side::{Series, Side};
use crate::{Options, diagnose};

fn forbids(diagnosis: &crate::Diagnosis) -> Vec<&str> {
    let caveats = diagnosis.caveats.iter().filter(|caveat| caveat.forbids);
    caveats.map(|caveat| caveat.text.as_str()).collect()
}

#[test]
fn nothing_against_nothing_is_not_unchanged() {
    let nothing = Side::default();
    let empty = Side { series: vec![Series::default()], ..Side::default() };
    for (before, after) in [(&nothing, &nothing), (&empty, &nothing), (&usual().side(), &empty)] {
        let diagnosis = diagnose(before, after, &Options::default());
        assert_eq!(diagnosis.verdict, Verdict::NotEnoughData);
        assert!(forbids(&diagnosis).iter().any(|text| text.contains("fewer than two samples")));
    }
}

#[test]
fn too_little_is_named() {
    let few = Program { intervals: 3, ..usual() };
    let diagnosis = diagnose(&usual().side(), &few.side(), &Options::default());
    assert_eq!(diagnosis.verdict, Verdict::NotEnoughData);
    let enough = "after: only 3 intervals between samples, but at least 8 are needed; 1 s like \
                  these would be enough, or 3 whole runs on each side";
    assert_eq!(forbids(&diagnosis), [enough]);
    let options = Options { operations_min: u64::MAX, ..Options::default() };
    let diagnosis = diagnose(&usual().side(), &usual().side(), &options);
    assert_eq!(forbids(&diagnosis).len(), 2);
}

#[test]
fn lost_and_torn_samples_are_told_and_do_no_harm() {
    let before = usual().side();
    let mut after = Program { seed: 2, ..usual() }.side();
    let series = &mut after.series[0];
    series.lost_events = 7;
    series.lost_samples = 2;
    series.samples[5].loss.as_mut().unwrap().torn = true;
    series.samples[6].classes.clear();
    series.samples[7].sampled_at = None;
    series.samples[9].sampled_at = series.samples[8].sampled_at;
    series.samples[11].classes.retain(|class| class.class != "C7");
    let whole = diagnose(&before, &Program { seed: 2, ..usual() }.side(), &Options::default());
    let diagnosis = diagnose(&before, &after, &Options::default());
    assert_eq!(diagnosis.verdict, Verdict::Unchanged);
    assert_eq!(diagnosis.after.operations, whole.after.operations, "counters lose nothing");
    let texts: Vec<&str> = diagnosis.caveats.iter().map(|it| it.text.as_str()).collect();
    for part in
        ["7 events", "2 samples are missing", "1 samples are torn", "2 samples have no time"]
    {
        assert!(texts.iter().any(|text| text.contains(part)), "{part}: {texts:#?}");
    }
    after.series[0].lost_samples = 1_000;
    let diagnosis = diagnose(&before, &after, &Options::default());
    assert_eq!(diagnosis.verdict, Verdict::NotEnoughData);
}

#[test]
fn counters_that_fall_cost_one_interval() {
    let mut after = usual().side();
    let again = usual().series();
    for (place, sample) in again.samples.into_iter().enumerate() {
        let at = prost_types::Timestamp { seconds: 2_000_000 + place as i64, nanos: 0 };
        after.series[0].samples.push(hakmem_proto::v1::Process { sampled_at: Some(at), ..sample });
    }
    let diagnosis = diagnose(&usual().side(), &after, &Options::default());
    assert_eq!(diagnosis.after.operations, 2 * diagnosis.before.operations);
    assert!(diagnosis.caveats.iter().any(|it| it.text.contains("1 intervals were left out")));
}

#[test]
fn threads_that_publish_nothing_forbid_an_answer() {
    let mut after = usual().side();
    for sample in &mut after.series[0].samples {
        sample.loss.as_mut().unwrap().unpublished_threads = 1;
    }
    let diagnosis = diagnose(&usual().side(), &after, &Options::default());
    assert_eq!(forbids(&diagnosis).len(), 1, "{:#?}", diagnosis.caveats);
    assert_eq!(diagnosis.verdict, Verdict::NotEnoughData);
}

#[test]
fn differences_are_those_that_both_sides_know() {
    let mut before = usual();
    before.identity.build_id = "aa".to_owned();
    let mut after = usual();
    after.identity.build_id = "bb".to_owned();
    after.identity.check = String::new();
    let [mut before, mut after] = [before.side(), after.side()];
    for (side, host) in [(&mut before, "a"), (&mut after, "b")] {
        let machine = hakmem_proto::v1::Machine { host: host.to_owned(), ..Default::default() };
        side.series[0].machine = Some(machine);
    }
    let diagnosis = diagnose(&before, &after, &Options::default());
    let what: Vec<&str> = diagnosis.differences.iter().map(|it| it.what.as_str()).collect();
    assert_eq!(what, ["build_id", "host"]);
    assert!(diagnosis.caveats.iter().any(|it| it.text.starts_with("the machines differ")));
}

#[test]
fn ends_and_numbers_and_limits_that_differ_are_said() {
    let conditions = |stack: &str, check: Option<&str>| hakmem_proto::v1::Machine {
        limits: [("stack size".to_owned(), stack.to_owned())].into(),
        environment: check
            .map(|it| ("HAKMEM_CHECK".to_owned(), it.to_owned()))
            .into_iter()
            .collect(),
        ..Default::default()
    };
    let mut before = usual().side();
    before.series[0].machine = Some(conditions("8388608", None));
    let mut after = Program { seed: 2, ..usual() }.side();
    after.series[0].machine = Some(conditions("unlimited", Some("full")));
    after.series.push(Program { seed: 3, ..usual() }.side().series.remove(0));
    let last = after.series[1].samples.last_mut().unwrap();
    (last.state, last.end_signal) = ("crashed".to_owned(), Some(11));
    let diagnosis = diagnose(&before, &after, &Options::default());
    let differ: Vec<String> = diagnosis
        .differences
        .iter()
        .map(|it| format!("{}: {} {}", it.what, it.before, it.after))
        .collect();
    let expected = [
        "processes: 1 2",
        "limit stack size: 8388608 unlimited",
        "variable HAKMEM_CHECK: none full",
    ];
    assert_eq!(differ, expected);
    let said = "after: 1 of 2 crashed by signal 11, so it may not have done all of its work";
    assert!(diagnosis.caveats.iter().any(|it| it.text == said), "{:#?}", diagnosis.caveats);
}

#[test]
fn what_would_be_enough_is_enough() {
    let few = |intervals: usize| Program { intervals, interval_seconds: 1.0, ..usual() }.side();
    let diagnosis = diagnose(&few(4), &few(12), &Options::default());
    let said = "before: only 4 intervals between samples, but at least 8 are needed; 8 s like \
                these would be enough";
    assert!(diagnosis.headline.contains(said), "{}", diagnosis.headline);
    let diagnosis = diagnose(&few(8), &few(12), &Options::default());
    assert_eq!(diagnosis.verdict, Verdict::Unchanged, "{}", diagnosis.headline);
    let idle = |intervals: usize| {
        let mut program = Program { intervals, interval_seconds: 1.0, ..usual() };
        for class in &mut program.classes {
            (class.allocations, class.frees) = (50.0, 50.0);
        }
        program.side()
    };
    let options = Options { operations_min: 6_000, ..Options::default() };
    let diagnosis = diagnose(&idle(8), &idle(40), &options);
    let said = "operations, but at least 6000 are needed; 11 s like these would be enough";
    assert!(diagnosis.headline.contains(said), "{}", diagnosis.headline);
}

#[test]
fn runs_are_the_blocks_where_there_are_three() {
    let runs = |seeds: std::ops::Range<u64>| Side {
        series: seeds.map(|seed| Program { seed, intervals: 4, ..usual() }.series()).collect(),
        ..Side::default()
    };
    let diagnosis = diagnose(&runs(0..3), &runs(10..13), &Options::default());
    assert_eq!(diagnosis.verdict, Verdict::Unchanged, "{:#?}", diagnosis.caveats);
    assert!(diagnosis.method.intervals.contains("3 runs"), "{}", diagnosis.method.intervals);
}

#[test]
fn the_document_has_the_fields_that_scripts_rely_on() {
    let diagnosis = diagnose(&usual().side(), &usual().side(), &Options::default());
    let document = serde_json::to_value(&diagnosis).unwrap();
    let keys = |value: &serde_json::Value| {
        let keys = value.as_object().unwrap().keys();
        keys.cloned().collect::<Vec<String>>().join(" ")
    };
    assert_eq!(
        keys(&document),
        "after before causes caveats change differences headline method strata \
         unchanged_because verdict version"
    );
    assert_eq!(document["verdict"], "unchanged");
    assert_eq!(keys(&document["change"]), "duration frequency mix path relative total");
    assert_eq!(keys(&document["change"]["total"]), "high low value");
    let stratum = &document["strata"][0];
    assert_eq!(keys(stratum), "class direction duration_ns frequency_ns mix_ns reasons sides");
    assert_eq!(keys(&stratum["sides"][0]), "operations share slow_ns slow_share");
    assert_eq!(keys(&stratum["reasons"][0]), "count frequency_ns per_operation reason");
}

#[test]
fn made_up_words_take_no_more_than_their_place() {
    let mut after = usual().side();
    for (place, sample) in after.series[0].samples.iter_mut().enumerate() {
        let new = |word: usize| hakmem_proto::v1::ClassCounters {
            class: format!("new-{word}"),
            allocations: 10 * place as u64,
            ..Default::default()
        };
        sample.classes.extend((0..5_000).map(new));
    }
    let diagnosis = diagnose(&usual().side(), &after, &Options::default());
    assert!(diagnosis.strata.iter().any(|stratum| stratum.class == "C7"));
    assert!(diagnosis.strata.len() <= 64, "{}", diagnosis.strata.len());
}
