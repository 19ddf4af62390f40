//! Every query of dashboards and rules against a real Prometheus: it has data where it should, the
//! data are plausible, and a mistake in a query is found.

use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::http;
use crate::live::wait_until;
use crate::prometheus::{Prometheus, Stack};
use crate::promql::{self, metrics};
use crate::queries::{self, Query, dashboards, list, may_be_empty, substitute, text};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0";
/// Time until data must be there: rates reach back ten seconds, and comparisons five more.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn every_query_of_dashboards_and_rules_returns_data() {
    let mut stack = Stack::start();
    let served = served_metrics(stack.agent);
    promtool_accepts_the_metrics(stack.agent);
    let mut asked = panel_queries();
    asked.extend(rule_queries(&stack.prometheus, &served));
    assert!(asked.len() > 150, "{} queries", asked.len());
    asked.extend(selector_queries(&asked));
    let remarks = not_served(&asked, &served);
    assert!(remarks.is_empty(), "{}", remarks.join("\n"));
    let missing = without_data(&stack.prometheus, &asked, &served);
    assert!(missing.is_empty(), "no data, or not numbers:\n{}", missing.join("\n"));
    variables_have_values(&stack.prometheus);
    a_typo_is_found(&stack.prometheus, &asked, &served);
    values_are_plausible(&stack.prometheus, &asked);
    rules_work(&stack.prometheus);
    only_the_program_with_bugs_raises_an_alert(&stack);
    routings_are_told_apart(&stack);
    for program in [&mut stack.direct, &mut stack.hybrid, &mut stack.wrong] {
        program.assert_running();
    }
}

/// `.ci/dashboards --table` prints every panel with its query and its values under the test's load,
/// for a person to read through for nonsense.
#[test]
#[ignore = "prints a table to be read"]
fn panel_table() {
    let stack = Stack::start();
    let served = served_metrics(stack.agent);
    let asked = panel_queries();
    without_data(&stack.prometheus, &asked, &served);
    for query in asked {
        println!("\n{} [{}] {}\n  {}", query.place, query.unit, query.legend, query.promql);
        for (labels, value) in stack.prometheus.samples(&query.promql) {
            println!("  {value:>24} {labels}");
        }
    }
}

/// The queries of all dashboards, as Grafana would send them.
fn panel_queries() -> Vec<Query> {
    let mut all = Vec::new();
    for dashboard in dashboards() {
        let queries = dashboard.queries().into_iter();
        all.extend(
            queries.map(|query| Query { promql: substitute(&query.promql, &dashboard), ..query }),
        );
    }
    all
}

/// Each metric alone with its matchers, so that no `or vector(0)` hides a mistake in them.
fn selector_queries(asked: &[Query]) -> Vec<Query> {
    let parts = asked.iter().flat_map(|query| {
        promql::selectors(&query.promql).into_iter().map(|it| (query.place.clone(), it))
    });
    let mut queries: Vec<Query> = parts
        .map(|(place, it)| {
            let promql = format!("{}{{{}}}", it.metric, it.matchers);
            Query { place, promql, ..Query::default() }
        })
        .collect();
    queries.sort_by(|one, other| one.promql.cmp(&other.promql));
    queries.dedup_by(|one, other| one.promql == other.promql);
    queries
}

/// Recorded series, the expressions that they are recorded from, and each metric that an alert
/// reads: an alert itself has data only when something is wrong.
fn rule_queries(prometheus: &Prometheus, served: &[String]) -> Vec<Query> {
    let mut asked = Vec::new();
    let mut ask = |place: &str, promql: String| {
        asked.push(Query { place: format!("rule {place}"), promql, ..Query::default() });
    };
    for rule in loaded_rules(prometheus) {
        let (name, promql) = (text(&rule["name"]), text(&rule["query"]));
        if rule["type"] == "recording" {
            ask(name, promql.to_owned());
            ask(name, name.to_owned());
            continue;
        }
        // Fails unless Prometheus accepts the expression.
        prometheus.values(promql);
        for metric in metrics(promql) {
            if may_be_empty(&metric, served).is_none() {
                ask(name, format!("count({metric})"));
            }
        }
    }
    asked
}

