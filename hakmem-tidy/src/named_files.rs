//! Files that the architecture names exist.

use crate::finding::Finding;
use crate::repository::Repository;

/// Endings of what is taken for a file's name.
const ENDINGS: [&str; 8] = [".rs", ".md", ".txt", ".c", ".cc", ".proto", ".json", ".toml"];

/// Names in backticks, in every `ARCHITECTURE.md` and in `CONTRIBUTING.md`, that are no file or
/// folder. A name stands for any file whose path ends with it, so a crate's page can name its own.
/// Names that begin with `../` are links, and `NAME` in capitals stands for a name to be chosen.
pub fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    let pages = ["ARCHITECTURE.md", "CONTRIBUTING.md"];
    let is_page = |path: &str| pages.iter().any(|page| path.ends_with(page));
    for (path, text) in repository.files().filter(|(path, _)| is_page(path)) {
        let mut fenced = false;
        for (index, line) in text.lines().enumerate() {
            fenced ^= line.starts_with("```");
            if fenced {
                continue;
            }
            let missing = line
                .split('`')
                .skip(1)
                .step_by(2)
                .filter(|name| is_file_name(name) && !repository.has_anywhere(name));
            findings.extend(missing.map(|name| Finding {
                path: path.into(),
                line: index + 1,
                message: format!("`{name}` is no file or folder of the repository"),
            }));
        }
    }
    findings
}

fn is_file_name(name: &str) -> bool {
    let is_plain = name.chars().all(|it| it.is_ascii_alphanumeric() || "._-/".contains(it));
    let is_path = ENDINGS.iter().any(|ending| name.ends_with(ending)) || name.starts_with(".ci/");
    is_plain && is_path && !name.starts_with("../") && !name.contains("NAME")
}
