//! Checks of rules, runbooks and provisioning that run nothing but the tools that come with
//! Prometheus. The dashboards themselves are checked by `lint`.

use std::collections::BTreeSet;
use std::process::Command;

use crate::rules::{self, FILES};

fn tool(name: &str, package: &str, arguments: &[&str]) -> String {
    let output = Command::new(name)
        .args(arguments)
        .current_dir(rules::folder())
        .output()
        .unwrap_or_else(|error| panic!("{name}: {error}; apt-get install {package}"));
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(output.status.success(), "{name} {arguments:?}:\n{text}");
    text
}

fn promtool(arguments: &[&str]) -> String {
    tool("promtool", "prometheus", arguments)
}

fn files(folder: &str) -> Vec<String> {
    FILES.iter().map(|stem| format!("{folder}/{stem}.yml")).collect()
}

#[test]
fn promtool_accepts_rules_and_configurations() {
    let files = files("rules");
    let mut arguments = vec!["check", "rules"];
    arguments.extend(files.iter().map(String::as_str));
    let text = promtool(&arguments);
    assert_eq!(text.matches("SUCCESS").count(), FILES.len(), "{text}");
    let text = promtool(&["check", "config", "prometheus.yml"]);
    assert!(text.contains(&format!("{} rule files found", FILES.len())), "{text}");
    // VictoriaMetrics reads the same format.
    promtool(&["check", "config", "../victoriametrics/scrape.yml"]);
}

#[test]
fn every_rule_behaves_as_its_cases_say() {
    let files = files("cases");
    let mut arguments = vec!["test", "rules"];
    arguments.extend(files.iter().map(String::as_str));
    let text = promtool(&arguments);
    assert_eq!(text.matches("SUCCESS").count(), FILES.len(), "{text}");
}

#[test]
fn amtool_accepts_the_routes() {
    let amtool = |arguments: &[&str]| tool("amtool", "prometheus-alertmanager", arguments);
    let file = "--config.file=../alertmanager/alertmanager.yml";
    amtool(&["check-config", "../alertmanager/alertmanager.yml"]);
    for (severity, receiver) in
        [("critical", "on-call"), ("warning", "chat"), ("info", "dashboard-only")]
    {
        let severity = format!("severity={severity}");
        let expected = format!("--verify.receivers={receiver}");
        amtool(&["config", "routes", "test", file, &expected, &severity, "alertname=HakmemAny"]);
    }
}

#[test]
fn every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() {
    let cases = rules::cases();
    let alerts: Vec<_> = rules::rules().into_iter().filter(|rule| rule.is_alert).collect();
    assert!(alerts.len() > 15, "{} alerts", alerts.len());
    for alert in &alerts {
        for (fires, kind) in [(true, "fires"), (false, "does not fire")] {
            let has = cases.contains(&(alert.name.clone(), fires));
            assert!(has, "{} has no case in which it {kind}", alert.name);
        }
    }
    for (name, _) in &cases {
        assert!(alerts.iter().any(|alert| alert.name == *name), "there is no alert {name}");
    }
}

#[test]
fn every_recorded_series_has_a_case() {
    let cases: String =
        FILES.iter().map(|stem| rules::read(&format!("cases/{stem}.yml"))).collect();
    let rules = rules::rules();
    for series in rules.iter().filter(|rule| !rule.is_alert) {
        let name = &series.name;
        let parts: Vec<&str> = name.split(':').collect();
        assert_eq!(parts.len(), 3, "{name} is not level:metric:operation");
        assert!(parts[1].starts_with("hakmem_"), "{name} is not of a metric of hakmem");
        let read = rules.iter().any(|rule| rule.field("expr").contains(name));
        assert!(cases.contains(name) || read, "nothing checks {name}");
    }
}

#[test]
fn every_alert_says_what_the_person_who_is_woken_needs() {
    for alert in rules::rules().iter().filter(|rule| rule.is_alert) {
        let name = &alert.name;
        assert!(name.starts_with("Hakmem"), "{name}");
        assert!(alert.has_reason, "{name}: no comment with the reason for its thresholds");
        let severity = alert.field("severity");
        assert!(["critical", "warning", "info"].contains(&severity.as_str()), "{name}: {severity}");
        assert!(alert.field("for").ends_with(['s', 'm']), "{name} does not say for how long");
        assert!(!alert.field("summary").is_empty(), "{name} has no summary");
        assert!(alert.field("description").ends_with('.'), "{name} has no description");
        let command = alert.field("command");
        assert!(!command.is_empty(), "{name} names no command");
        // The name of a program must not be trusted in a shell.
        let raw = command.contains("{{ $labels.executable");
        assert!(!raw, "{name}: an executable's name gets into the command as it is");
        let runbook = alert.field("runbook_url");
        assert_eq!(runbook, format!("dashboards/runbooks/{name}.md"));
        let page = std::fs::read_to_string(hakmem_built::repository(&runbook));
        let page = page.unwrap_or_else(|error| panic!("{runbook}: {error}"));
        assert!(page.starts_with(&format!("# {name}\n")), "{runbook} is about something else");
        let headings = ["What it means", "Confirm", "What to do", "What it is not"];
        for heading in headings {
            assert!(page.contains(&format!("\n## {heading}\n")), "{runbook}: {heading}?");
        }
    }
}

#[test]
fn every_runbook_belongs_to_an_alert() {
    let pages =
        std::fs::read_dir(hakmem_built::repository("dashboards/runbooks")).expect("it is there");
    let pages: BTreeSet<String> = pages
        .map(|page| page.expect("it can be read").file_name().to_string_lossy().into_owned())
        .collect();
    let alerts = rules::rules().into_iter().filter(|rule| rule.is_alert);
    let named: BTreeSet<String> = alerts.map(|alert| format!("{}.md", alert.name)).collect();
    assert_eq!(pages, named);
}
