use super::*;

use sample::comparison;

#[test]
fn the_text_says_the_verdict_first_and_fits_eighty_columns() {
    let text = comparison().text(TextStyle::new(80, false));
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    insta::assert_snapshot!(text, @r"
    regressed: 158 ns per operation more in slow paths: routing of C7
      before  yesterday.hakrec@10:00..10:01: 1 process, 601 samples in 1m00s, 123M
              operations of server
      after   today.hakrec: 1 process, 601 samples in 1m00s, 123M operations of
              server

    CAUSES, in nanoseconds per operation (99 % interval)
     1. routing · C7 free routed                                 +158 (+154 to +162)
        the routing changed from direct to exclude: frees of C7 leave the fast path
        in 100 % of cases instead of 1.2 %
        → unset HAKMEM_ROUTING, or take direct or uniform, which free C7 fast
     2. duration · C7 free flush_full                         -0.30 (-0.80 to +0.20)
        slow paths of C7 take 640 ns instead of 1.15 µs
        → nothing to do

    CHANGE, in nanoseconds in slow paths per operation
      before          7.40
      mix            +0.12  -0.28 to +0.52         other sizes are used
      frequency       +158  +154 to +162           more or fewer calls are slow
      duration       -0.32  -0.82 to +0.18         slow calls take more or less time
      after            165  +158, 22.3 times as much

    CLASSES, before and after; what each adds in nanoseconds per operation
    CLASS CALLS       SHARE %        SLOW %      SLOW TAKES     MIX   FREQ.  DURAT.
    C3    alloc   25.0   24.0   1.02   1.01 1.15 µs  640 ns   -0.12  -0.016  -0.040
    C3    free    25.0   24.0   0.80   0.81 1.15 µs  640 ns   -0.12  +0.016  -0.040
    C7    alloc   25.0   26.0   1.50   1.51 1.15 µs  640 ns   +0.12  +0.016  -0.040
    C7    free    25.0   26.0   1.23    100 1.15 µs  640 ns   +0.12    +158  -0.040

    REASONS, before and after; as a share of the calls of their class
    CLASS CALLS REASON                           COUNT               %   ADDS NS
    C7    free  routed                      0    32.0M       0     100      +158
    C7    alloc flush_full               461k     483k    1.50    1.51    +0.016
    C3    alloc flush_full               314k     298k    1.02    1.01    -0.016
    C3    free  flush_full               246k     239k    0.80    0.81    +0.016

    WHAT ELSE DIFFERS
      routing            direct → exclude

    CAVEATS
      - 12 events were lost on the second side; counts are complete

    METHOD
      A path regressed if its part of the cost rose by more than 10 % and 0.50 ns
      per operation with 99 % confidence; at least 10000 operations and 8 intervals
      on each side.
      Intervals: circular moving-block bootstrap (Künsch 1989; Politis & Romano
      1992). Mix and path: symmetric decomposition of a difference of rates
      (Kitagawa 1955).
    ");
}

#[test]
fn colours_come_only_where_they_are_wanted_and_change_no_word() {
    let plain = comparison().text(TextStyle::new(80, false));
    let painted = comparison().text(TextStyle::new(80, true));
    assert!(painted.starts_with("\u{1b}[1;31mregressed\u{1b}[0m: "), "{painted}");
    let mut stripped = String::new();
    for part in painted.split('\u{1b}') {
        stripped.push_str(part.strip_prefix('[').map_or(part, |it| it.split_once('m').unwrap().1));
    }
    assert_eq!(stripped, plain);
}

#[test]
fn names_of_others_cannot_move_the_cursor() {
    let mut diagnosis = sample::diagnosis();
    spoil(&mut diagnosis, "\u{1b}[2J\u{202e}\n");
    let comparison = Comparison::new(diagnosis, &Side::default(), &Side::default());
    let text = comparison.text(TextStyle::new(100, false));
    let bad = |it: char| it != '\n' && hakmem_agent::text::is_unsafe(it);
    assert!(!text.contains(bad), "{text:?}");
    assert_eq!(text.lines().next(), Some("regressed: \u{fffd}[2J\u{fffd} "));
}

#[test]
fn an_answer_without_anything_to_tell_is_short() {
    let mut diagnosis = sample::diagnosis();
    diagnosis.verdict = Verdict::NotEnoughData;
    diagnosis.headline = "312 operations before, 10 000 are needed".into();
    (diagnosis.causes, diagnosis.strata) = (Vec::new(), Vec::new());
    (diagnosis.differences, diagnosis.change) = (Vec::new(), Default::default());
    let comparison = Comparison::new(diagnosis, &Side::default(), &Side::default());
    assert_eq!(comparison.exit_code(), 2);
    let text = comparison.text(TextStyle::new(100, false));
    insta::assert_snapshot!(text, @r"
    not enough data: 312 operations before, 10 000 are needed
      before  yesterday.hakrec@10:00..10:01: 1 process, 601 samples in 1m00s, 123M operations of server
      after   today.hakrec: 1 process, 601 samples in 1m00s, 123M operations of server

    CHANGE, in nanoseconds in slow paths per operation
      before          7.40
      mix                0  0 to 0                 other sizes are used
      frequency          0  0 to 0                 more or fewer calls are slow
      duration           0  0 to 0                 slow calls take more or less time
      after           7.40  0

    CAVEATS
      - 12 events were lost on the second side; counts are complete

    METHOD
      A path regressed if its part of the cost rose by more than 10 % and 0.50 ns per operation with
      99 % confidence; at least 10000 operations and 8 intervals on each side.
      Intervals: circular moving-block bootstrap (Künsch 1989; Politis & Romano 1992). Mix and path:
      symmetric decomposition of a difference of rates (Kitagawa 1955).
    ");
    check_markup(&comparison.page());
}

#[test]
fn verdicts_have_exit_codes() {
    let code = |verdict| {
        let diagnosis = Diagnosis { verdict, ..sample::diagnosis() };
        Comparison::new(diagnosis, &Side::default(), &Side::default()).exit_code()
    };
    let verdicts =
        [Verdict::Improved, Verdict::Unchanged, Verdict::Regressed, Verdict::NotEnoughData];
    assert_eq!(verdicts.map(code), [0, 0, 1, 2]);
}

#[test]
fn the_document_is_the_diagnosis() {
    let document: serde_json::Value = serde_json::from_str(&comparison().document()).unwrap();
    assert_eq!(document["version"], 1);
    assert_eq!(document["verdict"], "regressed");
    assert_eq!(document["causes"][0]["kind"], "routing");
    assert_eq!(document["strata"][3]["reasons"][0]["reason"], "routed");
}

#[test]
fn courses_keep_the_last_sample_and_leave_gaps_where_too_little_happened() {
    let mut side = sample::samples(0.25);
    let [.., resting, a, b, c, last] = side.series[0].samples.as_mut_slice() else { panic!() };
    let (at, idle) = (last.sampled_at, &resting.classes);
    [a, b, c, last].into_iter().for_each(|it| it.classes.clone_from(idle));
    let strata = sample::diagnosis().strata;
    let courses = courses::of_strata(&strata, &side, &Side::default());
    assert_eq!(courses.len(), 4);
    let points = &courses[3].sides[0][0].points;
    assert_eq!(points.len(), 60, "every fourth of 240");
    assert!((points[0].1.unwrap() - 0.25).abs() < 0.001, "{points:?}");
    let seconds = at.as_ref().map(crate::model::seconds).unwrap() - 1_000_000.0;
    assert_eq!(points[59], (seconds, None), "counters that stand still are a gap");
    assert!(courses[3].sides[1].is_empty());
}

#[test]
fn the_page_is_well_formed_and_refers_to_nothing_outside() {
    let page = comparison().page();
    check_markup(&page);
    for outside in ["http:", "https:", "src=", "href=", "url(", "@import", "<script", "<link"] {
        assert!(!page.contains(outside), "{outside}");
    }
    for drawn in ["id=\"waterfall-t\"", "id=\"cause-0-t\"", "id=\"time-3-t\"", "prefers-color"] {
        assert!(page.contains(drawn), "{drawn}");
    }
    assert_eq!(page.matches("<polyline class=\"course before\"").count(), 4);
    // Every picture has a title and a description, to which `aria-labelledby` refers.
    assert_eq!(page.matches("role=\"img\"").count(), page.matches("<desc id=").count());
}

#[test]
fn the_page_escapes_what_others_have_named() {
    let mut diagnosis = sample::diagnosis();
    spoil(&mut diagnosis, "<script>alert('&\"')</script>");
    let page = Comparison::new(diagnosis, &sample::samples(0.1), &sample::samples(0.1)).page();
    check_markup(&page);
    assert!(!page.contains("<script"), "{page}");
    assert!(page.matches("&lt;script&gt;alert(&#39;&amp;&quot;&#39;)&lt;/script&gt;").count() > 20);
}

#[test]
fn numbers_that_are_none_break_no_drawing() {
    let mut diagnosis = sample::diagnosis();
    diagnosis.before.cost_ns = f64::NAN;
    diagnosis.causes[0].cost_ns.high = f64::INFINITY;
    diagnosis.strata[0].mix_ns = f64::NEG_INFINITY;
    let page = Comparison::new(diagnosis, &Side::default(), &sample::samples(0.0)).page();
    check_markup(&page);
    assert!(!page.contains("=\"NaN") && !page.contains("=\"inf"), "{page}");
}

/// Puts `text` into every field of `diagnosis` that may hold text from elsewhere.
fn spoil(diagnosis: &mut Diagnosis, text: &str) {
    let texts = |side: &mut hakmem_diagnosis::diagnosis::SideSummary| {
        side.name = text.into();
        side.programs = vec![text.into()];
        side.executables = vec![text.into()];
        side.build_ids = vec![text.into()];
    };
    texts(&mut diagnosis.before);
    texts(&mut diagnosis.after);
    diagnosis.headline = text.into();
    for cause in &mut diagnosis.causes {
        cause.class = Some(text.into());
        cause.reason = Some(text.into());
        (cause.text, cause.advice) = (text.into(), text.into());
    }
    for stratum in &mut diagnosis.strata {
        stratum.class = text.into();
        stratum.reasons.iter_mut().for_each(|it| it.reason = text.into());
    }
    for it in &mut diagnosis.differences {
        (it.what, it.before, it.after) = (text.into(), text.into(), text.into());
    }
    diagnosis.caveats.iter_mut().for_each(|it| it.text = text.into());
}

/// Checks that every element is closed in the right order and that attributes are quoted.
fn check_markup(page: &str) {
    const VOID: [&str; 1] = ["meta"];
    let (_, body) = page.split_once("<html").unwrap();
    let (head, rest) = body.split_once("<style>").unwrap();
    let (_, rest) = rest.split_once("</style>").unwrap();
    let text = format!("<html{head}{rest}");
    let mut open: Vec<&str> = Vec::new();
    for part in text.split('<').skip(1) {
        let (tag, content) = part.split_once('>').unwrap_or_else(|| panic!("no end: {part}"));
        assert!(!content.contains('>'), "a bare > in {content}");
        assert_eq!(tag.matches('"').count() % 2, 0, "quotes in {tag}");
        let bare = tag.split('"').step_by(2).collect::<String>();
        assert_eq!(bare.matches('=').count() * 2, tag.matches('"').count(), "quotes in {tag}");
        let name = tag.split([' ', '\n', '/']).find(|it| !it.is_empty()).unwrap();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "{tag} ends what is not open");
        } else if !tag.ends_with('/') && !VOID.contains(&name) {
            open.push(name);
        }
    }
    assert_eq!(open, Vec::<&str>::new());
}

/// Debian's `redis-server` is a link to `redis-check-rdb`.
#[test]
fn programs_are_called_by_the_names_that_people_know() {
    let mut comparison = comparison();
    let before = &mut comparison.diagnosis.before;
    before.programs = vec!["redis-server".into()];
    before.executables = vec!["/usr/bin/redis-check-rdb".into()];
    let text = comparison.text(TextStyle::new(200, false));
    assert!(text.contains("operations of redis-server\n"), "{text}");
    assert!(!text.contains("redis-check-rdb"), "{text}");
}
