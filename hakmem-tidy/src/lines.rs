//! No line is longer than 100 columns.

use crate::finding::Finding;
use crate::repository::Repository;
use crate::source::lines_of_literals;

/// Columns of a line at most.
pub const COLUMNS_MAX: usize = 100;

/// Long lines, in files that people write. Exempt is what cannot be broken: tables, headings, code
/// blocks and links in Markdown, and literals of several lines in Rust.
pub fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in repository.files() {
        let long = match extension(path) {
            "rs" => {
                let exempt = lines_of_literals(text);
                long_lines(text, |line, _| !exempt.contains(&line))
            }
            "md" => markdown(text),
            "proto" | "toml" | "c" | "cc" | "h" | "sh" | "py" => long_lines(text, |_, _| true),
            "" if text.starts_with("#!") => long_lines(text, |_, _| true),
            _ => continue,
        };
        for (line, columns) in long {
            let message = format!("{columns} columns, at most {COLUMNS_MAX} are allowed");
            findings.push(Finding { path: path.into(), line, message });
        }
    }
    findings
}

fn extension(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').map_or("", |(_, extension)| extension)
}

fn long_lines(text: &str, counts: impl Fn(usize, &str) -> bool) -> Vec<(usize, usize)> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    let long = lines.filter(|(number, line)| {
        line.chars().count() > COLUMNS_MAX && counts(*number, line) && !is_one_word(line)
    });
    long.map(|(number, line)| (number, line.chars().count())).collect()
}

/// Long lines outside of tables, headings and code blocks.
fn markdown(text: &str) -> Vec<(usize, usize)> {
    let mut fenced = false;
    let mut exempt = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let is_fence = line.trim_start().starts_with("```");
        fenced ^= is_fence;
        if fenced || is_fence || line.trim_start().starts_with(['|', '#']) {
            exempt.push(index + 1);
        }
    }
    long_lines(text, |line, _| !exempt.contains(&line))
}

/// Whether nothing in a line can be moved to the next: a link, a path.
fn is_one_word(line: &str) -> bool {
    let words = line.split_whitespace().filter(|word| word.chars().any(char::is_alphanumeric));
    words.count() <= 1
}
