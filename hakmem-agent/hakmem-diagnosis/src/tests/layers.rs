//! The sources keep to the order of layers that the crate's documentation lists.

use std::path::{Path, PathBuf};

/// Modules in the order of the layers; modules on one line may use each other.
fn layers() -> Vec<Vec<&'static str>> {
    let lines = include_str!("../lib.rs").lines();
    let layers = lines.filter_map(|line| line.strip_prefix("//! - "));
    layers.map(|line| line.split('`').skip(1).step_by(2).collect()).collect()
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if !path.ends_with("tests.rs") {
            found.push(path);
        }
    }
}

#[test]
fn no_layer_uses_a_later_one() {
    let layers = layers();
    let layer_of = |module: &str| layers.iter().position(|names| names.contains(&module));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut edges = 0;
    for file in files {
        let relative = file.strip_prefix(&root).unwrap();
        let module = relative.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        if matches!(module, "lib" | "tests") {
            continue;
        }
        let own = layer_of(module).unwrap_or_else(|| panic!("{module} is in no layer"));
        let text = std::fs::read_to_string(&file).unwrap();
        // Code that only tests use is exempt.
        let text = text.split("#[cfg(test)]").next().unwrap();
        for used in text.split("crate::").skip(1) {
            let used = used.split(|it: char| !it.is_alphanumeric() && it != '_').next().unwrap();
            let Some(layer) = layer_of(used) else { continue };
            assert!(layer <= own, "{} uses {used}, a later layer", relative.display());
            edges += 1;
        }
    }
    assert!(edges > 20, "only {edges} uses were found: the test does not read the sources");
}
