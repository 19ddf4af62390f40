//! The gRPC contract between agent and clients, generated from `hakmem/v1/hakmem.proto`, and the
//! form that updates of processes have in it.
//!
//! # Layers, bottom to top
//!
//! - `fixture`: synthetic processes for tests, with the feature of that name
//! - `frames`: the inputs of fuzz targets that read messages, with the feature `fixture`
//! - `chunk`: messages below gRPC's usual limit; it does not know what changed
//! - `delta`: from whole processes to the changes that an update has; it remembers nothing
//! - `merge`: from updates back to whole processes; it trusts no update

#![forbid(unsafe_code)]

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

/// The descriptor set, for the reflection service.
pub const FILE_DESCRIPTOR_SET: &[u8] =
    include_bytes!(concat!(env!("OUT_DIR"), "/hakmem_descriptor.bin"));

#[cfg(test)]
mod tests {
    use super::v1::Identity;

    #[test]
    fn a_program_has_the_name_that_people_know_or_its_executables() {
        let executable = "/usr/bin/redis-check-rdb".to_owned();
        let mut identity = Identity { executable, ..Identity::default() };
        assert_eq!(identity.program_name(), "redis-check-rdb");
        identity.command_name = "redis-server".to_owned();
        assert_eq!(identity.program_name(), "redis-server");
    }
}
