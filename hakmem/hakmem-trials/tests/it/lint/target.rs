//! Rules on a query.

use serde_json::Value;

use super::Remarks;
use crate::promql::{self, Selector};
use crate::queries::text;

/// Functions that make of a counter more than a number that depends on when counting began.
const OF_COUNTERS: [&str; 3] = ["rate", "irate", "increase"];

pub(super) fn check(panel: &Value, target: &Value, remarks: &mut Remarks) {
    let uid = &target["datasource"]["uid"];
    remarks.unless(uid == "${datasource}", "panel-datasource-rule", "fixed data source");
    let promql = text(&target["expr"]);
    matchers(promql, remarks);
    for selector in promql::selectors(promql) {
        counters(&selector, remarks);
        // A heatmap draws the buckets themselves.
        let is_quantile = promql.starts_with("histogram_quantile(") || panel["type"] == "heatmap";
        let fine = !selector.metric.ends_with("_bucket") || is_quantile;
        remarks.unless(fine, "target-histogram-rule", "buckets without a quantile");
    }
    let table = panel["type"] == "table";
    let as_it_shows = target["instant"] == table && target["range"] == !table;
    remarks.unless(as_it_shows, "set-targets", "tables ask for now, the others for a range");
    legend(panel, target, promql, remarks);
}

/// Checks that every metric follows the choice of jobs and instances.
pub(super) fn matchers(promql: &str, remarks: &mut Remarks) {
    let selectors = promql::selectors(promql);
    remarks.unless(!selectors.is_empty(), "target-promql-rule", "reads nothing of hakmem");
    for selector in selectors {
        for label in ["job", "instance"] {
            let matcher = format!("{label}=~\"${label}\"");
            let chosen = selector.matchers.split(", ").any(|it| it == matcher);
            let rule = format!("target-{label}-rule");
            remarks.unless(chosen, &rule, &format!("{} without {matcher}", selector.metric));
        }
    }
}

fn counters(selector: &Selector, remarks: &mut Remarks) {
    let Selector { metric, function, range, .. } = selector;
    let counts = ["_total", "_bucket", "_sum", "_count"].iter().any(|end| metric.ends_with(end));
    let fine = !counts || OF_COUNTERS.contains(&function.as_str());
    remarks.unless(fine, "target-counter-agg-rule", &format!("{metric} is a counter"));
    let fine = match function.as_str() {
        "rate" | "irate" => range == "$__rate_interval",
        "increase" => range == "$__rate_interval" || range == "$__range",
        _ => true,
    };
    remarks.unless(fine, "target-rate-interval-rule", &format!("{metric}[{range}]"));
}

/// Checks that a legend names what tells the lines apart, and only labels that the query keeps.
fn legend(panel: &Value, target: &Value, promql: &str, remarks: &mut Remarks) {
    let legend = text(&target["legendFormat"]);
    if panel["type"] != "timeseries" {
        return;
    }
    remarks.unless(!legend.is_empty(), "set-legend", "a line without a name");
    let kept = promql::kept_labels(promql);
    let shown: Vec<&str> =
        legend.split("{{").skip(1).filter_map(|it| it.split("}}").next()).collect();
    for label in &shown {
        remarks.unless(kept.contains(label), "set-legend", &format!("{label} is not kept"));
    }
    let tells_apart =
        kept.is_empty() || !shown.is_empty() || kept.iter().all(|it| matches!(*it, "le" | ""));
    remarks.unless(tells_apart, "set-legend", "lines of one name");
}
