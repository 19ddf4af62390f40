//! Comments chosen at random: whether they read well is for people to judge.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::finding::Finding;
use crate::repository::Repository;
use crate::source;

/// `count` comments of the files below `folder`: those whose hashes with `seed` are least. Equal
/// seeds choose the same comments of the same repository.
pub fn comments(repository: &Repository, folder: &str, count: usize, seed: u64) -> Vec<Finding> {
    let mut comments = all_comments(repository, folder);
    comments.sort_by_cached_key(|comment| {
        let mut hasher = DefaultHasher::new();
        (seed, &comment.path, comment.line).hash(&mut hasher);
        hasher.finish()
    });
    comments.truncate(count);
    comments
}

/// The comments of the files below `folder`, each whole, with the line it begins at. Comments of
/// fewer than eight words are left out, and so are `SAFETY` comments, whose form is given.
fn all_comments(repository: &Repository, folder: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    let inside = |path: &str| path.starts_with(folder) && path.ends_with(".rs");
    for (path, text) in repository.files().filter(|(path, _)| inside(path)) {
        let mut blocks: Vec<(usize, Vec<&str>)> = Vec::new();
        for (line, comment) in source::comments(text) {
            let comment = comment.trim_start_matches(['/', '!']).trim();
            match blocks.last_mut() {
                Some((first, lines)) if *first + lines.len() == line => lines.push(comment),
                _ => blocks.push((line, vec![comment])),
            }
        }
        let blocks = blocks.into_iter().map(|(line, lines)| (line, lines.join("\n    ")));
        let telling = blocks.filter(|(_, text)| {
            text.split_whitespace().count() >= 8 && !text.starts_with("SAFETY")
        });
        found.extend(telling.map(|(line, message)| Finding { path: path.into(), line, message }));
    }
    found
}
