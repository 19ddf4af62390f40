//! The gRPC contract between agent and clients, `hakmem.v1`, generated from
//! `hakmem/v1/hakmem.proto`, and the form that updates of processes have in it. Fields and calls
//! are added to version 1, and none is removed or gets another meaning.
//!
//! # Layers, bottom to top
//!
//! - `fixture`: synthetic processes for tests, with the feature of that name
//! - `frames`: the inputs of fuzz targets that read messages, with the feature `fixture`
//! - `chunk`: messages below gRPC's usual limit; it does not know what changed
//! - `delta`: from whole processes to the changes that an update has; it remembers nothing
//! - `merge`: from updates back to whole processes; it trusts no update

#![forbid(unsafe_code)]

use hakmem_segment::EventKind;
use hakmem_segment::vocabulary::ProcessState;

pub mod chunk;
pub mod delta;
#[cfg(any(test, feature = "fixture"))]
pub mod fixture;
#[cfg(any(test, feature = "fixture"))]
pub mod frames;
pub mod merge;

/// Version 1 of the contract; its documentation is the proto file's.
#[allow(missing_docs, clippy::doc_markdown, unused_qualifications, unreachable_pub)]
pub mod v1 {
    tonic::include_proto!("hakmem.v1");
}

impl v1::Identity {
    /// The name of the program: the one by which people know it, or else the file name of its
    /// executable.
    pub fn program_name(&self) -> &str {
        match self.command_name.as_str() {
            "" => self.executable.rsplit('/').next().unwrap_or_default(),
            known => known,
        }
    }
}

impl v1::Process {
    /// The state; `None` if it is empty or a word of a later version.
    pub fn known_state(&self) -> Option<ProcessState> {
        ProcessState::from_name(&self.state)
    }

    /// Whether the process runs.
    pub fn is_running(&self) -> bool {
        self.known_state() == Some(ProcessState::Running)
    }
}

impl v1::Event {
    /// The kind; `None` if it is a word of a later version.
    pub fn known_kind(&self) -> Option<EventKind> {
        EventKind::from_name(&self.kind)
    }
}

/// The descriptor set, for the reflection service.
pub const FILE_DESCRIPTOR_SET: &[u8] =
    include_bytes!(concat!(env!("OUT_DIR"), "/hakmem_descriptor.bin"));

#[cfg(test)]
mod tests {
    use super::ProcessState;
    use super::v1::{Event, Identity, Process};

    #[test]
    fn a_program_has_the_name_that_people_know_or_its_executables() {
        let executable = "/usr/bin/redis-check-rdb".to_owned();
        let mut identity = Identity { executable, ..Identity::default() };
        assert_eq!(identity.program_name(), "redis-check-rdb");
        identity.command_name = "redis-server".to_owned();
        assert_eq!(identity.program_name(), "redis-server");
    }

    #[test]
    fn words_of_later_versions_are_not_known() {
        let process = |state: &str| Process { state: state.to_owned(), ..Process::default() };
        assert!(process("running").is_running() && !process("exited").is_running());
        assert_eq!(process("killed").known_state(), Some(ProcessState::Killed));
        assert_eq!([process("").known_state(), process("frozen").known_state()], [None; 2]);
        let event = Event { kind: "a word of next year".to_owned(), ..Event::default() };
        assert_eq!(event.known_kind(), None);
    }
}
