//! The tables behind the answer. Each scrolls by itself on a narrow screen.

use std::fmt::Write as _;

use hakmem_diagnosis::Diagnosis;
use hakmem_diagnosis::diagnosis::{SideSummary, Stratum};

use super::markup::{escape, number};
use crate::tell::comparison::{Comparison, words};
use crate::words::quantity::{self, added_ns, cost_ns, count, share_percent};

/// A table; the first cells of each row are its headings.
struct Table {
    id: &'static str,
    title: &'static str,
    note: &'static str,
    /// Names of columns, and how many cells each of them spans.
    head: Vec<(&'static str, usize)>,
    rows: Vec<Row>,
    /// Number of leading cells in a row that are words, not numbers.
    words: usize,
}

/// A row, and whether it is highlighted.
struct Row {
    cells: Vec<String>,
    stands_out: bool,
}

/// All tables.
pub(super) fn sections(comparison: &Comparison) -> String {
    let diagnosis = &comparison.diagnosis;
    let tables = [strata(diagnosis), reasons(diagnosis), differences(diagnosis), sides(comparison)];
    tables.iter().filter(|it| !it.rows.is_empty()).map(section).collect()
}

fn section(table: &Table) -> String {
    let Table { id, title, note, head, rows, words } = table;
    let mut text = format!(
        "<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{title}</h2>\n<p class=\"note\">{note}\
         </p>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-labelledby=\"{id}\">\n\
         <table>\n<thead><tr>"
    );
    let mut before = 0;
    for (name, span) in head {
        let class = if before < *words { " class=\"word\"" } else { "" };
        before += span;
        let span = if *span > 1 { format!(" colspan=\"{span}\"") } else { String::new() };
        let _ = write!(text, "<th scope=\"col\"{span}{class}>{name}</th>");
    }
    text.push_str("</tr></thead>\n<tbody>\n");
    for Row { cells, stands_out } in rows {
        text.push_str(if *stands_out { "<tr class=\"notable\">" } else { "<tr>" });
        for (index, cell) in cells.iter().enumerate() {
            let _ = match index {
                0 => write!(text, "<th scope=\"row\">{}</th>", escape(cell)),
                _ if index < *words => write!(text, "<td class=\"word\">{}</td>", escape(cell)),
                _ => write!(text, "<td>{}</td>", number(cell)),
            };
        }
        text.push_str("</tr>\n");
    }
    text.push_str("</tbody>\n</table>\n</div>\n</section>\n");
    text
}

fn strata(diagnosis: &Diagnosis) -> Table {
    let row = |stratum: &Stratum| {
        let [before, after] = &stratum.sides;
        let cells = vec![
            stratum.class.clone(),
            words::direction(stratum.direction).into(),
            count(before.operations),
            count(after.operations),
            share_percent(before.share),
            share_percent(after.share),
            share_percent(before.slow_share),
            share_percent(after.slow_share),
            words::took(before.slow_ns),
            words::took(after.slow_ns),
            added_ns(stratum.mix_ns),
            added_ns(stratum.frequency_ns),
            added_ns(stratum.duration_ns),
        ];
        let path = stratum.frequency_ns + stratum.duration_ns;
        Row { cells, stands_out: path.abs() >= diagnosis.method.threshold_ns }
    };
    Table {
        id: "classes",
        title: "Classes",
        note: "Before and after; the last three columns add up to the change, in nanoseconds per \
               operation of the program.",
        head: vec![
            ("class", 1),
            ("calls", 1),
            ("operations", 2),
            ("share, %", 2),
            ("slow, %", 2),
            ("a slow one takes", 2),
            ("mix", 1),
            ("frequency", 1),
            ("duration", 1),
        ],
        rows: diagnosis.strata.iter().map(row).collect(),
        words: 2,
    }
}

fn reasons(diagnosis: &Diagnosis) -> Table {
    let rows = words::reasons(&diagnosis.strata).into_iter().map(|(stratum, reason)| Row {
        cells: vec![
            stratum.class.clone(),
            words::direction(stratum.direction).into(),
            reason.reason.clone(),
            count(reason.count[0]),
            count(reason.count[1]),
            share_percent(reason.per_operation[0]),
            share_percent(reason.per_operation[1]),
            added_ns(reason.frequency_ns),
        ],
        stands_out: reason.frequency_ns.abs() >= diagnosis.method.threshold_ns,
    });
    Table {
        id: "reasons",
        title: "Reasons of slow calls",
        note: "Before and after, those that change the cost most first. Exchanges with a thread's \
               spare list are counted and take next to no time.",
        head: vec![
            ("class", 1),
            ("calls", 1),
            ("reason", 1),
            ("occurrences", 2),
            ("of the class's calls, %", 2),
            ("adds, ns per operation", 1),
        ],
        rows: rows.collect(),
        words: 3,
    }
}

fn differences(diagnosis: &Diagnosis) -> Table {
    let rows = diagnosis.differences.iter().map(|it| Row {
        cells: vec![it.what.clone(), it.before.clone(), it.after.clone()],
        stands_out: false,
    });
    Table {
        id: "differences",
        title: "What else differs",
        note: "Builds, settings and machines.",
        head: vec![("what", 1), ("before", 1), ("after", 1)],
        rows: rows.collect(),
        words: 3,
    }
}

fn sides(comparison: &Comparison) -> Table {
    let (before, after) = (&comparison.diagnosis.before, &comparison.diagnosis.after);
    let row = |what: &str, value: &dyn Fn(&SideSummary) -> String| Row {
        cells: vec![what.into(), value(before), value(after)],
        stands_out: false,
    };
    Table {
        id: "sides",
        title: "What was compared",
        note: "Operations a second depend on the load and are not part of the verdict.",
        head: vec![("", 1), ("before", 1), ("after", 1)],
        rows: vec![
            row("source", &|it| it.name.clone()),
            row("programs", &|it| it.programs.join(", ")),
            row("executables", &|it| it.executables.join(", ")),
            row("build-ids", &|it| it.build_ids.join(", ")),
            row("from", &|it| moment(it.from)),
            row("to", &|it| moment(it.to)),
            row("extent", &|it| words::extent(it, comparison.units)),
            row("operations a second", &|it| quantity::rate(it.operations_per_second)),
            row("slow calls", &|it| format!("{} %", share_percent(it.slow_share))),
            row("slow-path time per operation, at the prices of both", &|it| {
                format!("{} ns", cost_ns(it.cost_ns))
            }),
        ],
        words: 3,
    }
}

/// A moment in seconds of Unix time, in UTC to the second.
fn moment(unix_seconds: f64) -> String {
    if unix_seconds <= 0.0 {
        return "–".into();
    }
    prost_types::Timestamp { seconds: unix_seconds as i64, nanos: 0 }.to_string()
}
