//! The gRPC contract between agent and clients, generated from `hakmem/v1/hakmem.proto`.

#![forbid(unsafe_code)]

/// Version 1 of the contract; its documentation is the proto file's.
#[allow(missing_docs, clippy::doc_markdown, unused_qualifications, unreachable_pub)]
pub mod v1 {
    tonic::include_proto!("hakmem.v1");
}

/// The descriptor set, for the reflection service.
pub const FILE_DESCRIPTOR_SET: &[u8] =
    include_bytes!(concat!(env!("OUT_DIR"), "/hakmem_descriptor.bin"));
