//! The dashboards pass, and the linter rejects what it should.

use serde_json::{Value, json};

use super::{lint, lint_set};
use crate::queries::{Dashboard, dashboards};

#[test]
fn every_dashboard_passes() {
    let all = dashboards();
    let stems: Vec<&str> = all.iter().map(|one| one.stem.as_str()).collect();
    assert_eq!(stems, ["c7", "diagnosis", "fleet", "process"]);
    let mut remarks: Vec<String> = all.iter().flat_map(lint).collect();
    remarks.extend(lint_set(&all));
    assert!(remarks.is_empty(), "{}", remarks.join("\n"));
    assert!(all.iter().map(|one| one.panels().count()).sum::<usize>() > 90);
}

/// Grafana's linter would complain of the panels that `.lint` excludes, so these must exist.
#[test]
fn what_the_linter_is_told_to_exclude_is_there() {
    let path = hakmem_built::repository("dashboards/grafana/.lint");
    let exclusions = std::fs::read_to_string(path).expect("it is there");
    let named = |key: &str| -> Vec<String> {
        let lines = exclusions.lines().filter_map(|line| line.split_once(key));
        lines.map(|(_, name)| name.to_owned()).collect()
    };
    let pairs = named("dashboard: ").into_iter().zip(named("panel: "));
    let all = dashboards();
    for (title, panel) in pairs {
        let dashboard = all.iter().find(|one| one.document["title"] == title);
        let panels = dashboard.into_iter().flat_map(Dashboard::panels);
        let has = panels.filter(|it| it["title"] == panel).count() == 1;
        assert!(has, "there is no panel {panel} in {title}");
    }
}

/// All dashboards, with `value` put into a valid dashboard at the JSON pointer `pointer`.
fn broken(stem: &str, pointer: &str, value: Value) -> Vec<Dashboard> {
    let mut all = dashboards();
    let dashboard = all.iter_mut().find(|one| one.stem == stem).expect("it is there");
    let place = dashboard.document.pointer_mut(pointer);
    *place.unwrap_or_else(|| panic!("{stem} has no {pointer}")) = value;
    all
}

fn check(stem: &str, pointer: &str, value: Value, rule: &str) {
    let all = broken(stem, pointer, value);
    let mut remarks: Vec<String> = all.iter().flat_map(lint).collect();
    remarks.extend(lint_set(&all));
    let named = remarks.iter().any(|remark| remark.starts_with(rule));
    assert!(named, "{rule} does not see {pointer}: {remarks:?}");
}

#[test]
fn whole_dashboards_that_break_a_rule_are_found() {
    check("c7", "/uid", json!("another"), "set-uid");
    check("c7", "/title", json!("C7"), "set-title");
    check("c7", "/editable", json!(true), "uneditable-dashboard");
    check("c7", "/refresh", json!("1s"), "set-time");
    check("c7", "/timezone", json!("utc"), "set-time");
    check("c7", "/tags", json!([]), "set-links");
    check("c7", "/links/0/includeVars", json!(false), "set-links");
    check("c7", "/panels/2/id", json!(2), "set-grid");
    check("c7", "/panels/2/gridPos/x", json!(0), "set-grid");
    check("c7", "/panels/2/gridPos/w", json!(30), "set-grid");
    check("c7", "/annotations/list/0/datasource/uid", json!("prom"), "panel-datasource-rule");
    check("c7", "/annotations/list/0/expr", json!("ALERTS"), "target-job-rule");
    check(
        "fleet",
        "/panels/10/fieldConfig/overrides/0/properties/0/value",
        json!("furlong"),
        "panel-units-rule",
    );
    let link = "/panels/10/fieldConfig/overrides/5/properties/0/value/0/url";
    check("fleet", link, json!("/d/hakmem-nowhere?x"), "set-links");
}

#[test]
fn variables_that_break_a_rule_are_found() {
    let variable = |number: usize, key: &str| format!("/templating/list/{number}/{key}");
    check("c7", &variable(0, "name"), json!("source"), "template-datasource-rule");
    check("c7", &variable(1, "allValue"), json!(".*"), "template-job-rule");
    check("c7", &variable(2, "multi"), json!(false), "template-instance-rule");
    check("c7", &variable(2, "refresh"), json!(1), "template-on-time-change-reload-rule");
    check("c7", &variable(3, "definition"), json!("hakmem_x"), "template-label-promql-rule");
    check("c7", &variable(3, "label"), json!("Program"), "set-variables");
    check("c7", &variable(3, "name"), json!("unused"), "set-variables");
}

#[test]
fn panels_and_queries_that_break_a_rule_are_found() {
    let panel = |key: &str| format!("/panels/8/{key}");
    check("c7", &panel("title"), json!(""), "panel-title-description-rule");
    check("c7", &panel("description"), Value::Null, "panel-title-description-rule");
    check("c7", &panel("fieldConfig/defaults/unit"), json!("furlong"), "panel-units-rule");
    check("c7", &panel("datasource/uid"), json!("prom"), "panel-datasource-rule");
    check("c7", &panel("targets"), json!([]), "panel-no-targets-rule");
    check("c7", &panel("targets/0/legendFormat"), json!(""), "set-legend");
    check("c7", &panel("targets/0/legendFormat"), json!("{{class}}"), "set-legend");
    check("c7", &panel("targets/0/legendFormat"), json!("one name"), "set-legend");
    check("c7", &panel("targets/0/instant"), json!(true), "set-targets");
    let chosen = "job=~\"$job\", instance=~\"$instance\"";
    let expr = |promql: &str, rule: &str| {
        check("c7", &panel("targets/0/expr"), json!(promql.replace("CHOSEN", chosen)), rule);
    };
    expr("rate(hakmem_x_total{instance=~\"$instance\"}[$__rate_interval])", "target-job-rule");
    expr("rate(hakmem_x_total{job=~\"$job\"}[$__rate_interval])", "target-instance-rule");
    expr("rate(hakmem_x_total{CHOSEN}[5m])", "target-rate-interval-rule");
    expr("sum(hakmem_x_total{CHOSEN})", "target-counter-agg-rule");
    expr("rate(hakmem_x_bucket{CHOSEN}[$__rate_interval])", "target-histogram-rule");
    expr("vector(1)", "target-promql-rule");
    let column = "/panels/10/transformations/1/options/renameByName/Value #A";
    check("fleet", column, Value::Null, "set-columns");
}
