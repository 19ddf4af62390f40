//! No files of a crate use each other in a circle.
//!
//! That a file uses the module it lies in does not count: `foo.rs` and `foo/` are one thing for
//! everybody else, and a child may extend its parent's types. That a parent uses its children does.
//!
//! Circles are the strongly connected components of the graph of uses (R. Tarjan, "Depth-First
//! Search and Linear Graph Algorithms", 1972; here by reachability, as the graphs are small).

use std::collections::{BTreeMap, BTreeSet};

use crate::finding::Finding;
use crate::module::{ModulePath, Modules};

/// One finding for each circle, with the files that belong to it.
pub fn check(modules: &Modules) -> Vec<Finding> {
    let reached: BTreeMap<&ModulePath, BTreeSet<&ModulePath>> =
        modules.keys().map(|path| (path, reachable(modules, path))).collect();
    let mut told = BTreeSet::new();
    let mut findings = Vec::new();
    for path in modules.keys() {
        if told.contains(path) || !reached[path].contains(path) {
            continue;
        }
        let circle: Vec<&ModulePath> =
            reached[path].iter().copied().filter(|other| reached[*other].contains(path)).collect();
        told.extend(circle.iter().copied());
        let names: Vec<String> = circle.iter().map(|path| name(path)).collect();
        let message = format!("files use each other in a circle: {}", names.join(", "));
        findings.push(Finding { path: modules[path].file.clone(), line: 0, message });
    }
    findings
}

fn name(path: &ModulePath) -> String {
    if path.is_empty() { "the crate's root".into() } else { path.join("::") }
}

/// The modules that can be reached from `start` by at least one use.
fn reachable<'modules>(
    modules: &'modules Modules,
    start: &ModulePath,
) -> BTreeSet<&'modules ModulePath> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&ModulePath> = edges(modules, start).collect();
    while let Some(path) = open.pop() {
        let Some((path, _)) = modules.get_key_value(path) else { continue };
        if reached.insert(path) {
            open.extend(edges(modules, path));
        }
    }
    reached
}

/// What a module uses, the modules that it lies in left out.
fn edges<'modules>(
    modules: &'modules Modules,
    path: &'modules ModulePath,
) -> impl Iterator<Item = &'modules ModulePath> {
    modules[path].uses.iter().filter(|used| !path.starts_with(used))
}
