//! Markdown has one sentence a line.

use crate::finding::Finding;
use crate::repository::Repository;

/// Lines on which a second sentence begins: a full stop, a question mark or an exclamation mark
/// behind a word, and a capital behind it. Exempt are code, tables and headings, and the number of
/// an item.
pub fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in repository.files().filter(|(path, _)| path.ends_with(".md")) {
        let mut fenced = false;
        for (index, line) in text.lines().enumerate() {
            let line = line.trim_start();
            fenced ^= line.starts_with("```");
            let is_prose = !fenced && !line.starts_with(['|', '#']) && !line.starts_with("```");
            if is_prose && has_second_sentence(line) {
                let message = "a second sentence begins on this line: break it there".into();
                findings.push(Finding { path: path.into(), line: index + 1, message });
            }
        }
    }
    findings
}

fn has_second_sentence(line: &str) -> bool {
    // What stands in backticks is code: every second piece.
    let prose: Vec<&str> = line.split('`').step_by(2).collect();
    let prose = prose.join("x");
    let words: Vec<&str> = prose.split_whitespace().collect();
    words.windows(2).enumerate().any(|(index, pair)| {
        let is_number = index == 0 && pair[0].trim_end_matches('.').parse::<u32>().is_ok();
        !is_number && ends_sentence(pair[0]) && begins_sentence(pair[1])
    })
}

fn ends_sentence(word: &str) -> bool {
    let word = word.trim_end_matches([')', '*', '"', '_']);
    let stem = word.trim_end_matches(['.', '?', '!']);
    stem != word && stem.ends_with(|it: char| it.is_alphanumeric() || ")*\"".contains(it))
}

fn begins_sentence(word: &str) -> bool {
    word.trim_start_matches(['(', '*', '"', '_', '[']).starts_with(char::is_uppercase)
}
