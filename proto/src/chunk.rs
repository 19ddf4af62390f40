//! Cuts an update into messages below gRPC's usual limit of 4 MiB.

use prost::Message as _;

use crate::v1::Process;

/// Bytes of processes in one message: a quarter of the limit, so that framing never matters.
pub const CHUNK_BYTES: usize = 1024 * 1024;

/// Groups `processes` so that each group's encoding takes at most about `limit` bytes. Returns at
/// least one group, so that an empty update is a message too.
///
/// A process that is larger by itself is cut between its threads: the entries of its lists may come
/// in any number of parts.
pub fn chunks(processes: Vec<Process>, limit: usize) -> Vec<Vec<Process>> {
    let mut groups = vec![Vec::new()];
    let mut filled = 0;
    for part in processes.into_iter().flat_map(|process| parts(process, limit)) {
        let bytes = part.encoded_len();
        if filled > 0 && filled + bytes > limit {
            groups.push(Vec::new());
            filled = 0;
        }
        filled += bytes;
        if let Some(group) = groups.last_mut() {
            group.push(part);
        }
    }
    groups
}

fn parts(mut process: Process, limit: usize) -> Vec<Process> {
    if process.encoded_len() <= limit {
        return vec![process];
    }
    let threads = std::mem::take(&mut process.threads);
    let outline = Process { classes: Vec::new(), identity: None, ..process.clone() };
    let mut parts = vec![process];
    let mut part = outline.clone();
    let mut filled = outline.encoded_len();
    for thread in threads {
        // Two bytes of tag and length, and two more for lengths above 127.
        let bytes = thread.encoded_len() + 4;
        if !part.threads.is_empty() && filled + bytes > limit {
            parts.push(std::mem::replace(&mut part, outline.clone()));
            filled = outline.encoded_len();
        }
        filled += bytes;
        part.threads.push(thread);
    }
    parts.push(part);
    parts
}

#[cfg(test)]
mod tests;
