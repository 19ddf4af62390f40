//! The cost of one run of a program, and the program's answer.

use std::time::Duration;

/// The cost of a run, and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramOutcome {
    /// Time from the start to the end of the program, or of the server's client.
    pub wall: Duration,
    /// Processor time of the program and its children, or of the server.
    pub cpu: Duration,
    /// Peak resident memory of the largest process.
    pub resident_peak_kib: u64,
    /// What the program printed, and its product.
    pub answer: Vec<u8>,
}
