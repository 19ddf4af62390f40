//! Rules on the variables at the top of a dashboard.

use super::Remarks;
use crate::promql;
use crate::queries::{Dashboard, text};

pub(super) fn check(dashboard: &Dashboard, remarks: &mut Remarks) {
    let named = |name: &str| dashboard.variables().iter().find(|it| it["name"] == name);
    let source = named("datasource").is_some_and(|it| {
        it["type"] == "datasource" && it["query"] == "prometheus" && it["label"] == "Data source"
    });
    remarks.unless(source, "template-datasource-rule", "no variable `datasource`");
    for (name, label) in [("job", "Job"), ("instance", "Instance")] {
        // Series and choices always have these two labels, so "All" need not match an empty text.
        let fine = named(name).is_some_and(|it| {
            it["label"] == label && it["multi"] == true && it["allValue"] == ".+"
        });
        remarks.unless(fine, &format!("template-{name}-rule"), "missing, or not as it should be");
    }
    let text_of_all = dashboard.document.to_string();
    for variable in dashboard.variables() {
        let name = text(&variable["name"]);
        remarks.place = format!("{}: variable {name}", dashboard.stem);
        let described = variable["description"].as_str().is_some_and(|it| it.ends_with('.'));
        remarks.unless(described, "set-variables", "no description");
        let used = text_of_all.contains(&format!("${name}"))
            || text_of_all.contains(&format!("${{{name}}}"));
        remarks.unless(used, "set-variables", "nothing follows it");
        if variable["type"] != "query" {
            continue;
        }
        let uid = &variable["datasource"]["uid"];
        remarks.unless(uid == "${datasource}", "template-label-promql-rule", "fixed data source");
        let reload = variable["refresh"] == 2;
        remarks.unless(reload, "template-on-time-change-reload-rule", "not reloaded with the time");
        let definition = text(&variable["definition"]);
        let same = variable["query"]["query"] == definition;
        remarks.unless(same, "template-label-promql-rule", "definition and query differ");
        let selectors = promql::selectors(definition).len();
        let is_values = definition.starts_with("label_values(") && selectors == 1;
        remarks.unless(
            is_values,
            "template-label-promql-rule",
            "not `label_values(METRIC, LABEL)`",
        );
    }
}
