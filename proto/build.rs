//! Compiles the contract without an installed `protoc`.

use std::path::PathBuf;

use prost::Message as _;

fn main() -> anyhow::Result<()> {
    let proto = "hakmem/v1/hakmem.proto";
    println!("cargo::rerun-if-changed={proto}");
    let descriptors = protox::compile([proto], ["."])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("hakmem_descriptor.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
