//! The past of one process.
//!
//! Entries are those of a recording. Each block begins with the whole process and continues with
//! changes, so that it can be read by itself, and dropped without harm to the next. A sample that
//! equals the last one costs a comparison of pointers and of the words that fast paths write,
//! because the reader returns the same durations until a slow path is taken. Only the time is
//! noted, and written when the rest is over.

use std::collections::VecDeque;
use std::sync::Arc;

use hakmem_proto::delta::{Detail, changed};
use hakmem_proto::v1::{
    BinCounters, ClassCounters, Identity, ListDepth, Process, ReasonCount, RecordingEntry, Thread,
    WatchProcessesResponse, recording_entry::Entry,
};
use hakmem_recording::block::{Compressor, push_entry};

use prost::Message as _;

use super::Query;
use crate::state::ProcessRecord;
use crate::time::timestamp_of_unix_ns;

/// Capacity that is added beyond the needed bytes when the buffer grows.
const GROWTH_BYTES: usize = 1024;
/// Maximum number of bytes that the length of an entry takes.
const LENGTH_BYTES_MAX: usize = 10;

/// Blocks, oldest first, and the entries of the next block.
#[derive(Debug, Default)]
pub(super) struct ProcessHistory {
    blocks: VecDeque<Block>,
    /// Entries that wait to be compressed; the first is whole.
    open: Vec<u8>,
    open_from_ns: u64,
    open_samples: u64,
    /// The last sample that was encoded.
    last: Option<Arc<ProcessRecord>>,
    last_bytes: usize,
    /// Time of the newest sample, if it equalled `last`.
    at_rest_ns: Option<u64>,
    /// Time of the last sample that was due, whether it was encoded or not.
    taken_monotonic_ns: Option<u64>,
    blocks_bytes: usize,
    /// Samples that were dropped to stay within the limits of time or memory.
    dropped_samples: u64,
}

/// Some compressed entries.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) from_ns: u64,
    pub(super) to_ns: u64,
    pub(super) samples: u64,
    pub(super) raw_bytes: usize,
    pub(super) payload: Arc<[u8]>,
}

impl Block {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.payload.len()
    }
}

impl ProcessHistory {
    /// Whether to take a sample: the last one is old enough, or this is the very last.
    pub(super) fn is_due(&self, record: &ProcessRecord, interval_ns: u64) -> bool {
        // Samplers do not keep their interval exactly.
        let tolerated_ns = interval_ns - interval_ns / 10;
        let has_ended = record.has_ended() && self.last.as_ref().is_none_or(|it| !it.has_ended());
        // By the monotonic clock, which is never set.
        let now_ns = record.sample.monotonic_ns;
        let is_old = |taken: u64| now_ns >= taken.saturating_add(tolerated_ns);
        has_ended || self.taken_monotonic_ns.is_none_or(is_old)
    }

    /// Takes a sample; `false` if it equalled the last one.
    pub(super) fn push(&mut self, record: &Arc<ProcessRecord>) -> bool {
        let at_ns = record.sample.unix_ns;
        self.taken_monotonic_ns = Some(record.sample.monotonic_ns);
        if self.last.as_ref().is_some_and(|last| last.is_same(record)) {
            self.at_rest_ns = Some(at_ns);
            return false;
        }
        let message = record.message();
        let last = self.last.as_ref().map(|last| last.message());
        let part = match &last {
            Some(last) => changed(last, &message, Detail::ALL),
            None => Some(whole(&message)),
        };
        let Some(part) = part else {
            // It differs in data that the contract does not have.
            self.at_rest_ns = Some(at_ns);
            self.last = Some(Arc::clone(record));
            return false;
        };
        let rest = last.as_ref().zip(self.at_rest_ns.take());
        if !self.open.is_empty() {
            if let Some((_, rest_ns)) = rest {
                self.push_part(rest_ns, None);
            }
            self.push_part(at_ns, Some(part));
        } else if let Some((last, rest_ns)) = rest {
            // A rest before a block is written into the block, because the previous block may be
            // dropped.
            self.open_from_ns = rest_ns;
            self.push_part(rest_ns, Some(whole(last)));
            self.push_part(at_ns, Some(part));
        } else {
            self.open_from_ns = at_ns;
            self.push_part(at_ns, Some(whole(&message)));
        }
        self.last_bytes = heap_bytes(&message);
        self.last = Some(Arc::clone(record));
        true
    }

    fn push_part(&mut self, at_ns: u64, part: Option<Process>) {
        let update = WatchProcessesResponse {
            sampled_at: Some(timestamp_of_unix_ns(at_ns)),
            changed: part.into_iter().collect(),
            complete: true,
            ..WatchProcessesResponse::default()
        };
        let entry = RecordingEntry { entry: Some(Entry::Update(update)) };
        // Small steps, because doubling would leave half of the capacity unused in every process.
        let bytes = entry.encoded_len() + LENGTH_BYTES_MAX;
        if self.open.capacity() - self.open.len() < bytes {
            self.open.reserve_exact(bytes + GROWTH_BYTES);
        }
        if push_entry(&mut self.open, &entry) {
            self.open_samples += 1;
        } else {
            // The process has so many threads that one sample exceeds every limit.
            self.dropped_samples += 1;
        }
    }

