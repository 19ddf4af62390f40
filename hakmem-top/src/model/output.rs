//! The end of the program's output while it is captured.

use std::collections::VecDeque;

use hakmem_agent::text::is_unsafe;

/// Bytes that are kept.
const CAPACITY_BYTES: usize = 256 * 1024;

/// The end of a stream of bytes, and the number of bytes before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutputTail {
    bytes: VecDeque<u8>,
    /// Bytes that no longer fit.
    pub dropped_bytes: u64,
}

impl OutputTail {
    /// Adds a chunk of output.
    pub fn push(&mut self, chunk: &[u8]) {
        self.bytes.extend(chunk);
        let excess = self.bytes.len().saturating_sub(CAPACITY_BYTES);
        self.bytes.drain(..excess);
        self.dropped_bytes += excess as u64;
    }

    /// All kept bytes, unchanged.
    pub fn bytes(&self) -> Vec<u8> {
        self.bytes.iter().copied().collect()
    }

    /// Whether nothing was printed.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.dropped_bytes == 0
    }

    /// The last `lines` lines as text without control characters, oldest first.
    pub fn last_lines(&self, lines: usize) -> Vec<String> {
        // Enough for any screen; it keeps the cost of drawing independent of the output's length.
        const LOOK_BACK_BYTES: usize = 32 * 1024;
        let skipped = self.bytes.len().saturating_sub(LOOK_BACK_BYTES);
        let tail: Vec<u8> = self.bytes.iter().skip(skipped).copied().collect();
        let text = String::from_utf8_lossy(&tail);
        let mut last: Vec<String> = text.lines().rev().take(lines).map(plain).collect();
        last.reverse();
        last
    }
}

/// A line without escape sequences and control characters, tabs expanded to spaces.
fn plain(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\t' => text.push_str("    "),
            '\u{1b}' if characters.peek() == Some(&'[') => {
                characters.next();
                // A control sequence ends with a byte from @ to ~.
                characters.by_ref().find(|it| ('@'..='~').contains(it));
            }
            _ if is_unsafe(character) => {}
            _ => text.push(character),
        }
    }
    text
}
