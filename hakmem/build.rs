//! Builds nothing: cargo wants a build script where the manifest has `links`.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
}
