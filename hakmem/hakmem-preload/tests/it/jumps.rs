//! A program's signal handler jumps out of the allocator, which C leaves undefined: blocks may be
//! lost, but no block is handed out twice, and no thread waits for itself.

use std::os::unix::process::ExitStatusExt;

use crate::loaded::Loaded;

const ABORTED: i32 = 6;

#[test]
fn a_program_that_jumps_out_of_the_allocator_goes_on_or_is_told_why_it_cannot() {
    for (jumps, sizes) in [("5", "small"), ("5", "all"), ("100", "small"), ("100", "all")] {
        for _ in 0..3 {
            let finished = Loaded::new("jump_out.c").arg(jumps).arg("1").arg(sizes).run();
            let said = "hakmem: a signal handler has interrupted the allocator";
            match (finished.status.code(), finished.status.signal()) {
                (Some(0), _) => assert_eq!(finished.stderr, ""),
                (_, Some(ABORTED)) => {
                    assert_eq!(finished.stderr.lines().count(), 1, "{}", finished.stderr);
                    assert!(finished.stderr.starts_with(said), "{}", finished.stderr);
                }
                ended => panic!("{jumps} of {sizes}: {ended:?}, {}", finished.stderr),
            }
        }
    }
}
