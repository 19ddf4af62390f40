//! A file in Markdown that keeps the figures of several processors, so that no claim rests on one.
//!
//! Each processor has one section, from its heading (`## ` and the processor's name) to the next
//! heading. A new recording replaces the section of its processor and keeps all other text, except
//! for the overview, which shows the ratios of all sections side by side and is made anew from
//! them.

use std::fmt::Write as _;

use crate::race::bar::{Summary, Verdict};
use crate::race::group::GROUPS;
use crate::race::standing::{Figure, Standing};
use crate::race::standings::Standings;

/// Text above the sections of a new file.
const PREAMBLE: &str = "\
# Figures of the race

The same loads under hakmem and its peers, on each processor that the race was run on.
Written by `.ci/race --record BENCHMARKS.md`, which replaces the section of its processor.
";

/// Columns of a line of text at most; tables and headings cannot be broken.
const COLUMNS_MAX: usize = 100;

const OVERVIEW: &str = "Overview";

/// Last part of a heading of the column with the ratio, by which the overview finds it.
const RATIO: &str = "hakmem / best";

/// The text of `file` with these figures in place of earlier ones of the same processor.
pub fn recorded(file: Option<&str>, standings: &Standings) -> String {
    let (mut preamble, mut sections) = split(file.unwrap_or(PREAMBLE));
    let processor = &standings.circumstances.machine.processor;
    let section = Section { name: processor.clone(), text: section(standings) };
    match sections.iter_mut().find(|one| one.name == section.name) {
        Some(old) => *old = section,
        None => sections.push(section),
    }
    sections.retain(|section| section.name != OVERVIEW);
    let overview = overview(&sections);
    for text in [&mut preamble].into_iter().chain(sections.iter_mut().map(|one| &mut one.text)) {
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    let mut text = format!("{preamble}\n## {OVERVIEW}\n\n{overview}");
    for section in &sections {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n## {}\n{}", section.name, section.text);
    }
    text
}

/// A heading and the text below it.
struct Section {
    name: String,
    /// All lines below the heading.
    text: String,
}

/// Splits `file` into the text above the first section, and the sections.
fn split(file: &str) -> (String, Vec<Section>) {
    let (mut preamble, mut sections) = (String::new(), Vec::<Section>::new());
    for line in file.lines() {
        if let Some(name) = line.strip_prefix("## ") {
            sections.push(Section { name: name.trim().to_owned(), text: String::new() });
            continue;
        }
        let text = sections.last_mut().map_or(&mut preamble, |section| &mut section.text);
        text.push_str(line);
        text.push('\n');
    }
    (preamble, sections)
}

/// One line per row of any section, one column per section.
fn overview(sections: &[Section]) -> String {
    let columns: Vec<Vec<(&str, &str)>> = sections.iter().map(|one| ratios(&one.text)).collect();
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in columns.iter().flatten() {
        if !names.contains(name) {
            names.push(name);
        }
    }
    let mut text = "Throughput of hakmem / the best peer of the row, by processor:\n\n".to_owned();
    for (index, section) in sections.iter().enumerate() {
        push_item(&mut text, &format!("{}.", index + 1), &section.name);
    }
    let numbers = (1..=sections.len()).map(|number| number.to_string());
    text.push('\n');
    push_row(&mut text, ["load".to_owned()].into_iter().chain(numbers));
    push_rule(&mut text, sections.len() + 1);
    for name in names {
        let ratio = |column: &Vec<(&str, &str)>| {
            let found = column.iter().find(|(row, _)| *row == name);
            found.map_or("–", |(_, ratio)| ratio).to_owned()
        };
        push_row(&mut text, [name.to_owned()].into_iter().chain(columns.iter().map(ratio)));
    }
    text
}

/// Name and ratio of each row of a section's tables.
fn ratios(section: &str) -> Vec<(&str, &str)> {
    let mut column = None;
    let mut found = Vec::new();
    for line in section.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if cells.len() < 3 || !line.starts_with('|') {
            column = None;
        } else if column.is_none() {
            column = cells.iter().position(|cell| *cell == RATIO);
        } else if let Some(ratio) = column.and_then(|column| cells.get(column))
            && !cells[1].starts_with("---")
        {
            found.push((cells[1], *ratio));
        }
    }
    found
}

/// The text of the section for `standings`, without its heading.
fn section(standings: &Standings) -> String {
    let mut text = "\n".to_owned();
    for circumstance in standings.circumstances.to_string().split("; ") {
        push_item(&mut text, "-", circumstance);
    }
    let _ = writeln!(
        text,
        "\nhakmem {}; millions of calls a second, medians; the interval is that of the ratio.",
        env!("CARGO_PKG_VERSION")
    );
    for group in GROUPS {
        let rows: Vec<&Standing> =
            standings.rows.iter().filter(|row| row.group == group.name).collect();
        if let Some(first) = rows.first() {
            let _ = writeln!(text, "\n### {}\n", group.name);
            push_table(&mut text, &first.figures, &rows);
        }
    }
    text.push_str("\n### Summary and bars\n\n");
    for line in standings.summaries.iter().map(Summary::to_string) {
        push_item(&mut text, "-", &line);
    }
    for line in standings.verdicts.iter().map(Verdict::to_string) {
        push_item(&mut text, "-", &line);
    }
    for absent in &standings.absent {
        push_item(&mut text, "-", &format!("{} did not race: {}", absent.allocator, absent.reason));
    }
    text
}

