//! The command line that opens the diff of a finding, to be pasted into a shell.

use std::path::Path;

use prost_types::Timestamp;

/// `hakmem-top diff finding:ID@SINCE`, which compares the samples that the agent keeps with the
/// finding. Each agent counts its findings anew, so the time identifies the agent. `agent` is its
/// socket, if hakmem-top does not find it by itself.
pub(super) fn command(id: u64, since: &Timestamp, agent: Option<&Path>) -> String {
    let mut words = vec!["hakmem-top".to_owned()];
    if let Some(agent) = agent {
        words.extend(["--connect".to_owned(), quoted(&format!("unix:{}", agent.display()))]);
    }
    words.extend(["diff".to_owned(), format!("finding:{id}@{since}")]);
    words.join(" ")
}

/// `word` as one word of a POSIX shell.
fn quoted(word: &str) -> String {
    let is_plain = |it: char| it.is_ascii_alphanumeric() || "_./:@%+=,-".contains(it);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests;