fn loaded_rules(prometheus: &Prometheus) -> Vec<Value> {
    let data = prometheus.ask("/api/v1/rules");
    list(&data["groups"]).iter().flat_map(|group| list(&group["rules"]).to_vec()).collect()
}

/// Names of all families and series that the agent serves.
fn served_metrics(agent: SocketAddr) -> Vec<String> {
    let response = http::get(agent, "/metrics", "text/plain").expect("the agent answers");
    let names = response.body.lines().filter(|line| !line.starts_with('#'));
    let mut names: Vec<String> =
        names.filter_map(|line| Some(line.split(['{', ' ']).next()?.to_owned())).collect();
    names.sort();
    names.dedup();
    names
}

/// Remarks on queries of metrics that the agent does not serve.
fn not_served(asked: &[Query], served: &[String]) -> Vec<String> {
    let absent = |name: &String| queries::MAY_BE_ABSENT.iter().any(|(absent, _)| absent == name);
    let mut remarks = Vec::new();
    for query in asked {
        for name in metrics(&query.promql) {
            // Prometheus itself makes recorded series, `up` and `ALERTS`.
            let own = name.contains(':') || name == "up" || name == "ALERTS";
            if !own && !served.contains(&name) && !absent(&name) {
                remarks.push(format!("{} reads {name}, which is not served", query.place));
            }
        }
    }
    remarks
}

