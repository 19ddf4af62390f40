//! The identity of a process: nothing that another process claims changes it.

use std::collections::BTreeMap;
use std::fs;

use hakmem_reader::Segment;
use hakmem_reader::fixture::FixtureProcess;

use super::{HONEST, HOSTILE, Machine, eventually, own};

#[test]
fn two_containers_of_one_program_are_two_series_and_neither_falls() {
    let machine = Machine::start();
    let mut containers = vec![machine.load(HONEST, true), machine.load(HONEST, true)];
    let user = format!("user=\"{HONEST}\"");
    let labels = ["pid=\"1\"", user.as_str()];
    let both = eventually("both containers have a series", || {
        let series = machine.allocations(&labels);
        (series.len() == 2).then_some(series)
    });
    assert_ne!(both[0].label("process"), both[1].label("process"));
    assert_eq!(both[0].label("executable"), both[1].label("executable"));
    let mut seen: BTreeMap<String, f64> = BTreeMap::new();
    let mut look = |expected: usize| {
        let series = machine.allocations(&labels);
        for it in &series {
            let before = seen.insert(it.labels.clone(), it.value).unwrap_or(0.0);
            assert!(it.value >= before, "{} fell from {before} to {}", it.labels, it.value);
        }
        (series.len() == expected).then_some(series)
    };
    eventually("both are seen again", || look(2));
    containers.pop();
    let left = eventually("the other container is left", || look(1));
    assert!(both.iter().any(|it| it.labels == left[0].labels));
    eventually("its counter goes on", || {
        look(1).filter(|it| it[0].value > left[0].value).map(drop)
    });
    assert_eq!(seen.len(), 2, "{seen:?}");
}

#[test]
fn a_stranger_takes_neither_the_series_nor_the_place_of_another_owners_process() {
    const FORGED: f64 = 3_000_000.0;
    let mut machine = Machine::start();
    let _load = machine.load(HONEST, false);
    let honest = format!("user=\"{HONEST}\"");
    let hostile = format!("user=\"{HOSTILE}\"");
    let [before] =
        eventually("the program has a series", || machine.allocations(&[&honest]).try_into().ok());
    // A copy of the key, the pid and the executable, in a file and a directory of another user.
    let directory = machine.directory_of(HONEST);
    let mut files = fs::read_dir(&directory).expect("it is there").flatten();
    let file = files.next().expect("it has a segment").path();
    let identity = Segment::open(&file).expect("it is one").identity().clone();
    let copy = FixtureProcess {
        pid: identity.pid,
        user_id: identity.user_id,
        start_time_ticks: identity.start_time_ticks,
        nonce: identity.nonce,
        pid_namespace: identity.pid_namespace,
        boot_id: identity.boot_id,
        created_monotonic_ns: identity.created_monotonic_ns + 1,
        ..FixtureProcess::new(&identity.executable)
    };
    let _forged = machine.forge(HOSTILE, &copy, FORGED as u64);
    // And the file itself, in a third user's directory.
    let third = machine.directory_of(HOSTILE - 1);
    let name = file.file_name().expect("it has a name");
    fs::hard_link(&file, third.join(name)).expect("can be linked");
    // A directory named after a user who has none.
    let named = machine.shared_memory().join("hakmem-1");
    fs::create_dir(&named).expect("can be made");
    own(&named, HOSTILE);

    for round in ["beside the agent", "before the agent"] {
        let [own] = eventually("the program has its series", || {
            machine.allocations(&[&honest]).try_into().ok()
        });
        assert_eq!(own.labels, before.labels, "{round}");
        assert!((before.value..FORGED).contains(&own.value), "{round}: {own:?}");
        let [forged] = eventually("the forged one has another", || {
            machine.allocations(&[&hostile]).try_into().ok()
        });
        assert_eq!(forged.value, FORGED, "{round}");
        assert_eq!(forged.label("pid"), own.label("pid"));
        assert_ne!(forged.label("process"), own.label("process"));
        let third = format!("user=\"{}\"", HOSTILE - 1);
        assert!(machine.allocations(&[&third]).is_empty(), "{round}");
        eventually("the linked file is refused", || {
            (machine.refused("segment", "owner") >= 1.0).then_some(())
        });
        eventually("the misnamed directory is refused", || {
            (machine.refused("directory", "owner") >= 1.0).then_some(())
        });
        machine.start_agent();
    }
}