fn push_table(text: &mut String, figures: &[Figure], rows: &[&Standing]) {
    let allocators = figures.iter().map(|figure| figure.allocator.clone());
    let last = ["best peer", RATIO, "interval", "rounds", "clock", "peak / median"];
    let heads = last.into_iter().map(str::to_owned);
    push_row(text, ["load".to_owned()].into_iter().chain(allocators).chain(heads));
    push_rule(text, 1 + figures.len() + last.len());
    for row in rows {
        let rate = |figure: &Figure| {
            let rate = figure.million_operations_per_second;
            if rate < 10.0 { format!("{rate:.2}") } else { format!("{rate:.0}") }
        };
        let last = [
            row.best_peer.clone(),
            format!("{:.3}", row.ratio),
            row.interval.to_string(),
            row.rounds.to_string(),
            row.clock.name().to_owned(),
            format!("{:.2}", row.peak_resident_ratio),
        ];
        let cells = [row.cell.clone()].into_iter().chain(row.figures.iter().map(rate));
        push_row(text, cells.chain(last));
    }
}

/// An item of a list behind its `mark`, on as many lines as it takes.
fn push_item(text: &mut String, mark: &str, item: &str) {
    let indent = " ".repeat(mark.len());
    let mut line = mark.to_owned();
    for word in item.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > COLUMNS_MAX {
            let _ = writeln!(text, "{line}");
            line.clone_from(&indent);
        }
        line.push(' ');
        line.push_str(word);
    }
    let _ = writeln!(text, "{line}");
}

fn push_row(text: &mut String, cells: impl Iterator<Item = String>) {
    text.push('|');
    for cell in cells {
        let _ = write!(text, " {cell} |");
    }
    text.push('\n');
}

fn push_rule(text: &mut String, columns: usize) {
    let _ = writeln!(text, "|{}", "---|".repeat(columns));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::race::standings::tests::standings;

    fn on(processor: &str, ours: f64) -> Standings {
        let mut standings = standings(&[[ours, 100.0, 50.0]; 7]);
        standings.circumstances.machine.processor = processor.to_owned();
        standings
    }

    #[test]
    fn a_recording_replaces_only_the_section_of_its_processor() {
        let first = recorded(None, &on("Old (model 1)", 110.0));
        assert!(first.starts_with("# Figures of the race\n"), "{first}");
        let both = recorded(Some(&first), &on("New (model 2)", 90.0));
        let by_hand = both.replace("### Summary", "A remark by hand.\n\n### Summary");
        let again = recorded(Some(&by_hand), &on("New (model 2)", 120.0));
        assert_eq!(again.matches("## Old (model 1)\n").count(), 1);
        assert_eq!(again.matches("## New (model 2)\n").count(), 1);
        // The other processor's section stays, and this one's old section is gone.
        assert_eq!(again.matches("A remark by hand.").count(), 1, "{again}");
        assert!(again.contains("| fixed 128 B | 110 | 100 | 50 | jemalloc | 1.100 |"), "{again}");
        assert!(again.contains("| fixed 128 B | 120 | 100 | 50 | jemalloc | 1.200 |"), "{again}");
        assert!(!again.contains("| 90 |"), "{again}");
        assert_eq!(recorded(Some(&again), &on("New (model 2)", 120.0)), again);
    }

    #[test]
    fn the_overview_has_all_processors_side_by_side() {
        let first = recorded(None, &on("Old (model 1)", 110.0));
        let foreign =
            "## By hand\n\n| load | x | hakmem / best |\n|---|---|---|\n| other | 1 | 2 |\n";
        let text = recorded(Some(&format!("{first}\n{foreign}")), &on("New (model 2)", 90.0));
        for line in [
            "1. Old (model 1)\n2. By hand\n3. New (model 2)\n",
            "| load | 1 | 2 | 3 |\n|---|---|---|---|\n| fixed 128 B | 1.100 | – | 0.900 |\n",
            "| other | – | 2 | – |\n",
        ] {
            assert!(text.contains(line), "{line} is missing:\n{text}");
        }
        assert_eq!(text.matches("## Overview").count(), 1);
        assert!(text.find("## Overview") < text.find("## Old"), "{text}");
    }

    #[test]
    fn items_are_broken_before_they_get_too_long() {
        let mut text = String::new();
        push_item(&mut text, "12.", &"word ".repeat(40));
        assert!(text.lines().all(|line| line.chars().count() <= COLUMNS_MAX), "{text}");
        assert!(text.starts_with("12. word") && text.contains("\n    word"), "{text}");
        assert_eq!(text.matches("word").count(), 40);
    }

    #[test]
    fn a_section_names_the_machine_its_load_and_the_peers_that_were_not_there() {
        let text = recorded(None, &on("New (model 2)", 90.0));
        for words in [
            "\n- load average 0.1 0.1 0.1 at the start, 0.2 0.2 0.2 at the end\n- 2026-11-30\n",
            "| 0.900..0.900 at 98 % | 7 | processor |",
            "- rpmalloc did not race: there is no compiler cc",
            "- seven: throughput, each row: at least 1.05: MISSED, 0.900 in fixed 128 B",
        ] {
            assert!(text.contains(words), "{words} is missing:\n{text}");
        }
    }
}
