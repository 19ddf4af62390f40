//! What hakmem itself counted, read from the telemetry segment after the program has ended.

use std::path::Path;

/// Allocations in the only segment of the folder, which is then removed.
pub fn take_allocations(_directory: &Path) -> Result<u64, String> {
    Err("no reader is built in".to_owned())
}
