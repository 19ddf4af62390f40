//! Every query of dashboard and rules against a real Prometheus that scrapes a real agent, which
//! watches a program that runs under the preload library.

use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::live::{Running, wait_until};
use crate::queries::{self, text};
use crate::{built, http, live, scratch};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0";

/// A Prometheus with the repository's configuration, but faster and scraping this agent.
struct Prometheus {
    address: SocketAddr,
    _running: Running,
    _data: tempfile::TempDir,
}

impl Prometheus {
    fn start(agent: SocketAddr) -> Self {
        let data = tempfile::tempdir().expect("a temporary folder");
        let source = built::repository("dashboards/prometheus");
        for rules in ["recording.rules.yml", "alert.rules.yml"] {
            std::fs::copy(source.join(rules), data.path().join(rules)).expect("rules are there");
        }
        let config = std::fs::read_to_string(source.join("prometheus.yml")).expect("is there");
        let fast = config
            .replace("interval: 15s", "interval: 1s")
            .replace("127.0.0.1:9847", &agent.to_string());
        assert_eq!(fast.matches("interval: 1s").count(), 2, "{config}");
        assert!(fast.contains(&agent.to_string()), "{config}");
        let file = data.path().join("prometheus.yml");
        std::fs::write(&file, fast).expect("the folder can be written to");
        let address = http::free_address();
        let mut command = Command::new("prometheus");
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", data.path().join("tsdb").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--log.level=error");
        let running = Running::start(&mut command, "apt-get install prometheus");
        wait_until("Prometheus is ready", Duration::from_secs(30), || {
            http::get(address, "/-/ready", "*/*").is_some_and(|response| response.status == 200)
        });
        Self { address, _running: running, _data: data }
    }

    fn ask(&self, path: &str) -> Value {
        let response = http::get(self.address, path, "*/*").expect("Prometheus answers");
        let answer: Value = serde_json::from_str(&response.body).expect("Prometheus sends JSON");
        assert_eq!(answer["status"], "success", "{path}: {answer}");
        answer["data"].clone()
    }

    /// The values of an instant query.
    fn values(&self, promql: &str) -> Vec<f64> {
        let data = self.ask(&format!("/api/v1/query?query={}", http::escape(promql)));
        let samples = data["result"].as_array().expect("a vector").clone();
        let number = |sample: &Value| text(&sample["value"][1]).parse().expect("a number");
        samples.iter().map(number).collect()
    }

    /// The values, once there are some; fails if there are none in time, or one is not a number.
    fn data(&self, what: &str, promql: &str) -> Vec<f64> {
        let mut values = Vec::new();
        wait_until(&format!("{what} has data: {promql}"), Duration::from_secs(30), || {
            values = self.values(promql);
            !values.is_empty() && !values.iter().any(|value| value.is_nan())
        });
        values
    }
}

/// A busy program, an agent that watches it, and a Prometheus that scrapes that.
struct Stack {
    prometheus: Prometheus,
    load: Running,
    agent: SocketAddr,
    _agent: Running,
    _directory: tempfile::TempDir,
}

impl Stack {
    fn start() -> Self {
        let directory = scratch::segments_directory();
        let load = live::busy_threads(4, directory.path());
        let (running, agent) = live::agent(directory.path());
        let prometheus = Prometheus::start(agent);
        prometheus.data("the load", "rate(hakmem_allocations_total{class=\"C7\"}[10s]) > 0");
        Self { prometheus, load, agent, _agent: running, _directory: directory }
    }
}

#[test]
fn every_query_of_dashboard_and_rules_returns_data() {
    let mut stack = Stack::start();
    panels_have_data(&stack.prometheus);
    variables_have_values(&stack.prometheus);
    rules_have_data(&stack.prometheus);
    a_ratio_is_one(&stack.prometheus);
    promtool_accepts_the_metrics(stack.agent);
    the_program_is_named(&stack.prometheus, stack.load.pid());
    stack.load.assert_running();
}

fn panels_have_data(prometheus: &Prometheus) {
    let dashboard = queries::dashboard();
    let all = queries::panel_queries(&dashboard, "10s");
    assert!(all.len() > 30, "{} queries", all.len());
    for query in all {
        prometheus.data(&query.panel, &query.promql);
    }
}

/// A variable's query is `label_values(SELECTOR, LABEL)`, which Grafana asks like this.
fn variables_have_values(prometheus: &Prometheus) {
    let dashboard = queries::dashboard();
    for (name, definition) in queries::variables(&dashboard) {
        let definition = queries::substitute(definition, &dashboard, "10s");
        let inside =
            definition.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
        let (selector, label) = inside
            .and_then(|inside| inside.rsplit_once(", "))
            .unwrap_or_else(|| panic!("{name}: {definition} is not label_values"));
        let path = format!("/api/v1/label/{label}/values?match[]={}", http::escape(selector));
        let values = prometheus.ask(&path);
        assert!(values.as_array().is_some_and(|values| !values.is_empty()), "{name}: {values}");
    }
}

fn rules_have_data(prometheus: &Prometheus) {
    let data = prometheus.ask("/api/v1/rules");
    let groups = data["groups"].as_array().expect("groups of rules");
    let rules: Vec<&Value> =
        groups.iter().flat_map(|group| group["rules"].as_array().expect("rules")).collect();
    let mut alerts = 0;
    for rule in &rules {
        let (name, promql) = (text(&rule["name"]), text(&rule["query"]));
        for metric in queries::metrics(promql) {
            prometheus.data(name, &format!("count({metric})"));
        }
        // An alert has data only when something is wrong.
        if rule["type"] == "recording" {
            prometheus.data(name, promql);
            prometheus.data(name, name);
        } else {
            alerts += 1;
            prometheus.values(promql);
        }
    }
    assert!(rules.len() >= 30 && alerts >= 10, "{} rules, {alerts} alerts", rules.len());
    let again = prometheus.ask("/api/v1/rules").to_string();
    assert!(!again.contains("\"health\":\"err\""), "a rule fails: {again}");
    let silent = ["HakmemAgentDown", "HakmemClassificationAnomaly", "HakmemAllocationsFail"];
    for name in silent {
        let fires = prometheus.values(&format!("ALERTS{{alertname=\"{name}\"}}"));
        assert!(fires.is_empty(), "{name} fires under a healthy load");
    }
}

fn a_ratio_is_one(prometheus: &Prometheus) {
    let c7 = "{class=\"C7\"}[10s]";
    let promql = format!(
        "(sum(rate(hakmem_slow_allocations_total{c7})) + sum(rate(hakmem_slow_frees_total{c7})))
         / (sum(rate(hakmem_allocations_total{c7})) + sum(rate(hakmem_frees_total{c7})))"
    );
    let values = prometheus.data("C7's slow-path ratio", &promql);
    assert_eq!(values.len(), 1);
    assert!((0.0..=1.0).contains(&values[0]), "{values:?}");
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

fn the_program_is_named(prometheus: &Prometheus, pid: u32) {
    let promql = format!("hakmem_process_info{{executable=\"busy_threads\", pid=\"{pid}\"}}");
    assert_eq!(prometheus.data("the program", &promql), [1.0]);
}
