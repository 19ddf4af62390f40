//! Inspects one segment without an agent, e.g. for a post-mortem.
//!
//! The result has the messages of the gRPC contract, built by the same code, and all events that
//! the rings still hold. Nothing is kept, marked or removed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use hakmem_proto::v1;
use hakmem_reader::directory::{ScanError, SegmentName, files_of_directory, scan};
use hakmem_reader::liveness::{Host, effective_state};
use hakmem_reader::{EventCursor, Identity, OpenError, ProcessState, SampleError, Segment};

use crate::state::{Facts, ProcessRecord};
use crate::thread_names::NameReader;
use crate::time::timestamp_of_unix_ns;

/// The content of a segment.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// The path of the segment.
    pub path: PathBuf,
    /// Everything about the process; its `loss` counts the events that were overwritten since its
    /// start.
    pub process: v1::Process,
    /// The events that the rings still hold, in the order of time.
    pub events: Vec<v1::Event>,
    /// Time at which a reader noted that the process was dead, if any did: it died before that.
    pub found_dead_at: Option<prost_types::Timestamp>,
}

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
pub enum InspectionError {
    /// The directory cannot be listed.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// No file belongs to the process.
    #[error(
        "no segment of process {pid} in {}; `hakmem-top ls` lists the existing ones",
        directory.display()
    )]
    UnknownPid {
        /// The process id.
        pid: u32,
        /// The directory that was searched.
        directory: PathBuf,
    },
    /// No process has ended in the directory.
    #[error(
        "no ended process has left a segment in {}; give the pid of a running one",
        directory.display()
    )]
    NoneEnded {
        /// The directory that was searched.
        directory: PathBuf,
    },
    /// The file is not a segment, or may not be read.
    #[error("{}: {error}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The reason.
        error: OpenError,
    },
    /// The file cannot be read to its end.
    #[error("{}: {error}", path.display())]
    Sample {
        /// The file.
        path: PathBuf,
        /// The reason.
        error: SampleError,
    },
}

/// Inspects the segment at `path`, whatever its file name.
///
/// # Errors
///
/// [`InspectionError::Open`] or [`InspectionError::Sample`].
pub fn inspect_file(path: &Path) -> Result<Inspection, InspectionError> {
    let failed = |error| InspectionError::Sample { path: path.to_owned(), error };
    let mut segment = open(path)?;
    // Asked first: if the writer is dead, the data read after that is final.
    let alive = segment.is_writer_alive();
    let sample = segment.sample().map_err(failed)?;
    let mut cursor = EventCursor::from_beginning();
    let batch = segment.read_events(&mut cursor).map_err(failed)?;
    let siblings = siblings(path, segment.identity().pid);
    let identity = segment.identity();
    let host = Host::current();
    let ending = if alive { None } else { host.ending(identity) };
    let state = effective_state(identity, alive, &sample.process, ending, &siblings, &host);
    let mut names = NameReader::default();
    if state == ProcessState::Running {
        names.update(&host, identity, &sample.slots);
    }
    let facts = Arc::new(Facts::new(identity));
    let key = facts.key();
    let events = batch.events.iter().map(|event| facts.event(&key, event)).collect();
    let record = ProcessRecord::new(key.into(), facts, (state, ending), sample, batch.lost)
        .with_thread_names(names.names());
    let found_dead_at = segment.found_dead_at().filter(|_| !alive).map(timestamp);
    let process = v1::Process::clone(&record.message());
    Ok(Inspection { path: path.to_owned(), process, events, found_dead_at })
}

/// Inspects the newest segment of process `pid` in `directory`.
///
/// # Errors
///
/// [`InspectionError`], also if there is none.
pub fn inspect_pid(directory: &Path, pid: u32) -> Result<Inspection, InspectionError> {
    let paths = scan(directory)?.paths.into_iter().filter(|path| pid_of(path) == Some(pid));
    let opened: Vec<_> =
        paths.map(|path| open_own(directory, &path).map(|segment| (path, segment))).collect();
    let created = |it: &(PathBuf, Segment)| it.1.identity().created_monotonic_ns;
    // Readable segments are shown; only if there are none, the reason is.
    let (readable, unreadable): (Vec<_>, Vec<_>) = opened.into_iter().partition(Result::is_ok);
    match readable.into_iter().flatten().max_by_key(created) {
        Some((path, _)) => inspect_file(&path),
        None => Err(unreadable.into_iter().find_map(Result::err).unwrap_or_else(|| {
            InspectionError::UnknownPid { pid, directory: directory.to_owned() }
        })),
    }
}

/// Inspects the segment of the process in `directory` that was the last to end, normally or not, as
/// far as segments tell.
///
/// # Errors
///
/// [`InspectionError`], also if no process has ended.
pub fn inspect_last_ended(directory: &Path) -> Result<Inspection, InspectionError> {
    let ended = scan(directory)?.paths.into_iter().filter_map(|path| {
        let at = ended_at_least_ns(&path)?;
        Some((at, path))
    });
    match ended.max() {
        Some((_, path)) => inspect_file(&path),
        None => Err(InspectionError::NoneEnded { directory: directory.to_owned() }),
    }
}

fn open(path: &Path) -> Result<Segment, InspectionError> {
    Segment::open(path).map_err(|error| InspectionError::Open { path: path.to_owned(), error })
}

/// Opens a segment, unless its directory must not hold files of the segment's owner.
fn open_own(directory: &Path, path: &Path) -> Result<Segment, InspectionError> {
    let segment = open(path)?;
    let owner = segment.identity().owner_user_id;
    match files_of_directory(directory) {
        Some(files_of) if files_of.admits(owner) => Ok(segment),
        _ => {
            let error = OpenError::WrongOwner { owner };
            Err(InspectionError::Open { path: path.to_owned(), error })
        }
    }
}

fn pid_of(path: &Path) -> Option<u32> {
    Some(SegmentName::parse(path.file_name()?)?.pid)
}

/// Identities of other segments that may show that the process continued as another program.
fn siblings(path: &Path, pid: u32) -> Vec<Identity> {
    let Some(directory) = path.parent() else { return Vec::new() };
    let paths = scan(directory).map(|found| found.paths).unwrap_or_default();
    let of_pid = paths.iter().filter(|other| pid_of(other) == Some(pid) && *other != path);
    of_pid.filter_map(|other| Some(Segment::open(other).ok()?.identity().clone())).collect()
}

/// The last time at which an ended process is known to have been alive, in nanoseconds since 1970;
/// `None` if it runs, continues as another program, or cannot be read.
fn ended_at_least_ns(path: &Path) -> Option<u64> {
    let segment = open_own(path.parent()?, path).ok()?;
    if segment.is_writer_alive() {
        return None;
    }
    let identity = segment.identity();
    let process = segment.sample_process().ok()?;
    let siblings = siblings(path, identity.pid);
    let host = Host::current();
    let ending = host.ending(identity);
    match effective_state(identity, false, &process, ending, &siblings, &host) {
        ProcessState::Exited => Some(process.exited_unix_ns),
        ProcessState::Killed | ProcessState::Crashed | ProcessState::Ended => {
            let batch = segment.read_events(&mut EventCursor::from_oldest()).ok()?;
            let last = batch.events.last().map_or(0, |event| identity.unix_ns(event.monotonic_ns));
            Some(last.max(identity.created_unix_ns))
        }
        ProcessState::Running | ProcessState::Replaced => None,
    }
}

fn timestamp(at: SystemTime) -> prost_types::Timestamp {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    timestamp_of_unix_ns(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
