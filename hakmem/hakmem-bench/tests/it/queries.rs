//! The queries that the dashboard holds.

use serde_json::Value;

use crate::built;

/// A query of a panel.
#[derive(Debug)]
pub(crate) struct PanelQuery {
    /// Title of the panel.
    pub(crate) panel: String,
    /// As Grafana would send it for "All" of every variable.
    pub(crate) promql: String,
}

/// The dashboard as it is in the repository.
pub(crate) fn dashboard() -> Value {
    let path = built::repository("dashboards/grafana/hakmem.json");
    let text = std::fs::read_to_string(path).expect("the dashboard is there");
    serde_json::from_str(&text).expect("the dashboard is JSON")
}

/// The panels that show data: all but the headings of rows.
pub(crate) fn panels(dashboard: &Value) -> Vec<&Value> {
    let all = dashboard["panels"].as_array().expect("a dashboard has panels");
    all.iter().filter(|panel| panel["type"] != "row").collect()
}

/// The variables that are filled by a query, with its text.
pub(crate) fn variables(dashboard: &Value) -> Vec<(&str, &str)> {
    let all = dashboard["templating"]["list"].as_array().expect("the dashboard has variables");
    let queried = all.iter().filter(|variable| variable["type"] == "query");
    queried.map(|variable| (text(&variable["name"]), text(&variable["definition"]))).collect()
}

/// Every query of every panel.
pub(crate) fn panel_queries(dashboard: &Value, rate_interval: &str) -> Vec<PanelQuery> {
    let mut queries = Vec::new();
    for panel in panels(dashboard) {
        for target in panel["targets"].as_array().expect("a panel has targets") {
            let promql = substitute(text(&target["expr"]), dashboard, rate_interval);
            queries.push(PanelQuery { panel: text(&panel["title"]).to_owned(), promql });
        }
    }
    queries
}

/// Replaces Grafana's variables by what "All" sends.
pub(crate) fn substitute(promql: &str, dashboard: &Value, rate_interval: &str) -> String {
    let mut promql = promql.replace("$__rate_interval", rate_interval);
    for (name, _) in variables(dashboard) {
        promql = promql.replace(&format!("${name}"), ".*");
    }
    assert!(!promql.contains('$'), "a variable is not known: {promql}");
    promql
}

/// The text of a JSON string; fails the test if it is none.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("a text is expected, not {value}"))
}

/// Names of the metrics that a PromQL expression reads: whatever contains `hakmem`, and `up`.
pub(crate) fn metrics(promql: &str) -> Vec<String> {
    let outside_quotes: String = promql.split('"').step_by(2).collect::<Vec<_>>().join(" ");
    let is_part = |character: char| character.is_ascii_alphanumeric() || "_:".contains(character);
    let words = outside_quotes.split(|character: char| !is_part(character));
    let mut names: Vec<String> =
        words.filter(|word| word.contains("hakmem") || *word == "up").map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names
}

#[test]
fn metrics_are_found_outside_of_quotes() {
    let promql = "rate(a:hakmem_x:rate5m{b=\"hakmem_no\"}[5m]) / up{job=\"hakmem\"} and hakmem_y";
    assert_eq!(metrics(promql), ["a:hakmem_x:rate5m", "hakmem_y", "up"]);
}
