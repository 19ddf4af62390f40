//! The files of Prometheus rules and their cases, read line by line: the repository has no parser
//! of YAML. `promtool` judges the form, and these tests need only the names in the lines.

use std::path::PathBuf;

/// Files in `rules/` and `cases/`, one pair for each.
pub(crate) const FILES: [&str; 5] = ["bugs", "memory", "paths", "recording", "telemetry"];

/// A rule.
#[derive(Debug)]
pub(crate) struct Rule {
    /// Name of the alert or of the recorded series.
    pub(crate) name: String,
    /// Whether it is an alert.
    pub(crate) is_alert: bool,
    /// Whether the line before the rule is a comment.
    pub(crate) has_reason: bool,
    lines: Vec<String>,
}

impl Rule {
    /// The text after `key`, with the deeper lines that follow; empty without the key.
    pub(crate) fn field(&self, key: &str) -> String {
        let depth = |line: &str| line.len() - line.trim_start().len();
        let start = format!("{key}:");
        let Some(at) = self.lines.iter().position(|line| line.trim().starts_with(&start)) else {
            return String::new();
        };
        let own = depth(&self.lines[at]);
        let first = self.lines[at].trim().trim_start_matches(&start).trim();
        let mut words: Vec<&str> = vec![first.trim_start_matches(">-")];
        let deeper = self.lines[at + 1..].iter().take_while(|line| depth(line) > own);
        words.extend(deeper.map(|line| line.trim()));
        words.join(" ").trim().to_owned()
    }
}

/// `dashboards/prometheus`.
pub(crate) fn folder() -> PathBuf {
    hakmem_built::repository("dashboards/prometheus")
}

/// The text of a file in this folder.
pub(crate) fn read(path: &str) -> String {
    std::fs::read_to_string(folder().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every rule of every file.
pub(crate) fn rules() -> Vec<Rule> {
    FILES.iter().flat_map(|stem| parse(&read(&format!("rules/{stem}.yml")))).collect()
}

fn parse(text: &str) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    let mut before = "";
    for line in text.lines() {
        let trimmed = line.trim();
        let start = [("- alert: ", true), ("- record: ", false)]
            .iter()
            .find_map(|&(key, is_alert)| Some((trimmed.strip_prefix(key)?, is_alert)));
        if let Some((name, is_alert)) = start {
            let has_reason = before.starts_with('#');
            rules.push(Rule { name: name.to_owned(), is_alert, has_reason, lines: Vec::new() });
        } else if let Some(rule) = rules.last_mut() {
            rule.lines.push(line.to_owned());
        }
        before = trimmed;
    }
    rules
}

/// For each time at which a case asks for an alert: its name, and whether it should fire then.
pub(crate) fn cases() -> Vec<(String, bool)> {
    let texts: Vec<String> = FILES.iter().map(|stem| read(&format!("cases/{stem}.yml"))).collect();
    let blocks = texts.iter().flat_map(|text| text.split("- alertname: ").skip(1));
    let cases = blocks.map(|block| {
        let name = block.lines().next().expect("a name follows").trim();
        let silent = block.contains("exp_alerts: []");
        // The text after the last case of a group belongs to the next group.
        let fires = block.split("- name:").next().is_some_and(|own| own.contains("exp_labels:"));
        assert!(silent != fires, "a case of {name} says neither or both:\n{block}");
        (name.to_owned(), fires)
    });
    cases.collect()
}

#[test]
fn a_field_goes_on_in_deeper_lines() {
    let rules = parse("# why\n  - alert: A\n    expr: >-\n      up\n      == 0\n    for: 5m\n");
    let [rule] = rules.as_slice() else { panic!("{rules:?}") };
    assert!(rule.is_alert && rule.has_reason && rule.name == "A");
    assert_eq!(rule.field("expr"), "up == 0");
    assert_eq!((rule.field("for").as_str(), rule.field("labels").as_str()), ("5m", ""));
}
