//! The command line that opens the diff of a finding, to be pasted into a shell.
//!
//! Names come from other programs. They are quoted so that a shell takes them as one word,
//! whatever they are made of, and what a terminal would obey is left out of them.

use std::path::{Path, PathBuf};

use prost_types::Timestamp;

/// One side of the diff.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Place {
    /// What the agent has kept of these processes, from one moment to another, in seconds of Unix
    /// time.
    Kept { pids: Vec<u32>, from: f64, to: f64 },
    /// A recording.
    Recording(PathBuf),
}

/// `hakmem-top diff …`. `agent` is the socket, if it is not where hakmem-top looks by itself.
pub(super) fn command(
    executable: &str,
    before: &Place,
    after: &Place,
    agent: Option<&Path>,
) -> String {
    let mut words = vec!["hakmem-top".to_owned()];
    if let Some(agent) = agent {
        words.extend(["--connect".to_owned(), quoted(&format!("unix:{}", agent.display()))]);
    }
    words.push("diff".to_owned());
    let name = || quoted(&format!("--name={}", harmless(executable)));
    match (before, after) {
        (Place::Kept { pids: first, .. }, Place::Kept { pids: second, .. })
            if first.len() == 1 && second.len() == 1 =>
        {
            words.extend([before.of_process(), after.of_process()]);
        }
        _ => words.extend([name(), before.of_agent(), after.of_agent()]),
    }
    words.join(" ")
}

impl Place {
    fn of_process(&self) -> String {
        match self {
            Self::Kept { pids, from, to } if pids.len() == 1 => {
                format!("pid:{}@{}", pids[0], window(*from, *to))
            }
            _ => self.of_agent(),
        }
    }

    fn of_agent(&self) -> String {
        match self {
            Self::Kept { from, to, .. } => format!("agent@{}", window(*from, *to)),
            Self::Recording(path) => quoted(&path.to_string_lossy()),
        }
    }
}

/// To the millisecond, outwards, so that the samples at both ends are inside.
fn window(from: f64, to: f64) -> String {
    format!("{}..{}", utc((from * 1e3).floor()), utc((to * 1e3).ceil()))
}

/// RFC 3339 in UTC.
fn utc(milliseconds: f64) -> String {
    let milliseconds = milliseconds.max(0.0) as i64;
    let nanos = (milliseconds % 1000 * 1_000_000) as i32;
    Timestamp { seconds: milliseconds / 1000, nanos }.to_string()
}

/// The longest part of a name that no terminal obeys: `--name` takes any part of a name.
fn harmless(name: &str) -> &str {
    name.split(char::is_control).max_by_key(|part| part.len()).unwrap_or_default()
}

/// As one word of a POSIX shell.
fn quoted(word: &str) -> String {
    let is_plain = |it: char| it.is_ascii_alphanumeric() || "_./:@%+=,-".contains(it);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests;
