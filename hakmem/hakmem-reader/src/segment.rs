//! One segment: opened, sampled, followed.

use std::mem::offset_of;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hakmem_segment::SegmentHeader;
use hakmem_segment::header::HEADER_BYTES;
use rustix::time::{ClockId, clock_gettime};

use crate::death_mark;
use crate::error::{OpenError, SampleError};
use crate::fields::Fields;
use crate::identity::{self, BinTable, Geometry, Identity, LabelsField};
use crate::sample::{ProcessSample, Sample, SlotSample};
use crate::segment_file::{Buffer, ReadError, SegmentFile};
use crate::segment_name::SegmentName;
use crate::slot_snapshot::SlotReader;

impl From<ReadError> for SampleError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Short => Self::Truncated,
            ReadError::Io(error) => Self::Io(error),
        }
    }
}

/// The least disk space of a slot or a header in use.
const PAGE_BYTES: u64 = 4096;

/// Number of slots that are read between two looks at the clock.
const TIMED_SLOTS: usize = 16;

/// Limits on the cost of one sample.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most bytes of memory.
    pub bytes: usize,
    /// Most processor time of the calling threads, over all calls.
    pub time: Duration,
    /// Most processor time of one call. A call always reads a few slots, so that it makes progress.
    pub slice: Duration,
}

impl Limits {
    /// No limits: reads whatever a segment can hold.
    pub const NONE: Self = Self { bytes: usize::MAX, time: Duration::MAX, slice: Duration::MAX };
}

/// A sample that still lacks some slots.
#[derive(Debug)]
struct Unfinished {
    sample: Sample,
    bytes: usize,
    took: Duration,
}

/// An open segment. It keeps the last copy of every slot, so that a sample reads little more than
/// the changes, and so that no counter ever falls from one sample to the next.
#[derive(Debug)]
pub struct Segment {
    pub(crate) file: SegmentFile,
    pub(crate) geometry: Geometry,
    identity: Identity,
    /// The sequence of the labels in `identity`.
    labels_sequence: u64,
    bins: Arc<BinTable>,
    slots: Vec<Arc<SlotSample>>,
    unfinished: Option<Unfinished>,
    waited: Duration,
}

