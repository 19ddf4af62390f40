//! Reads a recording.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use hakmem_proto::v1::{
    Event, Identity, RecordingEnd, RecordingEntry, RecordingStart, recording_entry::Entry,
};

use crate::block;
use crate::format::{self, BLOCK_HEADER_BYTES, FILE_HEADER_BYTES, FileHeader, VERSION};
use crate::replay::{Audience, Replay, Sample};
use crate::scan::{BlockPlace, Damage, DamageKind, scan};
use crate::series::{Collector, RecordedSeries};
use crate::source::Source;
use crate::window::Window;

mod summary;

pub use summary::{ProcessSummary, Summary};

/// Why a recording cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file does not exist, or may not be read.
    #[error("cannot read {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// The file is not a recording.
    #[error("{} is not a recording; `hakmem-top record` makes one", .0.display())]
    Foreign(PathBuf),
    /// It was written by a newer version.
    #[error(
        "{} has format version {version}, and this program reads up to {VERSION}; use a newer one",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
}

/// A recording as of the moment when it was opened; its writer may still be appending to it.
#[derive(Debug)]
pub struct Recording {
    source: Source,
    blocks: Vec<BlockPlace>,
    damage: Vec<Damage>,
    start: RecordingStart,
    end: Option<RecordingEnd>,
    summary: Summary,
}

