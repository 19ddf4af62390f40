//! Checks what `STYLE.md` and `ARCHITECTURE.md` promise and a program can see.
//!
//! `cargo run -p hakmem-tidy` prints each finding as `path:line: what is wrong`; the tests run the
//! same checks, so a tree that is not tidy does not pass.
//!
//! # Layers, bottom to top
//!
//! - [`finding`]: what is wrong, and where
//! - [`repository`]: the files, by their paths from the root
//! - [`source`]: Rust source without comments, literals and tests
//! - [`module`]: the files of a crate as modules, and which of them each uses
//! - [`layers`], [`circles`]: what may use what
//! - [`public_items`]: what nothing uses
//! - [`lines`], [`sentences`], [`phrases`], [`named_files`]: text
//! - [`mod@sample`]: comments to be read by people

#![forbid(unsafe_code)]

pub mod circles;
pub mod finding;
pub mod layers;
pub mod lines;
pub mod module;
pub mod named_files;
pub mod phrases;
pub mod public_items;
pub mod repository;
pub mod sample;
pub mod sentences;
pub mod source;

pub use finding::Finding;
pub use repository::Repository;

/// Everything that is wrong in the repository, in the order of the checks.
pub fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    for root in repository.crates() {
        let modules = module::of_crate(repository, root);
        findings.extend(layers::check(&modules));
        findings.extend(circles::check(&modules));
    }
    findings.extend(public_items::check(repository));
    findings.extend(lines::check(repository));
    findings.extend(sentences::check(repository));
    findings.extend(phrases::check(repository));
    findings.extend(named_files::check(repository));
    findings
}

#[cfg(test)]
mod tests;
