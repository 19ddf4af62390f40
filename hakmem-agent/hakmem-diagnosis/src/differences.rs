//! Properties in which two sides differ.

use std::collections::BTreeSet;

use crate::causes::values;
use crate::diagnosis::Difference;
use crate::side::{Series, Side};

/// Whether durations of both sides come from the same kind of machine.
pub(crate) fn same_machine(differences: &[Difference]) -> bool {
    let of_machine = ["processor", "processors", "architecture", "host"];
    !differences.iter().any(|difference| of_machine.contains(&difference.what.as_str()))
}

/// The properties that both sides know and in which they differ.
pub(crate) fn differences(before: &Side, after: &Side) -> Vec<Difference> {
    type Of = fn(&Series) -> String;
    let kinds: [(&str, Of); 13] = [
        ("executable", |it| it.identity.executable.clone()),
        ("build_id", |it| it.identity.build_id.clone()),
        ("arguments", |it| it.identity.arguments.get(1..).unwrap_or_default().join(" ")),
        ("labels", labels),
        ("routing", |it| it.identity.routing.clone()),
        ("check", |it| it.identity.check.clone()),
        ("push", |it| it.identity.push.clone()),
        ("list_bytes_max", |it| known(it.identity.list_bytes_max)),
        ("library_version", |it| it.identity.library_version.clone()),
        ("host", |it| of_machine(it, |machine| machine.host.clone())),
        ("architecture", |it| of_machine(it, |machine| machine.architecture.clone())),
        ("processor", |it| of_machine(it, |machine| machine.processor.clone())),
        ("processors", |it| of_machine(it, |machine| known(machine.processors))),
    ];
    let difference = |(what, of): (&str, Of)| {
        let [before, after] = [before, after].map(|side| values(side, of));
        let differ = !before.is_empty() && !after.is_empty() && before != after;
        differ.then(|| Difference { what: what.to_owned(), before, after })
    };
    let mut found: Vec<Difference> = kinds.into_iter().filter_map(difference).collect();
    found.extend(processes(before, after));
    found.extend(conditions(before, after));
    found
}

/// A different number of processes or runs: one side has more data, or is another program.
fn processes(before: &Side, after: &Side) -> Option<Difference> {
    let [before, after] = [before, after].map(|side| side.series.len());
    (before != after && before > 0 && after > 0).then(|| Difference {
        what: "processes".to_owned(),
        before: before.to_string(),
        after: after.to_string(),
    })
}

/// Limits and environment variables that affect an allocator. They are known only where this
/// program started both sides; a limit or variable that only one side has counts as a difference
/// too.
fn conditions(before: &Side, after: &Side) -> Vec<Difference> {
    type Of = fn(&hakmem_proto::v1::Machine) -> &std::collections::HashMap<String, String>;
    let kinds: [(&str, Of); 2] = [("limit", |it| &it.limits), ("variable", |it| &it.environment)];
    let mut found = Vec::new();
    for (kind, of) in kinds {
        let machines = |side: &'_ Side| -> Vec<hakmem_proto::v1::Machine> {
            side.series.iter().filter_map(|it| it.machine.clone()).collect()
        };
        let sides = [machines(before), machines(after)];
        let is_known =
            |side: &Vec<hakmem_proto::v1::Machine>| side.iter().any(|it| !it.limits.is_empty());
        if !sides.iter().all(is_known) {
            continue;
        }
        let names: BTreeSet<&String> =
            sides.iter().flatten().flat_map(|machine| of(machine).keys()).collect();
        for name in names {
            let [before, after] = [0, 1].map(|side: usize| {
                let values = sides[side].iter().filter_map(|it| of(it).get(name));
                let values: BTreeSet<&String> = values.collect();
                let values: Vec<&str> = values.into_iter().map(String::as_str).collect();
                if values.is_empty() { "none".to_owned() } else { values.join(", ") }
            });
            if before != after {
                found.push(Difference { what: format!("{kind} {name}"), before, after });
            }
        }
    }
    found
}

fn known(number: u32) -> String {
    if number == 0 { String::new() } else { number.to_string() }
}

fn of_machine(series: &Series, of: fn(&hakmem_proto::v1::Machine) -> String) -> String {
    series.machine.as_ref().map(of).unwrap_or_default()
}

fn labels(series: &Series) -> String {
    let mut labels: Vec<String> =
        series.identity.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    labels.sort();
    labels.join(",")
}
