//! Consistent copies of slots while their writers run.
//!
//! A slow path makes the slot's sequence odd, updates the slot, and makes the sequence even again;
//! the fast path changes only words and counts of sized frees, each with one store. So the reader
//! does this:
//!
//! 1. Read the sequence `s`; if it is odd, wait.
//! 2. Read the hot part, and the records unless they were already read at the same `s`.
//! 3. Read the hot part again. If either copy's sequence is not `s`, start over.
//!
//! Words and the capacities that decode them come from the first hot copy, and belong to the
//! records. Counts of sized frees come from the second copy, so that they never lack a free that a
//! word already counts; `slot_decode::sized` handles the opposite case.
//!
//! A thread that runs nothing but slow paths never leaves its slot alone long enough for this. So
//! after a few attempts the reader reads each bin by itself, as `moving_bin` explains, which needs
//! no pause; the identity holds for each bin. If a bin cannot be read even so, because the writer
//! was stopped in a slow path, its former copy stays, and the slot is marked torn. [`PATIENCE`]
//! bounds the total waiting time of one sample, so that such a writer does not stop the reader.

use std::mem::offset_of;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hakmem_segment::slot::HISTOGRAMS;
use hakmem_segment::{BINS, BinRecord, Class, ListState, Slot, SlotHeader};

use crate::fields::Fields;
use crate::histogram::Histogram;
use crate::identity::BinTable;
use crate::moving_bin::Reading;
use crate::sample::{BinSample, SlotSample};
use crate::segment_file::{Buffer, ReadError, SegmentFile};
use crate::slot_decode::{
    NO_RECORD, ROW_BYTES, bin_sample, capacity, durations, is_unowned_and_unchanged, list, record,
    slot_sample,
};

/// How long one sample may wait for writers in slow paths, in total.
const PATIENCE: Duration = Duration::from_millis(2);
/// Duration of one sleep while waiting.
const PAUSE: Duration = Duration::from_micros(50);
/// Attempts at a whole slot before its bins are read one by one.
const WHOLE_ATTEMPTS: u32 = 6;
/// Readings of a bin after which its writer counts as never resting.
const MOVING_ATTEMPTS: u32 = 8;

const HOT_BYTES: usize = offset_of!(Slot, reserved_hot);
const RECORDS: u64 = offset_of!(Slot, records) as u64;
const RECORDS_BYTES: usize = BINS * size_of::<BinRecord>();
const DURATIONS: u64 = offset_of!(Slot, durations) as u64;
const DURATIONS_BYTES: usize = HISTOGRAMS * ROW_BYTES;
/// Bytes that show whether a slot without an owner has changed.
const GLANCE_BYTES: usize = offset_of!(SlotHeader, reserved);

/// Reads the slots of one segment for one sample.
pub(crate) struct SlotReader<'a> {
    file: &'a SegmentFile,
    bins: &'a BinTable,
    buffers: Box<Buffers>,
    /// When waiting ends; set when it begins.
    deadline: Option<Instant>,
    waited: Duration,
}

struct Buffers {
    first: Buffer<HOT_BYTES>,
    second: Buffer<HOT_BYTES>,
    records: Buffer<RECORDS_BYTES>,
    durations: Buffer<DURATIONS_BYTES>,
}

type Previous<'a> = Option<&'a Arc<SlotSample>>;

/// Where the records of a copy come from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Records {
    /// The records of the previous copy are still valid.
    Kept,
    /// The records are in the buffer.
    Read,
}

impl<'a> SlotReader<'a> {
    pub(crate) fn new(file: &'a SegmentFile, bins: &'a BinTable) -> Self {
        let buffers = Box::new(Buffers {
            first: Buffer::new(),
            second: Buffer::new(),
            records: Buffer::new(),
            durations: Buffer::new(),
        });
        Self { file, bins, buffers, deadline: None, waited: Duration::ZERO }
    }