    /// Compresses the waiting entries if they are long enough for a block.
    pub(super) fn close_if_full(
        &mut self,
        block_bytes: usize,
        compressor: &mut Option<Compressor>,
    ) {
        if self.open.len() < block_bytes {
            return;
        }
        if compressor.is_none() {
            *compressor = Compressor::new().ok();
        }
        let payload = compressor.as_mut().and_then(|it| it.compress(&self.open).ok());
        let samples = std::mem::take(&mut self.open_samples);
        match payload {
            Some(payload) => {
                let block = Block {
                    from_ns: self.open_from_ns,
                    to_ns: self.last.as_ref().map_or(0, |last| last.sample.unix_ns),
                    samples,
                    raw_bytes: self.open.len(),
                    payload: payload.into(),
                };
                self.blocks_bytes += block.bytes();
                self.blocks.push_back(block);
            }
            // There is no memory to compress in; the lost samples are counted.
            None => self.dropped_samples += samples,
        }
        self.open.clear();
        // A block that was much longer than usual must not leave its capacity behind.
        self.open.shrink_to(block_bytes);
    }

    /// Drops blocks that end before `until_ns`, except the one that has the state at that time.
    pub(super) fn expire(&mut self, until_ns: u64) {
        while let Some(first) = self.blocks.front() {
            let next = self.blocks.get(1).map(|next| next.from_ns);
            let next = next.or((!self.open.is_empty()).then_some(self.open_from_ns));
            if first.to_ns >= until_ns || next.is_none_or(|next| next > until_ns) {
                return;
            }
            self.give_up_oldest();
        }
    }

    /// Drops the oldest block or, if there are no blocks, everything. Returns the number of
    /// samples.
    pub(super) fn give_up_oldest(&mut self) -> u64 {
        let samples = match self.blocks.pop_front() {
            Some(block) => {
                self.blocks_bytes -= block.bytes();
                block.samples
            }
            None => {
                self.open = Vec::new();
                (self.last, self.last_bytes, self.at_rest_ns) = (None, 0, None);
                std::mem::take(&mut self.open_samples)
            }
        };
        self.dropped_samples += samples;
        samples
    }

    /// Time of the oldest sample; `u64::MAX` if there is none.
    pub(super) fn oldest_ns(&self) -> u64 {
        let open = || (!self.open.is_empty()).then_some(self.open_from_ns);
        let first = self.blocks.front().map(|block| block.from_ns);
        first.or_else(open).unwrap_or(u64::MAX)
    }

    /// Bytes of memory that this past takes.
    pub(super) fn bytes(&self) -> usize {
        self.blocks_bytes + self.open.capacity() + self.last_bytes
    }

    /// The data that a query needs.
    pub(super) fn query(&self) -> Query {
        let has_samples = !self.blocks.is_empty() || !self.open.is_empty();
        let newest_ns = self.at_rest_ns.or(self.last.as_ref().map(|it| it.sample.unix_ns));
        let kept: u64 = self.blocks.iter().map(|block| block.samples).sum();
        Query {
            blocks: self.blocks.iter().cloned().collect(),
            open: self.open.clone(),
            at_rest_ns: self.at_rest_ns,
            range_ns: newest_ns.filter(|_| has_samples).map(|newest| (self.oldest_ns(), newest)),
            samples: kept + self.open_samples + u64::from(self.at_rest_ns.is_some()),
            dropped_samples: self.dropped_samples,
        }
    }
}

/// The whole process as the first entry of a block; its identity is kept elsewhere.
fn whole(message: &Process) -> Process {
    Process { identity: Some(Identity::default()), ..message.clone() }
}

/// A rough estimate of a message's memory.
fn heap_bytes(process: &Process) -> usize {
    // The smallest block that an allocator returns for a word, with the allocator's own header.
    const STRING: usize = 32;
    let class = |class: &ClassCounters| {
        let counts = class.slow_allocations.len() + class.slow_frees.len() + class.outcomes.len();
        let buckets = class.slow_durations.as_ref().map_or(0, |it| it.buckets.len());
        let counts = counts * (size_of::<ReasonCount>() + 2 * STRING);
        let numbers = |bin: &BinCounters| bin.slow_allocations.len() + bin.slow_frees.len();
        let bins =
            class.bins.iter().map(|it| size_of::<BinCounters>() + numbers(it) * 8 + 2 * STRING);
        size_of::<ClassCounters>() + counts + buckets * 16 + bins.sum::<usize>()
    };
    let thread = |thread: &Thread| {
        let list = size_of::<ListDepth>() + STRING;
        size_of::<Thread>() + 2 * STRING + thread.lists.len() * list
    };
    let classes: usize = process.classes.iter().map(class).sum();
    let threads: usize = process.threads.iter().map(thread).sum();
    let identity = process.identity.as_ref().map_or(0, Identity::encoded_len);
    size_of::<Process>() + 4 * STRING + identity * 2 + classes + threads
}
