//! The files of a crate as modules, and which modules each uses.
//!
//! A use is any path in the code that begins with `crate`, `super`, `self` or a child of the file's
//! module, in `use` declarations and elsewhere. It leads to the deepest module on its way. Files
//! that only tests see are left out.

use std::collections::{BTreeMap, BTreeSet};

use crate::repository::Repository;
use crate::source::{Token, tokens};

/// Path of a module from its crate's root; the root's is empty.
pub type ModulePath = Vec<String>;

/// One file.
#[derive(Clone, Debug)]
pub struct Module {
    /// Path of the file from the repository's root.
    pub file: String,
    /// The file's text.
    pub text: String,
    /// Modules of the same crate that the file's code names, its own left out.
    pub uses: BTreeSet<ModulePath>,
}

/// All modules of one crate.
pub type Modules = BTreeMap<ModulePath, Module>;

/// The modules of the crate whose `src` folder is `root`.
pub fn of_crate(repository: &Repository, root: &str) -> Modules {
    let prefix = format!("{root}/");
    let mut modules = Modules::new();
    for (file, text) in repository.files() {
        let Some(path) = file.strip_prefix(&prefix).and_then(module_path) else { continue };
        let module = Module { file: file.into(), text: text.into(), uses: BTreeSet::new() };
        modules.insert(path, module);
    }
    let known: BTreeSet<ModulePath> = modules.keys().cloned().collect();
    for (path, module) in &mut modules {
        module.uses = uses(&known, path, &module.text);
    }
    modules
}

/// `arena/growth.rs` is `arena::growth`; programs and tests are no modules.
fn module_path(file: &str) -> Option<ModulePath> {
    let names: ModulePath = file.strip_suffix(".rs")?.split('/').map(str::to_owned).collect();
    let is_left_out = names.iter().any(|it| it == "tests" || it == "bin" || it == "main");
    match is_left_out {
        true => None,
        false if names == ["lib"] => Some(ModulePath::new()),
        false => Some(names),
    }
}

fn uses(known: &BTreeSet<ModulePath>, own: &ModulePath, text: &str) -> BTreeSet<ModulePath> {
    let tokens = tokens(text);
    let mut reader = Reader { tokens: &tokens, at: 0, known, own, used: BTreeSet::new() };
    reader.file();
    reader.used.remove(own);
    reader.used
}

struct Reader<'source> {
    tokens: &'source [Token<'source>],
    at: usize,
    known: &'source BTreeSet<ModulePath>,
    own: &'source ModulePath,
    used: BTreeSet<ModulePath>,
}

impl<'source> Reader<'source> {
    fn file(&mut self) {
        // Braces, of which those of inline modules take a `super` for themselves.
        let mut braces: Vec<bool> = Vec::new();
        while let Some(token) = self.token(0) {
            let begins_path = self.at == 0 || self.tokens[self.at - 1] != "::";
            match token {
                "{" => {
                    let is_module = self.at >= 2 && self.tokens[self.at - 2] == "mod";
                    braces.push(is_module);
                }
                "}" => drop(braces.pop()),
                _ if begins_path && is_word(token) && self.token(1) == Some("::") => {
                    let inline = braces.iter().filter(|is_module| **is_module).count();
                    self.tree(&mut Vec::new(), inline);
                    continue;
                }
                _ => {}
            }
            self.at += 1;
        }
    }

    /// Reads a path, or the tree of paths of a `use`, which goes on from `before`.
    fn tree(&mut self, before: &mut Vec<&'source str>, inline: usize) {
        let length = before.len();
        while let Some(token) = self.token(0).filter(|token| is_word(token)) {
            before.push(token);
            self.at += 1;
            if self.token(0) != Some("::") {
                break;
            }
            self.at += 1;
        }
        if self.token(0) == Some("{") && self.at > 0 && self.tokens[self.at - 1] == "::" {
            self.at += 1;
            while self.token(0).is_some_and(|token| token != "}") {
                let start = self.at;
                self.tree(before, inline);
                if self.token(0) == Some("as") {
                    self.at += 2;
                }
                self.at += usize::from(self.at == start || self.token(0) == Some(","));
            }
            self.at += 1;
        } else {
            self.resolve(before, inline);
        }
        before.truncate(length);
    }

    fn resolve(&mut self, path: &[&str], inline: usize) {
        let mut module = self.own.clone();
        let mut inline = inline;
        for (index, name) in path.iter().enumerate() {
            match *name {
                "crate" => module.clear(),
                "self" => {}
                "super" if inline > 0 => inline -= 1,
                "super" => drop(module.pop()),
                name => {
                    module.push(name.to_owned());
                    if !self.known.contains(&module) {
                        module.pop();
                        // A path of another crate, or of a type that the file has already named.
                        if index > 0 {
                            self.used.insert(module);
                        }
                        return;
                    }
                }
            }
        }
        self.used.insert(module);
    }

    fn token(&self, ahead: usize) -> Option<&'source str> {
        self.tokens.get(self.at + ahead).copied()
    }
}

fn is_word(token: &str) -> bool {
    token.starts_with(|it: char| it.is_alphabetic() || it == '_')
}