    /// Copies the slot at `offset`.
    pub(crate) fn read(
        &mut self,
        index: u32,
        offset: u64,
        previous: Previous<'_>,
    ) -> Result<Arc<SlotSample>, ReadError> {
        for attempt in 0..WHOLE_ATTEMPTS {
            let mut glance = Buffer::<GLANCE_BYTES>::new();
            self.file.read(&mut glance.0, offset)?;
            let glance = Fields(&glance.0);
            let sequence = glance.u64(offset_of!(SlotHeader, sequence));
            if let Some(previous) = previous
                && is_unowned_and_unchanged(glance, previous)
            {
                return Ok(Arc::clone(previous));
            }
            if sequence.is_multiple_of(2)
                && let Some(records) = self.try_whole(offset, sequence, previous)?
            {
                let sample = self.settled(index, offset, sequence, records, previous)?;
                return Ok(Arc::new(sample));
            }
            if !self.wait(attempt) {
                break;
            }
        }
        if self.file.is_locked() {
            self.read_bin_by_bin(index, offset, previous).map(Arc::new)
        } else {
            self.read_dead(index, offset, previous).map(Arc::new)
        }
    }

    /// Does steps 2 and 3 of the module's procedure; `None` if the writer interfered.
    fn try_whole(
        &mut self,
        offset: u64,
        sequence: u64,
        previous: Previous<'_>,
    ) -> Result<Option<Records>, ReadError> {
        let buffers = &mut *self.buffers;
        self.file.read(&mut buffers.first.0, offset)?;
        let records = match previous {
            Some(previous) if previous.settled == Some(sequence) => Records::Kept,
            _ => {
                self.file.read(&mut buffers.records.0, offset + RECORDS)?;
                Records::Read
            }
        };
        self.file.read(&mut buffers.second.0, offset)?;
        let sequences = [&buffers.first, &buffers.second]
            .map(|hot| Fields(&hot.0).u64(offset_of!(SlotHeader, sequence)));
        Ok((sequences == [sequence; 2]).then_some(records))
    }

    fn settled(
        &mut self,
        index: u32,
        offset: u64,
        sequence: u64,
        records: Records,
        previous: Previous<'_>,
    ) -> Result<SlotSample, ReadError> {
        let durations = match (records, previous) {
            (Records::Kept, Some(previous)) => Arc::clone(&previous.durations),
            _ => self.read_durations(offset)?,
        };
        let first = Fields(&self.buffers.first.0);
        let second = Fields(&self.buffers.second.0);
        let former = |bin| previous.and_then(|previous| previous.bin(bin));
        let bins = (0..BINS).filter_map(|bin| {
            let record = match records {
                Records::Kept => former(bin).map_or(NO_RECORD, |former| former.record),
                Records::Read => record(&self.buffers.records.0, bin),
            };
            let list = list(first, bin, record.freed_fast_carried);
            bin_sample(bin, list, second, record, former(bin))
        });
        let bins = bins.collect();
        Ok(SlotSample {
            settled: Some(sequence),
            ..slot_sample(index, first, second, bins, durations)
        })
    }

    /// Reads each bin by itself.
    fn read_bin_by_bin(
        &mut self,
        index: u32,
        offset: u64,
        previous: Previous<'_>,
    ) -> Result<SlotSample, ReadError> {
        let former = |bin| previous.and_then(|previous| previous.bin(bin));
        let mut pairs = Vec::with_capacity(BINS);
        for bin in (0..BINS).filter(|&bin| self.bins.is_used(bin)) {
            pairs.push((bin, self.read_bin(offset, bin, former(bin))?));
        }
        self.file.read(&mut self.buffers.second.0, offset)?;
        let durations = self.read_durations(offset)?;
        let hot = Fields(&self.buffers.second.0);
        let mut torn = false;
        let mut bins = Vec::with_capacity(pairs.len());
        for (bin, pair) in pairs {
            torn |= pair.is_none();
            bins.extend(match pair {
                Some((list, record)) => bin_sample(bin, list, hot, record, former(bin)),
                None => former(bin).copied(),
            });
        }
        Ok(SlotSample { torn, ..slot_sample(index, hot, hot, bins, durations) })
    }

    /// Reads list and record of one bin, exactly if a few attempts allow it; `None` if the writer
    /// leaves no chance before patience ends.
    fn read_bin(
        &mut self,
        offset: u64,
        bin: usize,
        former: Option<&BinSample>,
    ) -> Result<Option<(ListState, BinRecord)>, ReadError> {
        let mut moving = None;
        let mut readings = 0;
        for attempt in 0.. {
            if let Some(reading) = self.try_bin(offset, bin)? {
                let is_exact = reading.is_exact();
                moving = reading.reconciled(former).or(moving);
                readings += 1;
                if moving.is_some() && (is_exact || readings >= MOVING_ATTEMPTS) {
                    break;
                }
            }
            if !self.wait(attempt) {
                break;
            }
        }
        Ok(moving)
    }

