//! Events that hit a process while its threads are in the middle of calls.

use hakmem_reader::ProcessState;

use crate::loaded::Loaded;

#[test]
fn a_process_may_exit_while_its_threads_allocate() {
    for _ in 0..15 {
        let finished = Loaded::new("busy.c").arg("exit").run();
        finished.assert_silent(3);
        // Threads were stopped anywhere, even in the middle of a slow path; the exit code is known.
        let record = finished.record();
        assert_eq!(
            (record.state, record.sample.process.exit_code),
            (ProcessState::Exited, Some(3))
        );
    }
}

#[test]
fn a_process_without_descriptors_goes_on_and_counts_exactly() {
    let record = Loaded::new("busy.c").arg("descriptors").run_well().record();
    record.assert_sound();
}
