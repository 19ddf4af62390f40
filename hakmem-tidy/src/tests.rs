//! The checks find what they are for, and the repository has none of it.

use crate::{
    Repository, check, circles, layers, lines, module, named_files, phrases, public_items, sample,
    sentences, source,
};

fn modules(files: &[(&str, &str)]) -> module::Modules {
    module::of_crate(&Repository::of(files), "it/src")
}

fn uses(text: &str) -> Vec<String> {
    let files = [
        ("it/src/lib.rs", ""),
        ("it/src/a.rs", text),
        ("it/src/a/child.rs", ""),
        ("it/src/b.rs", ""),
        ("it/src/b/inner.rs", ""),
        ("it/src/c.rs", ""),
    ];
    let modules = modules(&files);
    modules[&vec!["a".to_owned()]].uses.iter().map(|path| path.join("::")).collect()
}

#[test]
fn the_repository_is_tidy() {
    let repository = Repository::read(&Repository::own_root()).expect("the repository is readable");
    assert!(repository.files().count() > 500, "the files were found");
    let findings = check(&repository);
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "{} findings:\n{}", lines.len(), lines.join("\n"));
}

#[test]
fn uses_are_found_in_all_their_forms() {
    assert_eq!(uses("use crate::b::X;"), ["b"]);
    assert_eq!(uses("use crate::{b, c::{D, E}};"), ["b", "c"]);
    assert_eq!(
        uses("use crate::b::{self, inner::F as G, H};\nuse crate::c;"),
        ["b", "b::inner", "c"]
    );
    assert_eq!(uses("fn f() { super::c::g(child::h) }"), ["a::child", "c"]);
    assert_eq!(uses("use child::I; fn f() { child::h() }"), ["a::child"]);
    assert_eq!(uses("macro_rules! m { () => { $crate::b::x() } }"), ["b"]);
    assert_eq!(uses("use super::Root;"), [""]);
}

#[test]
fn what_only_tests_use_and_what_is_no_code_is_left_out() {
    assert!(uses("// crate::b\n/* crate::c */ const S: &str = \"crate::b\";").is_empty());
    assert!(uses("const S: &str = r#\"\"crate::b\"#; const C: char = '\"'; //").is_empty());
    assert!(
        uses("#[cfg(test)]\nuse crate::b::{X, Y};\n#[cfg(test)] mod t { use crate::c; }")
            .is_empty()
    );
    assert!(uses("mod inline { use super::X; }").is_empty());
    assert_eq!(uses("#[cfg(test)] mod tests;\nfn f<'a>(s: &'a str) { crate::b::g(s) }"), ["b"]);
}

#[test]
fn an_edge_that_points_upward_is_found() {
    let root = "//! Layers, bottom to top:\n//!\n//! - `a`: first\n//! - [`b`], `c`:\n//!   rest\n";
    let files = |a, b| {
        [("it/src/lib.rs", root), ("it/src/a.rs", a), ("it/src/b.rs", b), ("it/src/c.rs", "")]
    };
    assert!(layers::check(&modules(&files("", "use crate::a::X; use crate::c;"))).is_empty());
    let findings = layers::check(&modules(&files("use crate::b::X;", "")));
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].to_string(), "it/src/a.rs: uses `b`, which is a layer above its own");
}

#[test]
fn lists_name_every_module_and_nothing_else() {
    let root = "//! Layers, bottom to top:\n//!\n//! - `a`: first\n//! - `gone`: nothing\n";
    let files = [("it/src/lib.rs", root), ("it/src/a.rs", ""), ("it/src/b.rs", "")];
    let findings = layers::check(&modules(&files));
    let messages: Vec<&str> = findings.iter().map(|it| it.message.as_str()).collect();
    let expected = [
        "the module `b` stands in no layer of the list",
        "the list of layers names `gone`, which is no module here",
    ];
    assert_eq!(messages, expected);
}

#[test]
fn lists_inside_folders_are_held_too() {
    let list = "//! Layers, bottom to top:\n//! - `low`: 1\n//! - `high`: 2\n";
    let files = [
        ("it/src/lib.rs", ""),
        ("it/src/a.rs", list),
        ("it/src/a/low.rs", "use super::high::X;"),
        ("it/src/a/high.rs", "use super::low::X;"),
    ];
    assert_eq!(layers::check(&modules(&files)).len(), 1);
}

#[test]
fn circles_are_found_once_each() {
    let files = [
        ("it/src/lib.rs", "use a::X;"),
        ("it/src/a.rs", "use crate::b::X;"),
        ("it/src/b.rs", "fn f() { crate::c::g() }"),
        ("it/src/c.rs", "use super::a::X;"),
    ];
    let findings = circles::check(&modules(&files));
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].message, "files use each other in a circle: a, b, c");
    assert!(circles::check(&modules(&files[..3])).is_empty());
}

