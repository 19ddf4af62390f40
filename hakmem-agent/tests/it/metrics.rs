//! The metrics that Prometheus gets.

use std::collections::{BTreeSet, HashMap};
use std::io::Write as _;
use std::process::{Command, Stdio};

use hakmem_agent::text::is_unsafe;
use hakmem_reader::fixture::{FixtureProcess, ProcessNumbers, SegmentWriter, bin_of};
use hakmem_reader::{Class, FreeReason, Outcome};

use crate::fleet::{Fleet, eventually, http_get, program};

const OPENMETRICS: &str = "application/openmetrics-text;version=1.0.0";

fn load(writer: &mut SegmentWriter) {
    let slot = writer.slot(1);
    slot.free(bin_of(Class::C7), 50);
    slot.duration(Class::C7, 1000);
    slot.allocate_large(1 << 20);
}

async fn page(fleet: &Fleet, accept: &str) -> String {
    fleet.http("/metrics", accept).await.1
}

/// Value of a series that is named with some of its labels; only one series may have all of these.
pub(crate) fn value(page: &str, series: &str) -> Option<f64> {
    let (name, labels) =
        series.strip_suffix('}').unwrap_or(series).split_once('{').unwrap_or((series, ""));
    let is_meant = |line: &&str| {
        let Some(rest) = line.strip_prefix(name) else { return false };
        match rest.strip_prefix('{') {
            Some(told) => labels.split(',').all(|label| told.contains(label)),
            None => rest.starts_with(' ') && labels.is_empty(),
        }
    };
    let mut lines = page.lines().filter(is_meant);
    let line = lines.next()?;
    assert_eq!(lines.next(), None, "{series} is ambiguous");
    Some(line.rsplit(' ').next().unwrap().parse().unwrap())
}

pub(crate) fn promtool_accepts(page: &str) {
    let child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.expect("this test needs promtool; install Debian's package `prometheus`");
    child.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let complaints = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaints.is_empty(), "{complaints}");
}

#[tokio::test]
async fn promtool_accepts_the_text_format() {
    let fleet = Fleet::start().await;
    let mut writer = program(fleet.path(), "/usr/bin/a \"quoted\" \\name", 200);
    load(&mut writer);
    eventually(async || page(&fleet, "").await.contains("class=\"large\"").then_some(())).await;
    promtool_accepts(&page(&fleet, "text/plain").await);
}

