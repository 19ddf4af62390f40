//! Comments chosen at random: whether they read well is for people to judge.

use crate::finding::Finding;
use crate::repository::Repository;
use crate::source;

/// `count` comments of the files below `folder`, chosen by `seed` (xorshift64; G. Marsaglia,
/// "Xorshift RNGs", 2003). Equal seeds choose the same comments of the same repository.
pub fn comments(repository: &Repository, folder: &str, count: usize, seed: u64) -> Vec<Finding> {
    let mut all = all_comments(repository, folder);
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut chosen = Vec::new();
    while chosen.len() < count && !all.is_empty() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        chosen.push(all.swap_remove((state % all.len() as u64) as usize));
    }
    chosen
}

/// The comments of the files below `folder`, each whole, with the line it begins at. Comments of
/// fewer than eight words are left out, and so are `SAFETY` comments, whose form is given.
fn all_comments(repository: &Repository, folder: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    let inside = |path: &str| path.starts_with(folder) && path.ends_with(".rs");
    for (path, text) in repository.files().filter(|(path, _)| inside(path)) {
        let mut blocks: Vec<(usize, Vec<&str>)> = Vec::new();
        for (at, comment) in source::comments(text) {
            let line = 1 + text[..at].matches('\n').count();
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
