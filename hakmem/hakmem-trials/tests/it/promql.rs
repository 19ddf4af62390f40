//! The part of PromQL that the tests need: the metrics that a query reads, their matchers, and what
//! surrounds them. Whether a query is valid PromQL is for Prometheus to judge.

/// A metric in a query.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Selector {
    /// Its name.
    pub(crate) metric: String,
    /// Text between the braces after it; empty without braces.
    pub(crate) matchers: String,
    /// Function that takes it as its only argument; empty if there is none.
    pub(crate) function: String,
    /// Range after it, without brackets; empty if there is none.
    pub(crate) range: String,
}

/// Every metric in a query, in order: words that contain `hakmem`, `up` and `ALERTS`, and every
/// word with matchers, so that a misspelt name is seen too.
pub(crate) fn selectors(promql: &str) -> Vec<Selector> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = next_word(promql, at) {
        let length = promql[start..].find(|next| !is_part(next)).unwrap_or(promql.len() - start);
        let (word, rest) = promql[start..].split_at(length);
        at = start + length;
        if !is_metric(word) && !rest.starts_with('{') {
            continue;
        }
        let (matchers, rest) = enclosed(rest, '{', '}');
        let (range, rest) = enclosed(rest, '[', ']');
        at = promql.len() - rest.len();
        let function = function_before(&promql[..start]);
        found.push(Selector {
            metric: word.to_owned(),
            matchers: matchers.to_owned(),
            function: function.to_owned(),
            range: range.to_owned(),
        });
    }
    found
}

/// Names of the metrics that a query reads, each once.
pub(crate) fn metrics(promql: &str) -> Vec<String> {
    let mut names: Vec<String> =
        selectors(promql).into_iter().map(|selector| selector.metric).collect();
    names.sort();
    names.dedup();
    names
}

/// Labels that any `by (…)` or `group_left (…)` of a query keeps.
pub(crate) fn kept_labels(promql: &str) -> Vec<&str> {
    let lists = promql.split("by (").skip(1).chain(promql.split("group_left (").skip(1));
    let lists = lists.filter_map(|rest| rest.split_once(')'));
    lists.flat_map(|(list, _)| list.split(',')).map(str::trim).collect()
}

fn is_part(character: char) -> bool {
    character.is_ascii_alphanumeric() || "_:".contains(character)
}

fn is_metric(word: &str) -> bool {
    word.contains("hakmem") || matches!(word, "up" | "ALERTS")
}

/// Position of the next word outside quotes.
fn next_word(promql: &str, from: usize) -> Option<usize> {
    let mut quoted = false;
    for (offset, character) in promql[from..].char_indices() {
        match character {
            '"' => quoted = !quoted,
            other if !quoted && is_part(other) => return Some(from + offset),
            _ => {}
        }
    }
    None
}

/// Splits a text that begins with `open` into the part before the matching `close`, and the rest.
fn enclosed(text: &str, open: char, close: char) -> (&str, &str) {
    let mut quoted = false;
    let Some(inside) = text.strip_prefix(open) else { return ("", text) };
    let end = inside.find(|character: char| {
        quoted ^= character == '"';
        !quoted && character == close
    });
    end.map_or(("", text), |end| (&inside[..end], &inside[end + 1..]))
}

/// The name directly before the opening bracket that ends a text; empty if there is none.
fn function_before(text: &str) -> &str {
    let Some(before) = text.strip_suffix('(') else { return "" };
    let start = before.rfind(|character| !is_part(character)).map_or(0, |last| last + 1);
    &before[start..]
}

#[test]
fn metrics_are_found_outside_of_quotes() {
    let promql = "rate(a:hakmem_x:rate5m{b=\"hakmem_no}\"}[5m]) / up{job=\"hakmem\"} and hakmem_y";
    assert_eq!(metrics(promql), ["a:hakmem_x:rate5m", "hakmem_y", "up"]);
    assert_eq!(metrics("sum(hakmen_z{a=\"b\"})"), ["hakmen_z"]);
}

#[test]
fn a_selector_knows_what_is_around_it() {
    let found = selectors("sum by (a, b) (rate(hakmem_x{job=~\"$job\"}[$i] offset 1h)) > hakmem_y");
    let selector = |metric: &str, matchers: &str, function: &str, range: &str| Selector {
        metric: metric.into(),
        matchers: matchers.into(),
        function: function.into(),
        range: range.into(),
    };
    let x = selector("hakmem_x", "job=~\"$job\"", "rate", "$i");
    assert_eq!(found, [x, selector("hakmem_y", "", "", "")]);
    assert_eq!(kept_labels("sum by (a, b) (x) * on () group_left (c) y"), ["a", "b", "c"]);
}