impl Segment {
    /// Opens the segment at `path`.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let segment = Self::from_file(SegmentFile::open(path)?)?;
        // A file under another name is a copy and may be read. A file under a segment's name must
        // be that segment; otherwise one file could pass for another.
        let name = path.file_name().and_then(SegmentName::parse);
        if name.is_some_and(|name| name.key() != segment.key()) {
            return Err(OpenError::Malformed { what: "file name" });
        }
        Ok(segment)
    }

    /// Takes over a descriptor that is open for reading.
    pub fn from_fd(fd: OwnedFd) -> Result<Self, OpenError> {
        Self::from_file(SegmentFile::from_fd(fd)?)
    }

    /// Checks that `file` holds a segment that this version understands, without keeping it.
    pub(crate) fn check(file: &SegmentFile) -> Result<(), OpenError> {
        Self::read_header(file).map(drop)
    }

    pub(crate) fn from_file(file: SegmentFile) -> Result<Self, OpenError> {
        let (identity, geometry) = Self::read_header(&file)?;
        let bins = Arc::new(identity.bins.clone());
        let (slots, unfinished, waited) = (Vec::new(), None, Duration::ZERO);
        let labels_sequence = 0;
        let mut segment =
            Self { file, geometry, identity, labels_sequence, bins, slots, unfinished, waited };
        // Labels that were set while the header was copied are read again. A file that cannot be
        // read any more is found out by the first sample.
        if let Ok(sequence) = segment.read_labels_sequence() {
            let _ = segment.follow_labels(sequence);
        }
        Ok(segment)
    }

    fn read_header(file: &SegmentFile) -> Result<(Identity, Geometry), OpenError> {
        let mut header = Box::new(Buffer::<HEADER_BYTES>::new());
        let size = file.size().map_err(|error| open_error(error, 0))?;
        // `ready` is read before the fields that it vouches for.
        file.read(&mut header.0[..32], 0).map_err(|error| open_error(error, size))?;
        identity::check_ready(Fields(&header.0))?;
        file.read(&mut header.0, 0).map_err(|error| open_error(error, size))?;
        identity::decode(Fields(&header.0), file.owner_user_id())
    }

    /// The identity of the writer, with its labels as of the newest sample.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The key of the process: `<pid>-<start time in ticks>-<nonce in hex>`.
    pub fn key(&self) -> String {
        self.identity.key()
    }

    /// Whether the writer still runs. A writer that is dead stays dead, so a sample taken after
    /// this returned false is the final one.
    pub fn is_writer_alive(&self) -> bool {
        self.file.is_locked()
    }

    /// When [`remove_dead`](crate::directory::remove_dead) recorded that the writer was dead, if it
    /// did: the writer died before that.
    pub fn found_dead_at(&self) -> Option<SystemTime> {
        death_mark::found_dead_at(&rustix::fs::fstat(self.file.fd()).ok()?)
    }

    /// Copies the current contents of the segment.
    pub fn sample(&mut self) -> Result<Sample, SampleError> {
        self.unfinished = None;
        loop {
            if let Some(sample) = self.sample_within(&Limits::NONE)? {
                return Ok(sample);
            }
        }
    }

    /// Copies the current contents of the segment within `limits`. There are no partial samples: a
    /// copy that lacked some slots would show counters that fell.
    ///
    /// Returns `None` when the slice is used up; the next call continues where this one stopped.
    /// The sample's time is that of its first call.
    ///
    /// # Errors
    ///
    /// [`SampleError::TooMuch`] names the limit that was exceeded.
    pub fn sample_within(&mut self, limits: &Limits) -> Result<Option<Sample>, SampleError> {
        self.waited = Duration::ZERO;
        let begun = processor_time();
        let mut unfinished = match self.unfinished.take() {
            Some(unfinished) => unfinished,
            None => self.begin_sample()?,
        };
        let took_before = unfinished.took;
        let sample = &mut unfinished.sample;
        let mut reader = SlotReader::new(&self.file, &self.bins);
        for index in sample.slots.len() as u32..sample.process.slots_used {
            let previous = self.slots.get(index as usize);
            let slot = reader.read(index, self.geometry.slot_offset(index), previous)?;
            self.waited = reader.waited();
            unfinished.bytes += slot.bytes();
            sample.slots.push(slot);
            if unfinished.bytes > limits.bytes {
                return Err(SampleError::TooMuch { what: "memory" });
            }
            // Reading the clock is a system call.
            if sample.slots.len() % TIMED_SLOTS == 0 {
                let took = processor_time().saturating_sub(begun);
                unfinished.took = took_before + took;
                if unfinished.took > limits.time {
                    return Err(SampleError::TooMuch { what: "time" });
                }
                if took + self.waited > limits.slice {
                    self.unfinished = Some(unfinished);
                    return Ok(None);
                }
            }
        }
        self.slots.clone_from(&sample.slots);
        Ok(Some(unfinished.sample))
    }

    /// Whether a sample was begun that still lacks some slots.
    pub fn is_sample_unfinished(&self) -> bool {
        self.unfinished.is_some()
    }

    /// Begins a sample, which has no slots yet.
    fn begin_sample(&mut self) -> Result<Unfinished, SampleError> {
        let unix_ns = now_ns(ClockId::Realtime);
        let monotonic_ns = now_ns(ClockId::Monotonic);
        let process = self.read_process()?;
        self.follow_labels(process.labels_sequence)?;
        let slots = Vec::with_capacity(process.slots_used as usize);
        let sample = Sample { unix_ns, monotonic_ns, process, slots, bins: Arc::clone(&self.bins) };
        Ok(Unfinished { sample, bytes: 0, took: Duration::ZERO })
    }

    /// How long the last sample slept while writers were in slow paths; this takes no processor
    /// time.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// Copies only the part of the header that changes: state and memory, without the slots.
    pub fn sample_process(&self) -> Result<ProcessSample, SampleError> {
        self.read_process()
    }

    /// Reads the labels if they have changed since they were last read; `sequence` is the current
    /// one. Labels that change meanwhile wait for the next sample, and so do those of a writer that
    /// was stopped in the middle of a change.
    fn follow_labels(&mut self, sequence: u64) -> Result<(), ReadError> {
        if sequence == self.labels_sequence || !sequence.is_multiple_of(2) {
            return Ok(());
        }
        let mut bytes = Buffer::<{ LabelsField::BYTES }>::new();
        self.file.read(&mut bytes.0, LabelsField::START)?;
        if self.read_labels_sequence()? == sequence
            && let Some(labels) = LabelsField::decode(&bytes.0)
        {
            (self.identity.labels, self.labels_sequence) = (labels, sequence);
        }
        Ok(())
    }

    fn read_labels_sequence(&self) -> Result<u64, ReadError> {
        self.file.read_u64(offset_of!(SegmentHeader, labels_sequence) as u64)
    }

    fn read_process(&self) -> Result<ProcessSample, SampleError> {
        let mut bytes = Buffer::<{ ProcessSample::BYTES }>::new();
        self.file.read(&mut bytes.0, ProcessSample::START as u64)?;
        let process = ProcessSample::decode(&bytes.0);
        let known = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        if process.slots_used > self.geometry.slots_max() || process.slots_used < known {
            return Err(SampleError::Malformed { what: "number of used slots" });
        }
        // The size is read after the number of slots: the writer makes room before it uses a slot.
        let (size, stored) = self.file.size_and_stored()?;
        if size < self.geometry.slot_offset(process.slots_used) {
            return Err(SampleError::Truncated);
        }
        // Taking a slot writes to its first page, and the header's first page is written too.
        if stored < (u64::from(process.slots_used) + 1) * PAGE_BYTES {
            return Err(SampleError::Malformed {
                what: "number of used slots, of which its blocks can hold fewer,",
            });
        }
        Ok(process)
    }
}

/// An empty file is still being made; any other file that is too short is not a segment.
fn open_error(error: ReadError, size: u64) -> OpenError {
    match error {
        ReadError::Short if size == 0 => OpenError::NotReady,
        ReadError::Short => OpenError::NotASegment { reason: "it is too short" },
        ReadError::Io(error) => OpenError::Io(error),
    }
}

/// Processor time of the calling thread.
pub(crate) fn processor_time() -> Duration {
    Duration::from_nanos(now_ns(ClockId::ThreadCPUTime))
}

fn now_ns(clock: ClockId) -> u64 {
    let now = clock_gettime(clock);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(now.tv_nsec).unwrap_or(0))
}