#[tokio::test]
async fn both_formats_say_the_same() {
    let fleet = Fleet::start().await;
    let mut writer = program(fleet.path(), "both", 200);
    load(&mut writer);
    eventually(async || page(&fleet, "").await.contains("class=\"large\"").then_some(())).await;
    let (head, text) = fleet.http("/metrics", "text/plain").await;
    assert!(head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{head}");
    let (head, open) = fleet.http("/metrics", OPENMETRICS).await;
    assert!(head.contains("application/openmetrics-text; version=1.0.0"), "{head}");
    assert!(open.ends_with("\n# EOF\n") && !text.contains("# EOF"));
    assert!(open.starts_with("# TYPE hakmem_allocations counter\n"));
    assert!(text.starts_with("# TYPE hakmem_allocations_total counter\n"));
    let samples = |page: &str| -> HashMap<String, String> {
        let lines = page.lines().filter(|line| !line.starts_with('#'));
        let pairs = lines.filter_map(|line| line.rsplit_once(' '));
        let steady = pairs.filter(|(series, _)| !series.starts_with("hakmem_agent_"));
        steady.map(|(series, value)| (series.to_owned(), value.to_owned())).collect()
    };
    assert_eq!(samples(&open), samples(&text));
    assert!(samples(&open).len() > 50);
}

#[tokio::test]
async fn what_the_system_refused_is_counted() {
    let fleet = Fleet::start().await;
    let mut writer = program(fleet.path(), "/bin/locks", 200);
    load(&mut writer);
    writer.set_numbers(&ProcessNumbers {
        large_purged_bytes: 8192,
        unmaps_refused_total: 5,
        purges_refused_total: 6,
        advice_refused_total: 7,
        ..ProcessNumbers::default()
    });
    let of = |page: &str, name: &str| {
        let series = format!("hakmem_{name}{{executable=\"locks\",");
        let line = page.lines().find(|line| line.starts_with(&series))?;
        line.rsplit(' ').next()?.parse::<f64>().ok()
    };
    let page = eventually(async || {
        let page = page(&fleet, "").await;
        of(&page, "refused_unmaps_total").is_some_and(|it| it > 0.0).then_some(page)
    })
    .await;
    assert_eq!(of(&page, "refused_unmaps_total"), Some(5.0));
    assert_eq!(of(&page, "refused_purges_total"), Some(6.0));
    assert_eq!(of(&page, "refused_advice_total"), Some(7.0));
    assert_eq!(of(&page, "large_purged_bytes"), Some(8192.0));
}

/// The rules of OpenMetrics that `promtool` does not check: names, units and order.
#[tokio::test]
async fn openmetrics_families_are_well_formed() {
    let fleet = Fleet::start().await;
    let mut writer = program(fleet.path(), "formed", 200);
    load(&mut writer);
    eventually(async || page(&fleet, "").await.contains("class=\"large\"").then_some(())).await;
    let page = page(&fleet, OPENMETRICS).await;
    let mut families: Vec<(&str, &str)> = Vec::new();
    for line in page.lines().filter(|&line| line != "# EOF") {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        match (words[0], words.get(1).copied()) {
            ("#", Some("TYPE")) => {
                assert!(families.iter().all(|(name, _)| *name != words[2]), "{} twice", words[2]);
                families.push((words[2], words[3]));
            }
            ("#", Some("UNIT")) => assert!(words[2].ends_with(&format!("_{}", words[3])), "{line}"),
            ("#", Some("HELP")) => assert!(words[3].ends_with('.'), "{line}"),
            _ => {
                let (name, kind) = families.last().unwrap();
                let suffix = line.split(['{', ' ']).next().unwrap().strip_prefix(name).unwrap();
                let allowed: &[&str] = match *kind {
                    "counter" => &["_total"],
                    "gauge" => &[""],
                    "info" => &["_info"],
                    "histogram" => &["_bucket", "_sum", "_count"],
                    other => panic!("{other}"),
                };
                assert!(allowed.contains(&suffix), "{line}");
                assert!(!line.contains("NaN"), "{line}");
            }
        }
    }
    assert!(families.len() > 30, "{}", families.len());
}

#[tokio::test]
async fn ended_processes_are_dropped_and_live_ones_carry_their_counts() {
    let fleet = Fleet::start().await;
    let writer = program(fleet.path(), "/bin/lives", 200);
    let ends = program(fleet.path(), "/bin/ends", 100);
    let series = |name: &str| format!("hakmem_allocations_total{{executable=\"{name}\",pid=");
    for name in ["lives", "ends"] {
        eventually(async || page(&fleet, "").await.contains(&series(name)).then_some(())).await;
    }
    ends.exit(0);
    eventually(async || (!page(&fleet, "").await.contains(&series("ends"))).then_some(())).await;
    let page = page(&fleet, "").await;
    let line = page.lines().find(|line| line.starts_with(&series("lives"))).unwrap();
    assert!(line.contains("class=\"C7\"") && line.ends_with("} 200"), "{line}");
    assert_eq!(value(&page, "hakmem_agent_processes{state=\"exited\"}"), Some(1.0));
    drop(writer);
}

#[tokio::test]
async fn beyond_the_limit_processes_are_summed_and_no_series_falls_or_goes() {
    let fleet = Fleet::start_with(|config| config.max_processes_with_pid_label = 2).await;
    let start = || program(fleet.path(), "/bin/many", 100);
    let name = "hakmem_allocations_total{executable=\"many\",pid=\"";
    let sum = format!("{name}\",class=\"C7\"}}");
    // Series with a pid, as they are written.
    let labelled = async || {
        let page = page(&fleet, "").await;
        let lines = page.lines().filter(|line| line.starts_with(name));
        let own: BTreeSet<String> =
            lines.filter(|line| !line.contains("pid=\"\"")).map(str::to_owned).collect();
        (own, value(&page, &sum))
    };
    let reaches = async |own: usize, expected: Option<f64>| {
        eventually(async || {
            let (labelled, sum) = labelled().await;
            (labelled.len() == own && sum == expected).then_some(labelled)
        })
        .await
    };
    let first = start();
    reaches(1, None).await;
    let second = start();
    let both = reaches(2, None).await;
    // Processes that come later change nothing for those that are there.
    let mut further: Vec<_> = (0..3).map(|_| start()).collect();
    assert_eq!(reaches(2, Some(300.0)).await, both);
    // If a process of the sum ends, the sum stays; if one with labels ends, nothing is added to the
    // sum.
    further.pop().unwrap().exit(0);
    eventually(async || {
        let page = page(&fleet, "").await;
        assert_eq!(value(&page, &sum), Some(300.0));
        (value(&page, "hakmem_agent_processes{state=\"running\"}") == Some(4.0)).then_some(())
    })
    .await;
    first.exit(0);
    let left = reaches(1, Some(300.0)).await;
    assert!(left.is_subset(&both));
    // There is room for another, but no process moves out of the sum for it.
    let _third = start();
    assert!(reaches(2, Some(300.0)).await.is_superset(&left));
    further[0].slot(1).allocate(bin_of(Class::C7), 11);
    reaches(2, Some(311.0)).await;
    drop(second);
}

#[tokio::test]
async fn ends_are_counted_beyond_what_is_kept_of_them_and_once_each() {
    let fleet = Fleet::start_with(|config| config.keep_ended = 2).await;
    let _runs = program(fleet.path(), "/bin/loop", 1);
    let series =
        |state: &str| format!("hakmem_process_ends_total{{executable=\"loop\",state=\"{state}\"}}");
    // The series starts at 0, as `rate()` needs it.
    let crashed = series("crashed");
    eventually(async || value(&page(&fleet, "").await, &crashed).filter(|&n| n == 0.0)).await;
    for _ in 0..70 {
        program(fleet.path(), "/bin/loop", 1).exit(0);
    }
    for _ in 0..3 {
        drop(program(fleet.path(), "/bin/loop", 1));
    }
    eventually(async || {
        let page = page(&fleet, "").await;
        let ends = (value(&page, &series("exited"))?, value(&page, &series("ended"))?);
        (ends == (70.0, 3.0)).then_some(())
    })
    .await;
    let page = page(&fleet, "").await;
    assert_eq!(value(&page, &series("crashed")), Some(0.0));
    assert_eq!(value(&page, &series("replaced")), Some(0.0));
    promtool_accepts(&page);
}

#[tokio::test]
async fn other_pages_answer() {
    let fleet = Fleet::start().await;
    let mut writer = program(fleet.path(), "/bin/<page>", 200);
    load(&mut writer);
    fleet.key_of("/bin/<page>").await;
    assert!(fleet.http("/-/healthy", "").await.0.starts_with("HTTP/1.1 200"));
    eventually(async || {
        fleet.http("/-/ready", "").await.0.starts_with("HTTP/1.1 200").then_some(())
    })
    .await;
    let (head, body) = fleet.http("/", "text/html").await;
    assert!(head.contains("text/html") && body.contains("&lt;page&gt;"), "{body}");
    assert!(fleet.http("/nothing", "").await.0.starts_with("HTTP/1.1 404"));
    let (head, body) = fleet.http("/api/v1/snapshot", "").await;
    assert!(head.contains("application/json"), "{head}");
    let document: serde_json::Value = serde_json::from_str(&body).unwrap();
    let process = &document["processes"][0];
    assert_eq!(process["executable"], "/bin/<page>");
    assert_eq!((&process["state"], &process["routing"]), (&"running".into(), &"direct".into()));
    let class = &process["classes"][0];
    assert_eq!(class["class"], "C7");
    assert_eq!((&class["allocations"], &class["frees"]), (&200.into(), &50.into()));
    for member in ["slow_allocations", "slow_frees", "outcomes"] {
        assert!(class[member].is_object(), "{member}");
    }
    for member in ["depth_blocks", "live_blocks", "live_bytes"] {
        assert!(class[member].is_number(), "{member}");
    }
}

#[tokio::test]
async fn text_of_strangers_rules_no_terminal_anywhere() {
    let fleet = Fleet::start_with(|config| config.http_shows_arguments = true).await;
    let hostile = "x\u{1b}[2J\ny\u{202e}z\u{200b}\u{9b}8m";
    let facts = FixtureProcess {
        arguments: vec![hostile.to_owned()],
        labels: format!("team={hostile},{hostile}=team"),
        package_version: "1\u{202e}\u{1b}2".to_owned(),
        ..FixtureProcess::new(&format!("/bin/{hostile}"))
    };
    let mut writer = SegmentWriter::create(fleet.path(), &facts);
    writer.take_slot(1, "a\u{202e}\u{1b}");
    let process = eventually(async || {
        let process = fleet.list_all().await.pop()?;
        Some(fleet.get(&process.key).await).filter(|process| !process.threads.is_empty())
    })
    .await;
    let identity = process.identity.unwrap();
    let labels = identity.labels.iter().flat_map(|(key, value)| [key, value]);
    let texts = [&identity.executable, &identity.library_version, &process.threads[0].name];
    for text in identity.arguments.iter().chain(labels).chain(texts) {
        assert!(!text.contains(is_unsafe), "{text:?}");
    }
    assert_eq!(identity.labels.len(), 2);
    for path in ["/metrics", "/", "/api/v1/snapshot"] {
        let (_, body) = fleet.http(path, "").await;
        assert!(body.contains("[2J"), "{path} does not have the name: {body}");
        let bad = |it: char| it != '\n' && is_unsafe(it);
        assert!(!body.contains(bad), "{path}: {body:?}");
    }
}

#[tokio::test]
async fn scrapes_are_counted() {
    let fleet = Fleet::start().await;
    let address = fleet.agent.http_address().unwrap();
    for expected in 1..=3 {
        let (_, page) = http_get(address, "/metrics", "").await;
        assert_eq!(value(&page, "hakmem_agent_scrapes_total"), Some(f64::from(expected)));
    }
}

#[tokio::test]
async fn anomalies_are_told_by_class_and_outlive_a_crash() {
    let fleet = Fleet::start().await;
    let mut writer = program(fleet.path(), "/bin/crashes", 200);
    writer.slot(1).free_slow(bin_of(Class::C7), FreeReason::Check, Outcome::HeaderFalsePositive, 0);
    let key = fleet.key_of("/bin/crashes").await;
    let pid = fleet.get(&key).await.identity.unwrap().pid;
    let series = |outcome: &str| {
        let labels = format!("executable=\"crashes\",pid=\"{pid}\",class=\"C7\"");
        format!("hakmem_classified_frees_total{{{labels},outcome=\"{outcome}\",path=\"slow\"}}")
    };
    let is_told = async || {
        let page = page(&fleet, "").await;
        (value(&page, &series("header_false_positive")) == Some(1.0)).then_some(page)
    };
    let running = eventually(is_told).await;
    // An alert needs to see the step from 0, for every anomaly.
    assert_eq!(value(&running, &series("double_free")), Some(0.0));
    let info = format!("hakmem_process_info{{executable=\"crashes\",pid=\"{pid}\",");
    let info = running.lines().find(|line| line.starts_with(&info)).unwrap();
    assert!(info.contains("routing=\"direct\",check=\"sample\",push=\"\""), "{info}");
    drop(writer);
    fleet.reaches(&key, "ended").await;
    let crashed = eventually(is_told).await;
    assert!(!crashed.contains(&info[..info.find('}').unwrap()]), "{crashed}");
    assert_eq!(value(&crashed, &series("double_free")), None);
    promtool_accepts(&crashed);
}
