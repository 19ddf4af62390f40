//! Rust source as tokens, without comments, literals and what only tests see.

use std::collections::BTreeSet;

/// A token: a word, or one character that belongs to no word; `::` is one token.
pub type Token<'source> = &'source str;

/// The tokens of a file, without what stands behind `#[cfg(test)]`.
pub fn tokens(source: &str) -> Vec<Token<'_>> {
    without_tests(&pieces(source).filter_map(Piece::token).collect::<Vec<_>>())
}

/// Lines, from 1, that lie inside a literal which goes over several lines: data, not text.
pub fn lines_of_literals(source: &str) -> Vec<usize> {
    let mut lines = Vec::new();
    for piece in pieces(source) {
        if let Piece::Literal(at, text) = piece {
            let first = line_at(source, at);
            let last = first + text.matches('\n').count();
            lines.extend((first..=last).filter(|_| last > first));
        }
    }
    lines
}

/// The comments of a file: the line each begins at, from 1, and its text.
pub fn comments(source: &str) -> Vec<(usize, &str)> {
    let comment = |piece| match piece {
        Piece::Comment(at, text) => Some((line_at(source, at), text)),
        _ => None,
    };
    pieces(source).filter_map(comment).collect()
}

/// The words of a file's code and literals, tests included, without those of `pub use`.
pub fn names(source: &str) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    let mut is_exported = false;
    let mut last = "";
    for piece in pieces(source) {
        match piece {
            Piece::Comment(..) => {}
            // Formats name constants.
            Piece::Literal(_, text) => {
                names.extend(text.split(|it: char| !it.is_alphanumeric() && it != '_'));
            }
            Piece::Token(token) => {
                let begins = token == "use" && (last == "pub" || last == ")");
                is_exported = (is_exported || begins) && token != ";";
                if !is_exported {
                    names.insert(token);
                }
                last = token;
            }
        }
    }
    names
}

/// The line, from 1, of the byte at `at`.
fn line_at(source: &str, at: usize) -> usize {
    1 + source[..at].matches('\n').count()
}

#[derive(Clone, Copy, Debug)]
enum Piece<'source> {
    Comment(usize, &'source str),
    Literal(usize, &'source str),
    Token(&'source str),
}

impl<'source> Piece<'source> {
    fn token(self) -> Option<Token<'source>> {
        match self {
            Self::Token(text) => Some(text),
            _ => None,
        }
    }
}

fn pieces(source: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        at += source[at..].len() - source[at..].trim_start().len();
        let rest = &source[at..];
        let first = rest.chars().next()?;
        let (length, is_literal) = match first {
            '/' if rest.starts_with("//") => (rest.find('\n').unwrap_or(rest.len()), false),
            '/' if rest.starts_with("/*") => {
                (rest.find("*/").map_or(rest.len(), |end| end + 2), false)
            }
            '"' => (string(rest, 0), true),
            '\'' => (character(rest), true),
            _ if first.is_alphanumeric() || first == '_' => (word(rest), false),
            _ if rest.starts_with("::") => (2, false),
            _ => (first.len_utf8(), false),
        };
        let (length, is_literal) = match prefixed_string(rest, length) {
            Some(longer) => (longer, true),
            None => (length, is_literal),
        };
        let (start, text) = (at, &rest[..length]);
        at += length;
        Some(match is_literal {
            true => Piece::Literal(start, text),
            false if text.starts_with("//") || text.starts_with("/*") => {
                Piece::Comment(start, text)
            }
            false => Piece::Token(text),
        })
    })
}

fn word(rest: &str) -> usize {
    rest.find(|it: char| !it.is_alphanumeric() && it != '_').unwrap_or(rest.len())
}

/// Bytes of a string whose quote stands at `quote`.
fn string(rest: &str, quote: usize) -> usize {
    let mut escaped = false;
    for (at, it) in rest[quote + 1..].char_indices() {
        match it {
            '"' if !escaped => return quote + at + 2,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    rest.len()
}

/// Bytes of a literal with a prefix, as `r#"…"#`, `b"…"`, `c"…"`, whose word has `length` bytes.
fn prefixed_string(rest: &str, length: usize) -> Option<usize> {
    let prefix = &rest[..length];
    let behind = &rest[length..];
    match prefix {
        "b" | "c" if behind.starts_with('"') => Some(string(rest, length)),
        "b" if behind.starts_with('\'') => Some(length + character(behind)),
        "r" | "br" | "cr" => {
            let hashes = behind.len() - behind.trim_start_matches('#').len();
            behind[hashes..].starts_with('"').then_some(())?;
            let end = format!("\"{}", "#".repeat(hashes));
            let body = length + hashes + 1;
            Some(rest[body..].find(&end).map_or(rest.len(), |at| body + at + end.len()))
        }
        _ => None,
    }
}

/// Bytes of a character, or of the quote of a lifetime.
fn character(rest: &str) -> usize {
    let mut inside = rest[1..].chars();
    match (inside.next(), inside.next()) {
        (Some('\\'), _) => rest[3..].find('\'').map_or(rest.len(), |end| end + 4),
        (Some(it), Some('\'')) => 2 + it.len_utf8(),
        _ => 1,
    }
}

/// Leaves out each item behind `#[cfg(test)]`, up to its `;` or the end of its braces.
fn without_tests<'source>(tokens: &[Token<'source>]) -> Vec<Token<'source>> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at..].starts_with(&MARK) {
            at = end_of_item(tokens, at + MARK.len());
        } else {
            kept.push(tokens[at]);
            at += 1;
        }
    }
    kept
}

fn end_of_item(tokens: &[Token<'_>], start: usize) -> usize {
    let mut depth = 0_usize;
    let is_use = tokens[start..].iter().take(6).any(|token| *token == "use");
    for (at, token) in tokens.iter().enumerate().skip(start) {
        match *token {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => {
                depth = depth.saturating_sub(1);
                if depth == 0 && *token == "}" && !is_use {
                    return at + 1;
                }
            }
            ";" | "," if depth == 0 => return at + 1,
            _ => {}
        }
    }
    tokens.len()
}
