//! The rules of Grafana's own dashboard linter, and those that make the four dashboards one set.
//!
//! The rules have the linter's names (<https://github.com/grafana/dashboard-linter>, `docs/rules`):
//! the linter is a Go program that the tests cannot rely on, and it knows nothing of these
//! dashboards' links, legends and geometry. Names of our own rules begin with `set-`. Each remark
//! is one text, `rule: place: what is wrong`.

mod panel;
mod target;
mod tests;
mod variable;

use std::collections::BTreeSet;

use serde_json::Value;

use crate::queries::{Dashboard, list, text};

/// Everything that is wrong with one dashboard by itself.
pub(crate) fn lint(dashboard: &Dashboard) -> Vec<String> {
    let mut remarks = Remarks { place: dashboard.stem.clone(), all: Vec::new() };
    whole(dashboard, &mut remarks);
    variable::check(dashboard, &mut remarks);
    annotations(dashboard, &mut remarks);
    geometry(dashboard, &mut remarks);
    for panel in dashboard.panels() {
        remarks.place = format!("{}: {}", dashboard.stem, panel["title"]);
        panel::check(panel, &mut remarks);
        for target in list(&panel["targets"]) {
            target::check(panel, target, &mut remarks);
        }
    }
    remarks.all
}

/// Everything that is wrong between dashboards.
pub(crate) fn lint_set(dashboards: &[Dashboard]) -> Vec<String> {
    let mut remarks = Remarks { place: String::new(), all: Vec::new() };
    let first = &dashboards[0];
    let uids: Vec<&str> = dashboards.iter().map(|one| text(&one.document["uid"])).collect();
    for dashboard in dashboards {
        remarks.place.clone_from(&dashboard.stem);
        let links = &dashboard.document["links"];
        remarks.unless(*links == first.document["links"], "set-links", "other links");
        let others = dashboards.iter().flat_map(Dashboard::variables);
        for variable in dashboard.variables() {
            let same = others.clone().all(|it| it["name"] != variable["name"] || it == variable);
            remarks.unless(same, "set-variables", &format!("{} differs", variable["name"]));
        }
        for link in links_of_panels(&dashboard.document) {
            let uid = link.strip_prefix("/d/").and_then(|rest| rest.split('?').next());
            let known = uid.is_some_and(|uid| uids.contains(&uid));
            remarks.unless(known, "set-links", &format!("{link} leads nowhere"));
        }
    }
    remarks.all
}

/// The remarks found so far.
struct Remarks {
    place: String,
    all: Vec<String>,
}

impl Remarks {
    fn unless(&mut self, fine: bool, rule: &str, what: &str) {
        if !fine {
            self.all.push(format!("{rule}: {}: {what}", self.place));
        }
    }
}

fn whole(dashboard: &Dashboard, remarks: &mut Remarks) {
    let document = &dashboard.document;
    let uid = format!("hakmem-{}", dashboard.stem);
    remarks.unless(document["uid"] == uid, "set-uid", &format!("not {uid}"));
    let title = document["title"].as_str().unwrap_or_default();
    remarks.unless(title.starts_with("hakmem / "), "set-title", "not `hakmem / …`");
    let description = document["description"].as_str().unwrap_or_default();
    remarks.unless(description.ends_with('.'), "set-title", "no description");
    remarks.unless(document["editable"] == false, "uneditable-dashboard", "editable");
    remarks.unless(document["timezone"] == "browser", "set-time", "not the reader's time zone");
    let refresh = document["refresh"].as_str().unwrap_or_default();
    remarks.unless(["30s", "1m"].contains(&refresh), "set-time", "refreshed too often or never");
    let tags = list(&document["tags"]);
    remarks.unless(tags.contains(&"hakmem".into()), "set-links", "no tag that links find");
    let to_all = list(&document["links"]).iter().any(|link| {
        link["type"] == "dashboards"
            && list(&link["tags"]).contains(&"hakmem".into())
            && link["keepTime"] == true
            && link["includeVars"] == true
    });
    remarks.unless(to_all, "set-links", "no links to the others that keep time and choice");
}

fn annotations(dashboard: &Dashboard, remarks: &mut Remarks) {
    for annotation in list(&dashboard.document["annotations"]["list"]) {
        remarks.place = format!("{}: annotation {}", dashboard.stem, annotation["name"]);
        let source = &annotation["datasource"]["uid"];
        remarks.unless(source == "${datasource}", "panel-datasource-rule", "fixed data source");
        target::matchers(text(&annotation["expr"]), remarks);
    }
}

/// Checks that panels have ids of their own and lie side by side on Grafana's grid of 24 columns.
fn geometry(dashboard: &Dashboard, remarks: &mut Remarks) {
    remarks.place.clone_from(&dashboard.stem);
    let mut ids = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for panel in list(&dashboard.document["panels"]) {
        let title = &panel["title"];
        remarks.unless(ids.insert(panel["id"].as_u64()), "set-grid", &format!("{title}: id twice"));
        let of = |key: &str| panel["gridPos"][key].as_u64().unwrap_or(u64::MAX / 2);
        let fits = of("x") + of("w") <= 24 && of("h") <= 24;
        remarks.unless(fits, "set-grid", &format!("{title} does not fit"));
        let (columns, rows) = (of("x")..of("x") + of("w"), of("y")..of("y") + of("h"));
        let mut cells = columns.flat_map(|x| rows.clone().map(move |y| (x, y)));
        let free = fits && cells.all(|cell| taken.insert(cell));
        remarks.unless(free, "set-grid", &format!("{title} covers another panel"));
    }
}

fn links_of_panels(document: &Value) -> Vec<&str> {
    match document {
        Value::Object(object) => {
            let own = object.get("url").and_then(Value::as_str).filter(|url| !url.is_empty());
            own.into_iter().chain(object.values().flat_map(links_of_panels)).collect()
        }
        Value::Array(all) => all.iter().flat_map(links_of_panels).collect(),
        _ => Vec::new(),
    }
}