impl Recording {
    /// Opens a recording and reads it once, so that all damage is known.
    ///
    /// # Errors
    ///
    /// [`OpenError`] names the file and the problem. Damage is not an error.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let failed = |error| OpenError::Read { path: path.to_owned(), error };
        // Opening a pipe would wait for a writer.
        let is_file = std::fs::metadata(path).map_err(failed)?.is_file();
        if !is_file {
            return Err(OpenError::Foreign(path.to_owned()));
        }
        let file = File::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        Self::read(Source::File { file, length }, path)
    }

    /// Reads a recording in memory, for tests.
    ///
    /// # Errors
    ///
    /// As for [`Recording::open`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, OpenError> {
        Self::read(Source::Bytes(bytes), Path::new("memory"))
    }

    fn read(source: Source, path: &Path) -> Result<Self, OpenError> {
        let failed = |error| OpenError::Read { path: path.to_owned(), error };
        let header = source.read(0, FILE_HEADER_BYTES).map_err(failed)?;
        let mut damage = Vec::new();
        match format::parse_file_header(&header) {
            FileHeader::Good => {}
            FileHeader::Damaged => {
                let length = header.len() as u64;
                damage.push(Damage { offset: 0, length, kind: DamageKind::Header });
            }
            FileHeader::Newer(version) => {
                return Err(OpenError::Newer { path: path.to_owned(), version });
            }
            FileHeader::Foreign => return Err(OpenError::Foreign(path.to_owned())),
        }
        let found = scan(&source).map_err(failed)?;
        damage.extend(found.damage);
        let summary = Summary { file_bytes: source.length(), ..Summary::default() };
        let (start, end) = (RecordingStart::default(), None);
        let mut recording = Self { source, blocks: found.blocks, damage, start, end, summary };
        recording.read_once();
        Ok(recording)
    }

    /// The writer's description of the recording at its start; empty if no intact block has it.
    pub fn start(&self) -> &RecordingStart {
        &self.start
    }

    /// The writer's entry at the end; `None` if it did not get that far.
    pub fn end(&self) -> Option<&RecordingEnd> {
        self.end.as_ref()
    }

    /// Whether the writer ended normally.
    pub fn is_complete(&self) -> bool {
        self.end.is_some()
    }

    /// The parts of the file that could not be read, in their order.
    pub fn damage(&self) -> &[Damage] {
        &self.damage
    }

    /// The summary of its content.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// The samples of the selected processes, one series for each that has any in `window`.
    pub fn series(
        &self,
        window: Window,
        selection: impl Fn(&Identity) -> bool,
    ) -> Vec<RecordedSeries> {
        let mut collector = Collector::new(self.start.interval_ms);
        self.replay(window, selection, &mut collector);
        collector.into_series()
    }

    /// Passes every sample of the selected processes to `visit`, one update after another.
    pub fn for_each_sample(
        &self,
        window: Window,
        selection: impl Fn(&Identity) -> bool,
        visit: impl FnMut(Sample<'_>),
    ) {
        struct Visitor<F>(F);
        impl<F: FnMut(Sample<'_>)> Audience for Visitor<F> {
            fn sample(&mut self, sample: Sample<'_>) {
                (self.0)(sample);
            }
        }
        self.replay(window, selection, &mut Visitor(visit));
    }

    /// Passes every event of the selected processes to `visit`, in the order of the file.
    pub fn for_each_event(
        &self,
        window: Window,
        selection: impl Fn(&Identity) -> bool,
        visit: impl FnMut(&Event),
    ) {
        struct Visitor<F>(F);
        impl<F: FnMut(&Event)> Audience for Visitor<F> {
            fn sample(&mut self, _: Sample<'_>) {}
            fn event(&mut self, event: &Event) {
                (self.0)(event);
            }
        }
        self.replay(window, selection, &mut Visitor(visit));
    }

    /// Passes all samples and events of the selected processes to `audience`, in the order of the
    /// file.
    pub fn replay<A: Audience>(
        &self,
        window: Window,
        selection: impl Fn(&Identity) -> bool,
        audience: &mut A,
    ) {
        let mut replay = Replay::new(window, self.start.interval_ms, selection, audience);
        let mut next = 0;
        for place in &self.blocks {
            if place.header.number != next {
                replay.gap();
            }
            next = place.header.number.wrapping_add(1);
            match self.entries(place) {
                Some(entries) => entries.into_iter().for_each(|entry| replay.entry(entry)),
                // The file was changed after it was opened.
                None => replay.gap(),
            }
            if replay.has_ended {
                return;
            }
        }
        replay.finish();
    }

    /// The entries of a block; `None` if its content is invalid.
    fn entries(&self, place: &BlockPlace) -> Option<Vec<RecordingEntry>> {
        let header = &place.header;
        let from = place.offset + BLOCK_HEADER_BYTES as u64;
        let payload = self.source.read(from, header.payload_bytes as usize).ok()?;
        if header.checksum_of(&payload) != header.checksum {
            return None;
        }
        block::decode(&payload, header.raw_bytes as usize).ok()
    }

    /// Decodes everything once: finds start, end and damage within blocks, and sums up.
    fn read_once(&mut self) {
        let mut tally = summary::Tally::default();
        let mut good = Vec::with_capacity(self.blocks.len());
        let mut next = 0;
        let mut is_started = false;
        let mut replay = Replay::new(Window::ALL, 1000, |_: &Identity| true, &mut tally);
        for place in &self.blocks {
            let content =
                Damage { offset: place.offset, length: place.length(), kind: DamageKind::Content };
            let Some(entries) = self.entries(place).filter(|_| !replay.is_overfull) else {
                self.damage.push(content);
                continue;
            };
            if place.header.number != next {
                replay.gap();
            }
            next = place.header.number.wrapping_add(1);
            for entry in entries {
                match &entry.entry {
                    Some(Entry::Start(start)) if !is_started => {
                        is_started = true;
                        replay.set_interval(start.interval_ms);
                        self.start = start.clone();
                    }
                    Some(Entry::End(end)) => self.end = Some(*end),
                    _ => {}
                }
                replay.audience.entry(&entry);
                replay.entry(entry);
            }
            if replay.is_overfull {
                self.damage.push(content);
                continue;
            }
            good.push(*place);
        }
        replay.finish();
        self.blocks = good;
        self.damage.sort_by_key(|it| it.offset);
        tally.finish(&mut self.summary);
    }
}

#[cfg(test)]
mod tests;
