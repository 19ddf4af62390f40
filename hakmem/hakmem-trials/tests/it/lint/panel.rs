//! Rules on a panel.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Remarks;
use crate::queries::{list, text};

/// Grafana's units (`valueFormats/categories.ts`) that make sense here: counts, shares, operations
/// and counts per second, seconds, bytes, and bytes per second with binary prefixes.
const UNITS: [&str; 7] = ["short", "percentunit", "ops", "cps", "s", "bytes", "binBps"];

pub(super) fn check(panel: &Value, remarks: &mut Remarks) {
    let rule = "panel-title-description-rule";
    remarks.unless(panel["title"].as_str().is_some_and(|it| !it.is_empty()), rule, "no title");
    let described = panel["description"].as_str().is_some_and(|it| it.ends_with('.'));
    remarks.unless(described, rule, "no description");
    let uid = &panel["datasource"]["uid"];
    remarks.unless(uid == "${datasource}", "panel-datasource-rule", "fixed data source");
    let targets = list(&panel["targets"]);
    remarks.unless(!targets.is_empty(), "panel-no-targets-rule", "no queries");
    units(panel, remarks);
    let references: BTreeSet<&str> = targets.iter().map(|it| text(&it["refId"])).collect();
    remarks.unless(references.len() == targets.len(), "set-targets", "a refId is used twice");
    if panel["type"] == "timeseries" {
        let legends: BTreeSet<&str> = targets.iter().map(|it| text(&it["legendFormat"])).collect();
        remarks.unless(legends.len() == targets.len(), "set-legend", "two series of one name");
        let shown = panel["options"]["legend"]["showLegend"] == true;
        remarks.unless(shown, "set-legend", "not shown");
    }
    if panel["type"] == "table" {
        columns(panel, remarks);
    }
}

fn units(panel: &Value, remarks: &mut Remarks) {
    let field = &panel["fieldConfig"];
    let own = [&field["defaults"]["unit"], &panel["options"]["yAxis"]["unit"]];
    let known = |unit: &Value| unit.as_str().is_some_and(|unit| UNITS.contains(&unit));
    remarks.unless(own.into_iter().any(known), "panel-units-rule", "no unit, or an unknown one");
    for property in list(&field["overrides"]).iter().flat_map(|it| list(&it["properties"])) {
        let fine = property["id"] != "unit" || known(&property["value"]);
        remarks.unless(fine, "panel-units-rule", "a column has an unknown unit");
    }
}

/// Checks that every query of a table has a column with a name, or is there for its labels only.
fn columns(panel: &Value, remarks: &mut Remarks) {
    let organize = list(&panel["transformations"]).iter().find(|it| it["id"] == "organize");
    let options = organize.map_or(&Value::Null, |it| &it["options"]);
    let targets = list(&panel["targets"]);
    let mut names = BTreeSet::new();
    for target in targets {
        let column = match targets.len() {
            1 => "Value".to_owned(),
            _ => format!("Value #{}", text(&target["refId"])),
        };
        let hidden = options["excludeByName"][&column] == true;
        let name = options["renameByName"][&column].as_str();
        let named = name.is_some_and(|name| names.insert(name));
        remarks.unless(hidden || named, "set-columns", &format!("{column} has no name"));
    }
    for property in list(&panel["fieldConfig"]["overrides"]) {
        let column = &property["matcher"]["options"];
        let renamed = options["renameByName"].as_object();
        let known = renamed.is_some_and(|it| it.values().any(|name| name == column));
        remarks.unless(known, "set-columns", &format!("there is no column {column}"));
    }
}
