//! The code keeps to the order of layers that `lib.rs` documents.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::string::{String, ToString};
use std::vec::Vec;

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The layers, bottom to top: from lines of `lib.rs` such as "//! - `os`: system calls".
fn documented() -> Vec<String> {
    let text = fs::read_to_string(source().join("lib.rs")).expect("lib.rs is there");
    let names = text.lines().filter_map(|line| line.strip_prefix("//! - `")?.split('`').next());
    names.map(ToString::to_string).collect()
}

/// All files but tests, each with its layer.
fn files(directory: &Path, found: &mut Vec<(String, PathBuf)>) {
    for entry in fs::read_dir(directory).expect("readable") {
        let path = entry.expect("readable").path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).expect("plain names");
        if stem == "tests" || stem == "lib" {
            continue;
        }
        if path.is_dir() {
            files(&path, found);
        } else {
            let inside = path.strip_prefix(source()).expect("inside");
            let first = inside.iter().next().and_then(|name| name.to_str()).expect("plain names");
            found.push((first.trim_end_matches(".rs").to_string(), path));
        }
    }
}

/// Layers that the code names after `crate::`: `crate::a::b`, `crate::{a, b::{c, d}}`.
fn used(code: &str) -> BTreeSet<String> {
    let lines = code.lines().map(|line| line.split("//").next().unwrap_or(""));
    let code: String = lines.collect::<Vec<_>>().join(" ");
    let name = |text: &str| {
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
        text[..end].to_string()
    };
    let mut used = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let Some(group) = rest.strip_prefix('{') else {
            used.insert(name(rest));
            continue;
        };
        let (mut depth, mut begins) = (0, true);
        for (index, character) in group.char_indices() {
            match character {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => begins = true,
                _ if begins && !character.is_whitespace() => {
                    used.insert(name(&group[index..]));
                    begins = false;
                }
                _ => {}
            }
        }
    }
    used
}

#[test]
fn layers_do_not_reach_upwards() {
    let layers = documented();
    let rank = |layer: &str| layers.iter().position(|name| name == layer);
    let mut found = Vec::new();
    files(&source(), &mut found);
    assert!(found.len() > 20, "the files were found");
    let mut wrong = Vec::new();
    let mut edges = 0;
    for (layer, path) in found {
        let own = rank(&layer);
        let code = fs::read_to_string(&path).expect("readable");
        for other in used(&code) {
            edges += 1;
            let other_rank = rank(&other);
            if own.is_none() || other_rank.is_none() || other_rank > own {
                wrong.push(std::format!("{layer} uses {other} ({})", path.display()));
            }
        }
    }
    assert!(edges > 40, "the uses were found");
    assert!(wrong.is_empty(), "edges upwards or to no layer of the list: {wrong:#?}");
}

#[test]
fn uses_are_found_in_all_their_forms() {
    let code = "use crate::one::X;\nuse crate::{two, three::{a, b},\n  four::Y};\n\
        // use crate::five;\nfn f() { crate::six::g(crate::seven::H) }";
    let expected = ["one", "two", "three", "four", "six", "seven"];
    assert_eq!(used(code), expected.into_iter().map(ToString::to_string).collect());
}
