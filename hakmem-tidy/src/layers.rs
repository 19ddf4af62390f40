//! Lists of layers are true: a module uses only what stands before it in the list of its folder.
//!
//! A list is what the documentation of a module has in items, "- `a`, `b`: what they do", after a
//! line that contains "bottom to top". Modules of one item may use each other as far as
//! [`crate::circles`] allows. Each crate of several modules has a list, and a list names every
//! module of its folder.

use std::collections::BTreeSet;

use crate::finding::Finding;
use crate::module::{Module, ModulePath, Modules};

/// Modules of a crate from which on it needs a list.
const MODULES_MIN: usize = 4;

/// Edges that point upward, modules that stand in no list, and crates without a list.
pub fn check(modules: &Modules) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, module) in modules {
        let children = children(modules, path);
        match list(&module.text) {
            Some(list) => findings.extend(check_list(modules, path, &list, &children)),
            None if path.is_empty() && children.len() >= MODULES_MIN => findings.push(Finding {
                path: module.file.clone(),
                line: 0,
                message: "the crate has no list of its layers, bottom to top".into(),
            }),
            None => {}
        }
    }
    findings
}

/// The layers that a module's documentation lists, each with its modules.
pub fn list(text: &str) -> Option<Vec<Vec<String>>> {
    // A crate whose documentation is a page of its own has the list in comments behind it.
    let lines = text.lines().skip_while(|line| line.starts_with("#![doc = include_str!"));
    let mut lines = lines.map_while(comment);
    lines.find(|line| line.contains("bottom to top"))?;
    let mut items: Vec<String> = Vec::new();
    for line in lines {
        if let Some(item) = line.strip_prefix(" - ") {
            items.push(item.into());
        } else if let Some(more) = line.strip_prefix("   ")
            && let Some(item) = items.last_mut()
        {
            item.push(' ');
            item.push_str(more);
        } else if !items.is_empty() {
            break;
        }
    }
    (!items.is_empty()).then(|| items.iter().map(|item| names(item)).collect())
}

/// The text of a line of documentation or of a comment.
fn comment(line: &str) -> Option<&str> {
    line.strip_prefix("//!").or_else(|| line.strip_prefix("//"))
}

/// The names in front of an item's first colon.
fn names(item: &str) -> Vec<String> {
    let head = item.split(": ").next().unwrap_or(item);
    let quoted = head.split('`').skip(1).step_by(2);
    quoted.map(|name| name.trim_start_matches("mod@").to_owned()).collect()
}

fn check_list(
    modules: &Modules,
    root: &ModulePath,
    list: &[Vec<String>],
    children: &BTreeSet<&str>,
) -> Vec<Finding> {
    let rank = |name: &str| list.iter().position(|layer| layer.iter().any(|it| it == name));
    let root_file = &modules[root].file;
    let mut findings = Vec::new();
    for child in children.iter().filter(|child| rank(child).is_none()) {
        let message = format!("the module `{child}` stands in no layer of the list");
        findings.push(Finding { path: root_file.clone(), line: 0, message });
    }
    for name in list.iter().flatten().filter(|name| !children.contains(name.as_str())) {
        let message = format!("the list of layers names `{name}`, which is no module here");
        findings.push(Finding { path: root_file.clone(), line: 0, message });
    }
    for (path, module) in modules.iter().filter(|(path, _)| below(path, root).is_some()) {
        let Some(own) = below(path, root).and_then(rank) else { continue };
        for other in module.uses.iter().filter_map(|used| below(used, root)) {
            if rank(other).is_some_and(|rank| rank > own) {
                let message = format!("uses `{other}`, which is a layer above its own");
                findings.push(Finding { path: module.file.clone(), line: 0, message });
            }
        }
    }
    findings
}

/// The name of the child of `root` that `path` is, or lies in.
fn below<'path>(path: &'path ModulePath, root: &ModulePath) -> Option<&'path str> {
    path.strip_prefix(root.as_slice())?.first().map(String::as_str)
}

fn children<'modules>(modules: &'modules Modules, root: &ModulePath) -> BTreeSet<&'modules str> {
    let below = |(path, _): (&'modules ModulePath, &Module)| below(path, root);
    modules.iter().filter_map(below).collect()
}
