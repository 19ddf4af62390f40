//! Comments and documents do without phrases whose referent a reader has to guess.

use crate::finding::Finding;
use crate::repository::Repository;
use crate::source::comments;

/// Phrases that `STYLE.md` bans.
const BANNED: [&str; 17] = [
    "As there.",
    "The same.",
    "is none of",
    "are none of",
    "so many",
    "whoever",
    "Whoever",
    "what is no ",
    "What is no ",
    "what are no ",
    "where as many",
    "who finds it",
    "which nobody has",
    "that nobody has",
    "is said to be of",
    "belong before no",
    "of such are",
];

/// Banned phrases in Rust comments, Markdown and scripts. `STYLE.md` itself quotes them.
pub fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in repository.files() {
        if path == "STYLE.md" || path == "CHANGELOG.md" || path.starts_with("hakmem-tidy/") {
            continue;
        }
        if path.ends_with(".rs") {
            for (line, comment) in comments(text) {
                findings.extend(phrases(path, line, comment));
            }
        } else if path.ends_with(".md") {
            for (index, line) in text.lines().enumerate() {
                findings.extend(phrases(path, index + 1, line));
            }
        } else if text.starts_with("#!") {
            let lines = text.lines().enumerate();
            for (index, line) in lines.filter(|(_, line)| line.trim_start().starts_with('#')) {
                findings.extend(phrases(path, index + 1, line));
            }
        }
    }
    findings
}

fn phrases(path: &str, line: usize, text: &str) -> Vec<Finding> {
    let is_clause = |(_, behind): (&str, &str)| behind.contains(" that");
    let found = BANNED.iter().filter(|phrase| match **phrase {
        // "so many threads that each waits" says how many.
        "so many" => text.split_once("so many").is_some_and(|split| !is_clause(split)),
        phrase => text.contains(phrase),
    });
    found
        .map(|phrase| Finding {
            path: path.into(),
            line,
            message: format!("\"{}\": name the thing instead (STYLE.md)", phrase.trim()),
        })
        .collect()
}