/// Queries that should have data, but have none in time.
fn without_data(prometheus: &Prometheus, asked: &[Query], served: &[String]) -> Vec<String> {
    let deadline = Instant::now() + PATIENCE;
    let mut open: Vec<&Query> =
        asked.iter().filter(|query| may_be_empty(&query.promql, served).is_none()).collect();
    loop {
        open.retain(|query| !prometheus.has_data(&query.promql));
        if open.is_empty() || Instant::now() > deadline {
            let remark = |query: &&Query| format!("{}: {}", query.place, query.promql);
            return open.iter().map(remark).collect();
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// The negative control: the same queries with a mistake in each.
fn a_typo_is_found(prometheus: &Prometheus, asked: &[Query], served: &[String]) {
    for (right, wrong) in [
        ("hakmem_", "hakmen_"),
        ("_total", "s_total"),
        ("class=\"C7\"", "class=\"C77\""),
        ("job=~\".+\"", "jop=~\".+\""),
        ("state=\"running\"", "state=\"crawling\""),
        ("(reason)", "(reason"),
    ] {
        let mut tampered: Vec<Query> = Vec::new();
        for query in asked.iter().filter(|query| query.promql.contains(right)) {
            let promql = query.promql.replace(right, wrong);
            tampered.push(Query { promql, place: query.place.clone(), ..Query::default() });
        }
        assert!(!tampered.is_empty(), "nothing has {right}");
        for query in tampered.iter().step_by(tampered.len().div_ceil(8)) {
            let parts = selector_queries(std::slice::from_ref(query));
            let has_data = |query: &Query| prometheus.has_data(&query.promql);
            let silent = !has_data(query) || !parts.iter().all(has_data);
            let found = silent || !not_served(std::slice::from_ref(query), served).is_empty();
            assert!(found, "a typo goes unnoticed in {}: {}", query.place, query.promql);
        }
    }
}

/// Checks that the values under this load contradict no unit and no axis.
fn values_are_plausible(prometheus: &Prometheus, asked: &[Query]) {
    for query in asked {
        for (labels, value) in prometheus.samples(&query.promql) {
            let what = format!("{}: {value} {labels} {}", query.place, query.promql);
            let (low, high) = query.bounds;
            assert!(low.is_none_or(|low| value >= low), "below the axis: {what}");
            // Counts of one instant are read one after the other, so a share may exceed its axis a
            // little.
            assert!(high.is_none_or(|high| value <= high * 1.01), "above the axis: {what}");
            match query.unit.as_str() {
                "percentunit" => assert!(value.abs() <= 1.01, "more than all: {what}"),
                // Slow paths of this load take microseconds, and programs run for a minute.
                "s" => assert!(value.abs() < 600.0, "not seconds: {what}"),
                "bytes" => assert!(value < 1e12, "not bytes: {what}"),
                _ => {}
            }
        }
    }
}

/// A variable's query is `label_values(SELECTOR, LABEL)`, which Grafana sends like this.
fn variables_have_values(prometheus: &Prometheus) {
    for dashboard in dashboards() {
        let queried = dashboard.variables().iter().filter(|it| it["type"] == "query");
        for variable in queried {
            let name = text(&variable["name"]);
            let definition = substitute(text(&variable["definition"]), &dashboard);
            let inside =
                definition.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
            let (selector, label) = inside
                .and_then(|inside| inside.rsplit_once(", "))
                .unwrap_or_else(|| panic!("{name}: {definition} is not label_values"));
            let path = format!("/api/v1/label/{label}/values?match[]={}", http::escape(selector));
            let values = prometheus.ask(&path);
            assert!(!list(&values).is_empty(), "{}: {name} has no values", dashboard.stem);
        }
    }
}

fn rules_work(prometheus: &Prometheus) {
    let rules = loaded_rules(prometheus);
    let alerts = rules.iter().filter(|rule| rule["type"] == "alerting").count();
    assert_eq!(rules.len(), crate::rules::rules().len(), "not all rules are loaded");
    assert!(alerts > 15, "{alerts} alerts");
    for rule in &rules {
        assert_eq!(rule["health"], "ok", "a rule fails: {rule}");
    }
}

/// Checks that the alerts without a waiting time fire for the program that gives reason to, with a
/// command that names it, and for no other program.
fn only_the_program_with_bugs_raises_an_alert(stack: &Stack) {
    let pid = stack.wrong.pid().to_string();
    let names = ["HakmemClassificationAnomaly", "HakmemAllocationsFail"];
    for name in names {
        let promql = format!("ALERTS{{alertname=\"{name}\", alertstate=\"firing\"}}");
        wait_until(&format!("{name} fires at both agents"), PATIENCE, || {
            stack.prometheus.samples(&promql).len() == 2
        });
        for (labels, _) in stack.prometheus.samples(&promql) {
            // Sums over processes have no pid.
            assert!(labels.get("pid").is_none_or(|label| *label == pid), "{labels}");
        }
    }
    let others =
        stack.prometheus.samples("ALERTS{executable=\"busy_threads\", alertstate=\"firing\"}");
    assert!(others.is_empty(), "{others:?}");
    let data = stack.prometheus.ask("/api/v1/alerts");
    let is_meant = |alert: &&Value| {
        alert["state"] == "firing" && names.contains(&text(&alert["labels"]["alertname"]))
    };
    for alert in list(&data["alerts"]).iter().filter(is_meant) {
        let expected = match alert["labels"].get("pid") {
            Some(_) => format!("hakmem-top show {pid}"),
            None => "hakmem-top ls".to_owned(),
        };
        assert_eq!(text(&alert["annotations"]["command"]), expected, "{alert}");
    }
}

fn routings_are_told_apart(stack: &Stack) {
    for (program, routing, slow) in
        [(&stack.direct, "direct", 0.0..0.1), (&stack.hybrid, "hybrid", 0.9..1.01)]
    {
        let info = format!("{{pid=\"{}\", routing=\"{routing}\"}}", program.pid());
        stack.prometheus.data(routing, &format!("hakmem_process_info{info}"));
        let c7 = format!("{{pid=\"{}\", class=\"C7\"}}", program.pid());
        let ratio = format!("process_class:hakmem_slow_frees:ratio_rate5m{c7}");
        let values = stack.prometheus.data(routing, &ratio);
        assert!(values.iter().all(|value| slow.contains(value)), "{routing}: {values:?}");
    }
}

fn promtool_accepts_the_metrics(agent: SocketAddr) {
    let response = http::get(agent, "/metrics", "text/plain").expect("the agent answers");
    assert_eq!(response.status, 200);
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is installed: apt-get install prometheus");
    let mut input = promtool.stdin.take().expect("a pipe");
    input.write_all(response.body.as_bytes()).expect("promtool reads");
    drop(input);
    let output = promtool.wait_with_output().expect("promtool ends");
    let remarks = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && remarks.is_empty(), "{remarks}");
    let open = http::get(agent, "/metrics", OPEN_METRICS).expect("the agent answers");
    assert!(open.body.ends_with("# EOF\n"), "OpenMetrics ends with # EOF");
}