#[test]
fn public_items_that_nothing_uses_are_found() {
    let found = |item: &str, other: &str| {
        let files = [("it/src/lib.rs", ""), ("it/src/a.rs", item), ("it/src/b.rs", other)];
        let findings = public_items::check(&Repository::of(&files));
        findings.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let none: Vec<String> = Vec::new();
    let dead = |kind, name| {
        format!(
            "it/src/a.rs:2: no other file names the public {kind} `{name}`: remove it or make it \
             private"
        )
    };
    assert_eq!(found("\npub const fn f() {}", "// f"), [dead("fn", "f")]);
    assert_eq!(found("\npub const F: u8 = 1; // F", "pub use a::F;"), [dead("const", "F")]);
    assert_eq!(found("\npub struct S; impl S {}", ""), [dead("struct", "S")]);
    assert_eq!(found("\npub struct S; pub fn f() -> S { S }", "use a::f;"), none);
    assert_eq!(found("\npub unsafe extern \"C\" fn f() {}", "#[cfg(test)] use a::f;"), none);
    assert_eq!(found("\npub const F: u8 = 1;", "fn g() { print!(\"{F}\") }"), none);
    assert_eq!(found("\npub(crate) fn f() {}", ""), none);
}

#[test]
fn long_lines_are_found_where_they_can_be_broken() {
    let long = "word ".repeat(21);
    let check = |path: &str, text: &str| lines::check(&Repository::of(&[(path, text)])).len();
    assert_eq!(check("a.rs", &format!("// {long}")), 1);
    assert_eq!(check("a.rs", &format!("const S: &str = \"\n{long}\n\";")), 0);
    assert_eq!(check("a.md", &long), 1);
    assert_eq!(check("a.md", &format!("| {long} |\n```\n{long}\n```\n")), 0);
    assert_eq!(check("a.md", &format!("- <https://example.org/{}>", "x".repeat(100))), 0);
    assert_eq!(check("run", &format!("#!/bin/sh\n# {long}")), 1);
    assert_eq!(check("a.rs", &format!("// {}", "é".repeat(97))), 0);
}

#[test]
fn second_sentences_on_a_line_are_found() {
    let found = |text: &str| sentences::check(&Repository::of(&[("a.md", text)])).len();
    assert_eq!(found("One sentence. Another.\nA third (here). *Fourth*?\nNo `code`. Yes"), 3);
    assert_eq!(found("1. An item\n10. Another\nC++ 20.2 or 3.5 Gigabytes, `a. B` and a.B."), 0);
    assert_eq!(found("| One. Two. |\n# One. Two.\n```\nOne. Two.\n```"), 0);
    assert_eq!(found("it ends in .ci. Then"), 1);
}

#[test]
fn banned_phrases_are_found_in_comments_and_not_in_code() {
    let found = |text: &str| phrases::check(&Repository::of(&[("a.rs", text)]));
    assert_eq!(found("\n// For whoever reads.")[0].line, 2);
    assert_eq!(found("// Kept for so many of them.").len(), 1);
    assert!(found("// So many that none is left; there are so many that it is.").is_empty());
    assert!(found("const S: &str = \"whoever\"; // Whether it was there.").is_empty());
}

#[test]
fn files_that_an_architecture_names_must_exist() {
    let page =
        "`a.rs`, `src/a.rs`, `crate::a`, `.ci/run`, `../a.rs`, `view/NAME.rs` and `gone.rs`\n";
    let files = [("ARCHITECTURE.md", page), ("it/src/a.rs", ""), (".ci/run", "")];
    let findings = named_files::check(&Repository::of(&files));
    assert_eq!(findings.len(), 1);
    assert_eq!(
        findings[0].to_string(),
        "ARCHITECTURE.md:1: `gone.rs` is no file or folder of the repository"
    );
}

#[test]
fn literals_of_several_lines_are_told_from_those_of_one() {
    assert_eq!(source::lines_of_literals("f(\"a\nb\n\", \"c\");\n'x'"), [1, 2, 3]);
}

#[test]
fn a_sample_has_whole_comments_and_is_the_same_for_the_same_seed() {
    let text = "//! One two three four five six\n//! seven eight.\n// Short.\nfn f() {}\n";
    let repository = Repository::of(&[("a/x.rs", text), ("a/y.rs", text), ("b/z.rs", text)]);
    let chosen = sample::comments(&repository, "a", 5, 7);
    assert_eq!(chosen.len(), 2);
    assert!(chosen[0].message.starts_with("One two three"), "{}", chosen[0]);
    assert_eq!(sample::comments(&repository, "a", 5, 7), chosen);
}
