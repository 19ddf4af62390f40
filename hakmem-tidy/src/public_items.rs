//! Public items of the workspace's libraries are used outside of their files.
//!
//! The compiler reports a private item that nothing uses, but takes a public one for something that
//! users of the library need. Only the libraries in `FOR_USERS` have such users. An item counts as
//! used when another file of the workspace names it anywhere but in a `pub use`; a type also when
//! its own file names it outside of its definition and the headers of its `impl` blocks, because
//! the signature of a function that others call may name it. Two items of one name hide each other.

use std::collections::HashMap;

use crate::finding::Finding;
use crate::repository::Repository;
use crate::source::{Token, names, tokens};

/// Libraries whose public items are for programs outside of the workspace too.
const FOR_USERS: [&str; 3] =
    ["hakmem/src/", "hakmem/hakmem-segment/src/", "hakmem/hakmem-reader/src/"];

/// Items that nothing in the workspace names: file, name and the reason to keep it.
const ALLOWED: [(&str, &str, &str); 0] = [];

/// Items that no other file names, and exceptions that are not needed any more.
pub fn check(repository: &Repository) -> Vec<Finding> {
    let mut users: HashMap<&str, Vec<&str>> = HashMap::new();
    for (path, text) in repository.files().filter(|(path, _)| path.ends_with(".rs")) {
        names(text).into_iter().for_each(|name| users.entry(name).or_default().push(path));
    }
    let roots: Vec<String> = repository.crates().map(|root| format!("{root}/")).collect();
    let is_checked = |path: &str| {
        let of = |root: &str| path.starts_with(root) && path.ends_with(".rs");
        roots.iter().any(|root| of(root)) && !FOR_USERS.iter().any(|root| of(root))
    };
    let mut findings = Vec::new();
    for (path, text) in repository.files().filter(|(path, _)| is_checked(path)) {
        let tokens = tokens(text);
        let named = |name| users.get(name).is_some_and(|it| it.iter().any(|it| *it != path));
        let allowed = |name| ALLOWED.iter().any(|(file, it, _)| (*file, *it) == (path, name));
        let unused: Vec<Item> =
            items(&tokens).filter(|it| !named(it.name) && !it.is_named_in(&tokens)).collect();
        for item in unused.iter().filter(|it| !allowed(it.name)) {
            let message = format!(
                "no other file names the public {} `{}`: remove it or make it private",
                item.kind, item.name
            );
            findings.push(Finding { path: path.into(), line: line(text, item.name), message });
        }
        let kept = ALLOWED.iter().filter(|(file, ..)| *file == path);
        for (_, name, _) in kept.filter(|(_, name, _)| unused.iter().all(|it| it.name != *name)) {
            let message = format!("`{name}` needs no exception in `public_items.rs` any more");
            findings.push(Finding { path: path.into(), line: 0, message });
        }
    }
    findings
}

/// A public item.
#[derive(Clone, Copy, Debug)]
struct Item<'source> {
    kind: &'source str,
    name: &'source str,
}

impl Item<'_> {
    /// Whether this is a type that its own file uses.
    fn is_named_in(self, tokens: &[Token<'_>]) -> bool {
        const BEFORE_NAME: [&str; 6] = ["struct", "enum", "trait", "type", "impl", "for"];
        let is_type = ["struct", "enum", "trait", "type"].contains(&self.kind);
        let is_use = |it: &[&str]| it[1] == self.name && !BEFORE_NAME.contains(&it[0]);
        is_type && tokens.windows(2).any(is_use)
    }
}

/// Items that begin with `pub` alone; `pub(crate)` is the compiler's to check.
fn items<'source>(tokens: &[Token<'source>]) -> impl Iterator<Item = Item<'source>> {
    let public = tokens.iter().enumerate().filter(|(_, token)| **token == "pub");
    public.filter_map(|(at, _)| {
        let mut rest = &tokens[at + 1..];
        while let [_, next, ..] = rest {
            let is_modifier = ["unsafe", "async", "extern"].contains(&rest[0])
                || rest[0] == "const" && ["fn", "unsafe", "async", "extern"].contains(next);
            if !is_modifier {
                break;
            }
            rest = &rest[1..];
        }
        let [kind, name, ..] = rest else { return None };
        let kinds = ["fn", "struct", "enum", "trait", "const", "static", "type"];
        kinds.contains(kind).then_some(Item { kind, name })
    })
}

/// The line that defines `name`.
fn line(text: &str, name: &str) -> usize {
    let defines = |line: &str| line.trim_start().starts_with("pub ") && names(line).contains(name);
    text.lines().position(defines).map_or(0, |index| index + 1)
}
