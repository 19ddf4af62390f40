//! hakmem's own counts, read from the telemetry segment that a program leaves or still writes.

use std::path::{Path, PathBuf};

use hakmem_reader::totals::CLASSES;
use hakmem_reader::{
    Class, ClassTotals, EventCursor, EventKind, Identity, OpenError, ProcessSample, SampleError,
    Segment,
};

/// The counts of a whole process in its segment.
#[derive(Clone, Debug)]
pub struct SegmentCounts {
    /// The identity of the process, with the routing in force.
    pub identity: Identity,
    /// Totals by class.
    pub classes: [ClassTotals; CLASSES],
    /// Counts that belong to the process and to no thread.
    pub process: ProcessSample,
    /// Live blocks by bin.
    pub live_blocks: Vec<i128>,
    /// Sum, over threads and bins, of the frees beyond the same thread's allocations in the bin: at
    /// least this number of frees were of blocks that another thread had allocated.
    pub frees_elsewhere_least: i128,
    /// Number of findings among the events in the rings.
    pub check_findings: u64,
}

/// Why the program's calls cannot be proven.
#[derive(Debug, thiserror::Error)]
pub enum CountError {
    /// The program left no segment, or more than one.
    #[error("there are {0} telemetry segments where the program should have left one")]
    Segments(usize),
    /// The folder cannot be read or emptied.
    #[error("cannot read the folder of telemetry segments: {0}")]
    Folder(#[from] std::io::Error),
    /// The segment cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The segment cannot be sampled.
    #[error(transparent)]
    Sample(#[from] SampleError),
}

impl SegmentCounts {
    /// Reads the only segment of the folder.
    pub fn read(directory: &Path) -> Result<Self, CountError> {
        Self::of(&only_segment(directory)?)
    }

    /// Reads the only segment of the folder and removes it.
    pub fn take(directory: &Path) -> Result<Self, CountError> {
        let path = only_segment(directory)?;
        let counts = Self::of(&path)?;
        std::fs::remove_file(path)?;
        Ok(counts)
    }

    /// Reads the only segment of `program` and removes all segments of the folder: a program that
    /// starts `program` may leave some of its own.
    pub fn take_of(program: &str, directory: &Path) -> Result<Self, CountError> {
        let mut found = Vec::new();
        for path in segments(directory)? {
            let counts = Self::of(&path)?;
            std::fs::remove_file(path)?;
            found.extend((counts.identity.executable_name() == program).then_some(counts));
        }
        match found.pop() {
            Some(counts) if found.is_empty() => Ok(counts),
            last => Err(CountError::Segments(found.len() + usize::from(last.is_some()))),
        }
    }

    /// Totals of one class.
    pub fn class(&self, class: Class) -> &ClassTotals {
        &self.classes[class as usize]
    }

    /// Allocations of all classes.
    pub fn allocations(&self) -> u64 {
        self.classes.iter().map(|class| class.allocations).sum()
    }

    /// Frees of all classes.
    pub fn frees(&self) -> u64 {
        self.classes.iter().map(|class| class.frees).sum()
    }

    /// Frees that only a bug can explain, of all classes.
    pub fn anomalies(&self) -> u64 {
        self.classes.iter().map(ClassTotals::anomalies).sum()
    }

    /// Share of all calls that took a slow path; 0 without calls.
    pub fn slow_share(&self) -> f64 {
        let slow: u64 =
            self.classes.iter().map(|class| class.slow_allocations() + class.slow_frees()).sum();
        slow as f64 / (self.allocations() + self.frees()).max(1) as f64
    }

    fn of(path: &Path) -> Result<Self, CountError> {
        let mut segment = Segment::open(path)?;
        let sample = segment.sample()?;
        let events = segment.read_events(&mut EventCursor::from_oldest())?.events;
        let findings = events.iter().filter(|event| event.kind == EventKind::CheckFinding);
        let bins = 0..sample.bins.all().len();
        let live = |bin| {
            let blocks = sample.slots.iter().filter_map(|slot| slot.bin(bin));
            blocks.map(hakmem_reader::BinSample::live_blocks).sum()
        };
        let bins_of_threads = sample.slots.iter().flat_map(|slot| &slot.bins);
        let live_of_threads = bins_of_threads.map(hakmem_reader::BinSample::live_blocks);
        Ok(Self {
            identity: segment.identity().clone(),
            classes: sample.classes(),
            process: sample.process.clone(),
            live_blocks: bins.map(live).collect(),
            frees_elsewhere_least: live_of_threads.map(|live| (-live).max(0)).sum(),
            check_findings: findings.count() as u64,
        })
    }
}

fn only_segment(directory: &Path) -> Result<PathBuf, CountError> {
    let mut paths = segments(directory)?;
    match paths.pop() {
        Some(path) if paths.is_empty() => Ok(path),
        last => Err(CountError::Segments(paths.len() + usize::from(last.is_some()))),
    }
}

fn segments(directory: &Path) -> Result<Vec<PathBuf>, CountError> {
    let entries = std::fs::read_dir(directory)?.collect::<Result<Vec<_>, _>>()?;
    Ok(entries.iter().map(std::fs::DirEntry::path).collect())
}

#[cfg(test)]
mod tests;
