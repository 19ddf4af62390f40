//! The sources keep the order of layers that the crate's documentation lists.

use std::path::Path;

/// Modules in the order of their layers; those of one list item may use each other.
fn layers() -> Vec<Vec<String>> {
    let mut layers: Vec<Vec<String>> = Vec::new();
    for line in include_str!("lib.rs").lines().filter_map(|line| line.strip_prefix("//! ")) {
        let names = line.split("[`").skip(1).filter_map(|rest| rest.split_once("`]"));
        let names: Vec<String> = names.map(|(name, _)| name.to_owned()).collect();
        if line.starts_with("- ") {
            layers.push(names);
        } else if let Some(last) = layers.last_mut() {
            last.extend(names);
        }
    }
    layers
}

fn sources(directory: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|it| it == "rs") && !path.ends_with("tests.rs") {
            found.push(path);
        }
    }
}

#[test]
fn no_layer_uses_a_later_one() {
    let layers = layers();
    let layer_of =
        |module: &str| layers.iter().position(|names| names.iter().any(|name| name == module));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut edges = 0;
    for file in files {
        let relative = file.strip_prefix(&root).unwrap();
        let module = relative.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        if matches!(module, "lib" | "main") {
            continue;
        }
        let own = layer_of(module).unwrap_or_else(|| panic!("{module} is in no layer"));
        let text = std::fs::read_to_string(&file).unwrap();
        for used in text.split("crate::").skip(1) {
            let used = used.split(|it: char| !it.is_alphanumeric() && it != '_').next().unwrap();
            let Some(layer) = layer_of(used) else { continue };
            assert!(layer <= own, "{} uses {used}, a later layer", relative.display());
            edges += 1;
        }
    }
    assert!(edges > 50, "only {edges} uses were found: the test does not read the sources");
}
