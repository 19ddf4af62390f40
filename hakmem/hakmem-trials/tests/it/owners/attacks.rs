//! What one user can make the agent do has a limit, and other users do not notice it.

use std::fs;
use std::mem::offset_of;

use hakmem_reader::fixture::{FixtureProcess, SegmentWriter};

use super::{HONEST, HOSTILE, Machine, eventually, own};

/// Sizes of a segment's header and of a slot, from `hakmem_segment`.
const HEADER_BYTES: u64 = 8192;
const SLOT_BYTES: u64 = 36 * 1024;

/// Peak resident memory of a process, in bytes.
fn peak_bytes(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("as ever");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

/// Directories that a process watches.
fn watches(pid: u32) -> usize {
    let fds = fs::read_dir(format!("/proc/{pid}/fdinfo")).expect("it runs").flatten();
    let texts = fds.filter_map(|fd| fs::read_to_string(fd.path()).ok());
    texts.map(|text| text.lines().filter(|line| line.starts_with("inotify ")).count()).sum()
}

/// A file of 12 KiB that claims to have slots of 2.4 GB.
fn sparse(machine: &Machine, number: usize) -> SegmentWriter {
    let process = FixtureProcess::new(&format!("/bin/sparse-{number}"));
    machine.forge_with(HOSTILE, &process, 1, |writer| {
        let claimed = 65_536u32.to_le_bytes();
        writer.truncate(HEADER_BYTES + 65_536 * SLOT_BYTES);
        writer.store(offset_of!(hakmem_segment::SegmentHeader, slots_max), &claimed);
        writer.store(offset_of!(hakmem_segment::SegmentHeader, slots_used), &claimed);
    })
}

#[test]
fn the_files_and_directories_of_one_user_cost_another_nothing() {
    let machine = Machine::start();
    let _load = machine.load(HONEST, false);
    let honest = format!("user=\"{HONEST}\"");
    eventually("the program has a series", || machine.allocations(&[&honest]).pop());
    let peak = peak_bytes(machine.agent_pid());

    let _sparse: Vec<_> = (0..20).map(|number| sparse(&machine, number)).collect();
    // More processes than the metrics name by pid, and more executables than they sum.
    let fakes = (0..300).map(|number| FixtureProcess::new(&format!("/bin/fake-{number}")));
    let _fakes: Vec<_> = fakes.map(|process| machine.forge(HOSTILE, &process, 1)).collect();
    let refused = |what: &str, reason: &str| {
        eventually(&format!("{what} beyond {reason} are counted"), || {
            (machine.refused(what, reason) > 0.0).then_some(())
        });
    };
    // Must come before the directory has more names than the agent looks at.
    refused("executable", "executables");
    for number in 0..2000 {
        let path = machine.shared_memory().join(format!("hakmem-{number}-of-mine"));
        fs::create_dir(&path).expect("can be made");
        own(&path, HOSTILE);
    }
    // Names of segments, in files that never become segments.
    let directory = machine.directory_of(HOSTILE);
    for number in 0..20_000 {
        let path = directory.join(format!("{number}-1-00000000000000ff.hakmem"));
        fs::write(&path, "").expect("can be made");
        own(&path, HOSTILE);
    }

    refused("name", "names");
    refused("directory", "directories");
    let mut last = None;
    for look in 0..5 {
        last = Some(eventually("the honest program's counter goes on", || {
            let [series] = machine.allocations(&[&honest]).try_into().ok()?;
            assert_ne!(series.label("pid"), "", "look {look}: summed because of another's");
            last.as_ref()
                .is_none_or(|last: &super::Series| series.value > last.value)
                .then_some(series)
        }));
    }
    let hostile = machine.allocations(&[&format!("user=\"{HOSTILE}\"")]);
    let with_pid = hostile.iter().filter(|series| !series.label("pid").is_empty()).count();
    assert!(with_pid <= 64, "{with_pid} of theirs have a pid, and the others are summed");
    assert!(watches(machine.agent_pid()) < 32, "{} watches", watches(machine.agent_pid()));
    let took = peak_bytes(machine.agent_pid()).saturating_sub(peak);
    assert!(took < 128 << 20, "the agent took {} MiB more", took >> 20);
}
