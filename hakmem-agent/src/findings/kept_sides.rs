//! The samples on which a finding rests, kept for later investigation.
//!
//! The history drops its oldest samples, and does not hold a baseline for as long as a finding goes
//! on. A comparison of these samples repeats the verdict that made the finding.

use hakmem_diagnosis::{Series, Side};
use hakmem_proto::chunk::{CHUNK_BYTES, chunks};
use hakmem_proto::v1::get_finding_response::Part;
use hakmem_proto::v1::{FindingSeries, GetFindingResponse};
use prost::Message as _;

/// Level of compression, as in recordings.
const LEVEL: i32 = 1;

/// Both sides, compressed.
#[derive(Debug)]
pub(crate) struct KeptSides {
    before: Vec<KeptSeries>,
    after: Vec<KeptSeries>,
}

#[derive(Debug)]
struct KeptSeries {
    raw_bytes: usize,
    payload: Box<[u8]>,
}

impl KeptSides {
    /// Compresses both sides; `None` if the compressor has no memory.
    pub(crate) fn new(before: &Side, after: &Side) -> Option<Self> {
        let keep = |side: &Side| -> Option<Vec<KeptSeries>> {
            side.series.iter().map(|series| KeptSeries::new(&side.name, series)).collect()
        };
        Some(Self { before: keep(before)?, after: keep(after)? })
    }

    /// Number of compressed bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.before.iter().chain(&self.after).map(|it| it.payload.len()).sum()
    }

    /// Both sides in the parts of an answer, one series after another.
    pub(crate) fn parts(&self) -> impl Iterator<Item = GetFindingResponse> + '_ {
        let before = self.before.iter().flat_map(KeptSeries::parts).map(Part::Before);
        let after = self.after.iter().flat_map(KeptSeries::parts).map(Part::After);
        before.chain(after).map(|part| GetFindingResponse { part: Some(part) })
    }
}

impl KeptSeries {
    fn new(side: &str, series: &Series) -> Option<Self> {
        let message = FindingSeries {
            side: side.to_owned(),
            continued: false,
            identity: Some(series.identity.clone()),
            machine: series.machine.clone(),
            samples: series.samples.clone(),
            lost_events: series.lost_events,
        };
        let raw = message.encode_to_vec();
        let payload = zstd::bulk::compress(&raw, LEVEL).ok()?;
        Some(Self { raw_bytes: raw.len(), payload: payload.into() })
    }

    /// The series in messages that clients accept; empty if memory is short.
    fn parts(&self) -> Vec<FindingSeries> {
        let raw = zstd::bulk::decompress(&self.payload, self.raw_bytes);
        let whole = raw.ok().and_then(|raw| FindingSeries::decode(raw.as_slice()).ok());
        let Some(mut whole) = whole else { return Vec::new() };
        let samples = std::mem::take(&mut whole.samples);
        let groups = chunks(samples, CHUNK_BYTES).into_iter().enumerate();
        let part = |(index, samples)| match index {
            0 => FindingSeries { samples, ..whole.clone() },
            _ => FindingSeries { samples, continued: true, ..FindingSeries::default() },
        };
        groups.map(part).collect()
    }
}

#[cfg(test)]
mod tests;