    /// Does the five reads that `moving_bin` requires; `None` if a sequence was odd, or if the
    /// capacity changed and so may not belong to the word.
    fn try_bin(&mut self, offset: u64, bin: usize) -> Result<Option<Reading>, ReadError> {
        let record_at = offset + RECORDS + (bin * size_of::<BinRecord>()) as u64;
        let mut records = [(); 2].map(|()| Buffer::<{ size_of::<BinRecord>() }>::new());
        // Reads the whole hot part, which costs no more than reading a few of its words.
        let mut glances = [(0, 0); 2];
        let mut found = (ListState::default(), 0);
        let carried = |record: &Buffer<{ size_of::<BinRecord>() }>| {
            Fields(&record.0).u64(offset_of!(BinRecord, freed_fast_carried))
        };
        self.file.read(&mut records[0].0, record_at)?;
        for step in 0..3 {
            self.file.read(&mut self.buffers.first.0, offset)?;
            let hot = Fields(&self.buffers.first.0);
            let capacity = capacity(hot, bin);
            match step {
                1 => found = (list(hot, bin, carried(&records[0])), capacity),
                _ => glances[step / 2] = (hot.u64(offset_of!(SlotHeader, sequence)), capacity),
            }
        }
        self.file.read(&mut records[1].0, record_at)?;
        let (list, capacity) = found;
        // The word may come from before or from after a carry between the two records.
        if carried(&records[0]) != carried(&records[1]) {
            return Ok(None);
        }
        let fits = |&(sequence, around): &(u64, u16)| sequence % 2 == 0 && around == capacity;
        let [first, second] = records.map(|record| Fields(&record.0).bin_record());
        Ok(glances.iter().all(fits).then_some(Reading { first, list, capacity, second }))
    }

    /// Makes the last copy of a slot whose writer was killed in a slow path. A bin that appears to
    /// have fallen was being updated: it keeps its former copy.
    fn read_dead(
        &mut self,
        index: u32,
        offset: u64,
        previous: Previous<'_>,
    ) -> Result<SlotSample, ReadError> {
        self.file.read(&mut self.buffers.first.0, offset)?;
        self.file.read(&mut self.buffers.records.0, offset + RECORDS)?;
        let durations = self.read_durations(offset)?;
        let hot = Fields(&self.buffers.first.0);
        let bins = (0..BINS).filter_map(|bin| {
            let former = previous.and_then(|previous| previous.bin(bin));
            let record = record(&self.buffers.records.0, bin);
            let list = list(hot, bin, record.freed_fast_carried);
            let last = bin_sample(bin, list, hot, record, former);
            match (last, former) {
                (Some(last), Some(former)) if last.has_fallen(former) => Some(*former),
                (last, former) => last.or(former.copied()),
            }
        });
        let bins = bins.collect();
        Ok(SlotSample { torn: true, ..slot_sample(index, hot, hot, bins, durations) })
    }

    fn read_durations(&mut self, offset: u64) -> Result<Arc<[(Class, Histogram)]>, ReadError> {
        let bytes = &mut self.buffers.durations.0;
        self.file.read(bytes, offset + DURATIONS)?;
        Ok(durations(bytes))
    }

    /// Waits for a writer, longer with each attempt; false when patience has ended.
    fn wait(&mut self, attempt: u32) -> bool {
        let now = Instant::now();
        if now >= *self.deadline.get_or_insert(now + PATIENCE) {
            return false;
        }
        match attempt {
            0..4 => std::hint::spin_loop(),
            // The writer may need this very processor to finish its slow path.
            4..32 => std::thread::yield_now(),
            _ => {
                std::thread::sleep(PAUSE);
                self.waited += PAUSE;
            }
        }
        true
    }

    /// Time slept so far.
    pub(crate) fn waited(&self) -> Duration {
        self.waited
    }
}

#[cfg(test)]
mod tests;
