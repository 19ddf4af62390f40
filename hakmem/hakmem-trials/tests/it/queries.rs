//! The dashboards in the repository, and their queries.

use serde_json::Value;

/// Metrics that a query may read although the agent does not serve them, and why. All other metrics
/// must be served, and must have data.
pub(crate) const MAY_BE_ABSENT: [(&str, &str); 2] = [
    ("hakmem_path_regression_seconds", "has series only while an agent sees a regression"),
    ("hakmem_path_regressions_total", "comes with the live detection of regressions"),
];

/// A dashboard.
#[derive(Clone, Debug)]
pub(crate) struct Dashboard {
    /// File name without the extension.
    pub(crate) stem: String,
    /// Content of the file.
    pub(crate) document: Value,
}

/// A query of a panel, an annotation or a rule.
#[derive(Debug, Default)]
pub(crate) struct Query {
    /// Dashboard and panel.
    pub(crate) place: String,
    /// The query as the file has it, with variables.
    pub(crate) promql: String,
    /// Unit of the panel; empty if it has none.
    pub(crate) unit: String,
    /// Names of the series.
    pub(crate) legend: String,
    /// Ends of the panel's axis; `None` for an end that follows the values.
    pub(crate) bounds: (Option<f64>, Option<f64>),
}

/// All dashboards, by name.
pub(crate) fn dashboards() -> Vec<Dashboard> {
    let folder = hakmem_built::repository("dashboards/grafana");
    let entries = std::fs::read_dir(folder).expect("the dashboards are there");
    let paths = entries.map(|entry| entry.expect("the folder can be read").path());
    let files = paths.filter(|path| path.extension().is_some_and(|end| end == "json"));
    let mut all: Vec<Dashboard> = files
        .map(|path| {
            let json = std::fs::read_to_string(&path).expect("the dashboard can be read");
            let document = serde_json::from_str(&json)
                .unwrap_or_else(|error| panic!("{} is no JSON: {error}", path.display()));
            let stem = path.file_stem().expect("it has a name").to_string_lossy().into_owned();
            Dashboard { stem, document }
        })
        .collect();
    all.sort_by(|one, other| one.stem.cmp(&other.stem));
    all
}

impl Dashboard {
    /// The panels that show data: all but the headings of rows.
    pub(crate) fn panels(&self) -> impl Iterator<Item = &Value> {
        list(&self.document["panels"]).iter().filter(|panel| panel["type"] != "row")
    }

    /// The variables that a person chooses, the data source included.
    pub(crate) fn variables(&self) -> &[Value] {
        list(&self.document["templating"]["list"])
    }

    /// Every query of every panel and annotation.
    pub(crate) fn queries(&self) -> Vec<Query> {
        let mut queries = Vec::new();
        for panel in self.panels() {
            let defaults = &panel["fieldConfig"]["defaults"];
            for target in list(&panel["targets"]) {
                queries.push(Query {
                    place: format!("{}: {}", self.stem, text(&panel["title"])),
                    promql: text(&target["expr"]).to_owned(),
                    unit: defaults["unit"].as_str().unwrap_or_default().to_owned(),
                    legend: text(&target["legendFormat"]).to_owned(),
                    bounds: (defaults["min"].as_f64(), defaults["max"].as_f64()),
                });
            }
        }
        for annotation in list(&self.document["annotations"]["list"]) {
            queries.push(Query {
                place: format!("{}: annotation {}", self.stem, text(&annotation["name"])),
                promql: text(&annotation["expr"]).to_owned(),
                ..Query::default()
            });
        }
        queries
    }
}

/// Replaces Grafana's variables by the values that it sends for "All" and for a short range.
pub(crate) fn substitute(promql: &str, dashboard: &Dashboard) -> String {
    let mut promql = promql.replace("$__rate_interval", "10s").replace("$__range", "1m");
    for variable in dashboard.variables() {
        let value = match text(&variable["type"]) {
            "custom" => "5s",
            _ => variable["allValue"].as_str().unwrap_or("no value for all"),
        };
        promql = promql.replace(&format!("${}", text(&variable["name"])), value);
    }
    assert!(!promql.contains('$'), "a variable is not known: {promql}");
    promql
}

/// Why the query may return no data, if it may.
pub(crate) fn may_be_empty(promql: &str, served: &[String]) -> Option<&'static str> {
    let read = crate::promql::metrics(promql);
    let absent = MAY_BE_ABSENT.iter().find(|(metric, _)| {
        read.iter().any(|name| name == metric) && !served.iter().any(|name| name == metric)
    });
    absent.map(|(_, reason)| *reason)
}

/// The text of a JSON string; fails the test if `value` is not a string.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("a text is expected, not {value}"))
}

/// The elements of a JSON array; empty if `value` is not an array.
pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
