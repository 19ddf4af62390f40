//! Does for a third of a minute what `.ci/soak` does for hours.

use std::time::Duration;

use hakmem_race::soak::Soak;

#[test]
fn programs_come_and_go_and_the_agent_restarts_without_a_violation() {
    let programs = hakmem_built::benchmark("busy_threads");
    let soak = Soak {
        duration: Duration::from_secs(20),
        agent_life: Duration::from_secs(6),
        library: hakmem_built::preload_library(),
        agent: hakmem_built::agent(),
        programs: programs.parent().expect("it lies in a folder").to_path_buf(),
    };
    let found = soak.run(|_, _| ()).expect("everything was built");
    assert_eq!(found.violations, [] as [String; 0]);
    assert!(found.scrapes > 3 && found.samples > 10 && found.restarts > 0, "{found:?}");
    assert!(found.programs >= 4, "one ends well, one is killed, one ends, one crashes: {found:?}");
}
