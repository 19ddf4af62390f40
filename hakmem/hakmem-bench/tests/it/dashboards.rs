//! What can be said of dashboard and rules without running anything but `promtool`.

use std::collections::BTreeSet;
use std::process::Command;

use crate::built;
use crate::queries::{dashboard, panels, text, variables};

fn promtool(arguments: &[&str]) -> String {
    let output = Command::new("promtool")
        .args(arguments)
        .current_dir(built::repository("dashboards/prometheus"))
        .output()
        .expect("promtool is installed: apt-get install prometheus");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(output.status.success(), "promtool {arguments:?}:\n{text}");
    text
}

#[test]
fn promtool_accepts_rules_and_configuration() {
    let text = promtool(&["check", "rules", "recording.rules.yml", "alert.rules.yml"]);
    assert_eq!(text.matches("SUCCESS").count(), 2, "{text}");
    promtool(&["check", "config", "prometheus.yml"]);
}

#[test]
fn every_rule_behaves_as_its_cases_say() {
    let text = promtool(&["test", "rules", "recording.test.yml", "alert.test.yml"]);
    assert_eq!(text.matches("SUCCESS").count(), 2, "{text}");
}

#[test]
fn every_alert_and_every_recorded_series_has_a_case() {
    let read = |name: &str| {
        let path = built::repository("dashboards/prometheus").join(name);
        std::fs::read_to_string(path).expect("the file is there")
    };
    let named = |rules: &str, key: &str| -> Vec<String> {
        let lines = rules.lines().filter_map(|line| line.trim().strip_prefix(key));
        lines.map(|name| name.trim().to_owned()).collect()
    };
    let (alerts, cases) = (read("alert.rules.yml"), read("alert.test.yml"));
    let firing = named(&cases, "- alertname:");
    let names = named(&alerts, "- alert:");
    assert!(names.len() > 10);
    for name in names {
        assert!(firing.contains(&name), "no case for {name}");
        assert!(name.starts_with("Hakmem"), "{name}");
    }
    let (recorded, cases) = (read("recording.rules.yml"), read("recording.test.yml"));
    for name in named(&recorded, "- record:") {
        let used = cases.contains(&name) || recorded.matches(&name).count() > 1;
        assert!(used || alerts.contains(&name), "nothing checks {name}");
        assert_eq!(name.split(':').count(), 3, "{name} is not level:metric:operation");
    }
}

#[test]
fn the_dashboard_is_complete() {
    let dashboard = dashboard();
    assert_eq!(dashboard["uid"], "hakmem-overview");
    let names: Vec<&str> = variables(&dashboard).iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["job", "instance", "executable", "pid", "class"]);
    let mut ids = BTreeSet::new();
    for panel in panels(&dashboard) {
        let title = text(&panel["title"]);
        assert!(ids.insert(panel["id"].as_u64().expect("a number")), "{title}: id used twice");
        assert!(text(&panel["description"]).ends_with('.'), "{title} has no description");
        let unit = &panel["fieldConfig"]["defaults"]["unit"];
        let axis_unit = &panel["options"]["yAxis"]["unit"];
        assert!(unit.is_string() || axis_unit.is_string(), "{title} has no unit");
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        for target in panel["targets"].as_array().expect("a panel has targets") {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
            let promql = text(&target["expr"]);
            let chooses = promql.contains("instance=~\"$instance\"");
            assert!(chooses, "{title} does not follow the variables: {promql}");
            let rates = promql.matches("rate(").count();
            assert_eq!(rates, promql.matches("[$__rate_interval]").count(), "{title}: {promql}");
        }
    }
    assert!(ids.len() > 20);
}
