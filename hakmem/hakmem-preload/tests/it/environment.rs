//! Settings, directories and limits: whatever is wrong with them, the program continues, and one
//! line says what is wrong.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::Command;

use hakmem_reader::{Class, CleanText, Outcome, ProcessState};

use crate::compiled;
use crate::loaded::{Finished, Loaded, records, segments_directory};

fn in_directory(directory: &Path) -> Finished {
    Loaded::new("allocate.c").env("HAKMEM_DIR", directory).run()
}

/// Fails unless the program ran as usual and printed one line that says `text`.
fn check_refused(directory: &Path, text: &str) {
    let finished = in_directory(directory);
    finished.assert_one_line(7, text);
    assert_eq!(finished.stdout, "done\n");
    assert!(finished.stderr.contains("telemetry is off"), "{}", finished.stderr);
    assert!(records(directory).is_empty());
}

/// Runs a shell script, in which `$RUN` runs a program under the library; `$OUT` is the directory
/// of the result.
pub(crate) fn shell(script: &str, program: &str) -> Finished {
    Loaded::of(Path::new("/bin/sh"))
        .env("LD_PRELOAD", "")
        .env("PROGRAM", compiled::program(program))
        .env("LIBRARY", hakmem_built::preload_library_of_tests())
        .arg("-c")
        .arg(format!("OUT=$HAKMEM_DIR; RUN='env LD_PRELOAD='$LIBRARY; {script}"))
        .run()
}

#[test]
fn a_directory_whose_parent_is_missing_turns_telemetry_off() {
    let parent = segments_directory();
    check_refused(&parent.path().join("missing/child"), "cannot open the directory");
}

#[test]
fn a_missing_directory_is_made_for_its_owner_only() {
    let parent = segments_directory();
    let directory = parent.path().join("new");
    in_directory(&directory).assert_silent(7);
    let mode = fs::metadata(&directory).expect("it was made").permissions().mode();
    assert_eq!(mode & 0o7777, 0o700);
    let file = fs::read_dir(&directory).expect("readable").next().expect("a segment");
    let mode = file.and_then(|file| file.metadata()).expect("readable").permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    assert_eq!(records(&directory).len(), 1);
}

#[test]
fn a_file_or_a_link_in_place_of_the_directory_turns_telemetry_off() {
    let parent = segments_directory();
    let file = parent.path().join("file");
    fs::write(&file, "precious").expect("can be written");
    check_refused(&file, "cannot open the directory");
    assert_eq!(fs::read(&file).expect("is there"), b"precious");
    let (target, link) = (parent.path().join("target"), parent.path().join("link"));
    fs::create_dir(&target).expect("can be made");
    symlink(&target, &link).expect("can be made");
    check_refused(&link, "cannot open the directory");
    assert!(fs::read_dir(&target).expect("readable").next().is_none(), "no link is followed");
}

#[test]
fn a_directory_that_others_may_write_to_turns_telemetry_off() {
    let directory = segments_directory();
    for mode in [0o777, 0o770, 0o702] {
        fs::set_permissions(directory.path(), Permissions::from_mode(mode)).expect("own");
        check_refused(directory.path(), "make it mode 0700");
    }
    // A sticky directory of the user's own will do: others cannot remove or replace files in it.
    fs::set_permissions(directory.path(), Permissions::from_mode(0o1777)).expect("own");
    in_directory(directory.path()).assert_silent(7);
    assert_eq!(records(directory.path()).len(), 1);
}

#[test]
fn a_directory_of_another_user_turns_telemetry_off() {
    const NOBODY: u32 = 65534;
    let directory = segments_directory();
    chown(directory.path(), Some(NOBODY), None).expect("run this test as root: it changes owners");
    check_refused(directory.path(), "belongs to another user");
}

#[test]
fn a_directory_on_another_file_system_turns_telemetry_off() {
    check_refused(Path::new("/proc/sys"), "is not on tmpfs");
}

/// Runs the program with a private tmpfs of these options at `$HAKMEM_DIR`; its segments are copied
/// to where the test can read them.
fn on_private_tmpfs(options: &str) -> Finished {
    let script = "copy=$(mktemp -d /dev/shm/hakmem-test-copy-XXXXXX); \
        unshare -m sh -c \"mount -t tmpfs -o $OPTIONS none $OUT || exit 99; \
            $RUN $PROGRAM; code=\\$?; cp $OUT/*.hakmem $copy 2>/dev/null; exit \\$code\"; \
        code=$?; mv $copy/* $OUT 2>/dev/null; rmdir $copy; exit $code";
    let finished = shell(&format!("OPTIONS={options}; {script}"), "allocate.c");
    assert_ne!(finished.status.code(), Some(99), "run this test as root: it mounts a tmpfs");
    finished
}

#[test]
fn a_read_only_directory_turns_telemetry_off() {
    let finished = on_private_tmpfs("ro,mode=700");
    finished.assert_one_line(7, "a file in");
    assert_eq!(finished.stdout, "done\n");
}

#[test]
fn a_full_directory_turns_telemetry_off() {
    let finished = on_private_tmpfs("size=16k,mode=700");
    finished.assert_one_line(7, "no space for a file");
    assert_eq!(finished.stdout, "done\n");
    assert!(finished.records().is_empty(), "nothing half made is left");
}

#[test]
fn a_directory_that_fills_up_leaves_later_threads_unpublished() {
    // Room for the header and three slots of the 21 that are wanted.
    let finished = on_private_tmpfs("size=124k,mode=700");
    assert_eq!(finished.status.code(), Some(7), "{}", finished.stderr);
    assert!(finished.stderr.lines().count() <= 1, "{}", finished.stderr);
    let record = finished.record();
    record.assert_sound();
    assert_eq!(record.state, ProcessState::Exited);
    assert!(record.sample.process.threads_unpublished_total > 0, "it says that counts are missing");
    assert!(record.sample.process.slots_used >= 2);
}

#[test]
fn a_limit_on_file_sizes_turns_telemetry_off() {
    let finished = shell("ulimit -f 0; exec $RUN $PROGRAM", "allocate.c");
    finished.assert_one_line(7, "telemetry is off");
    assert!(finished.records().is_empty(), "nothing half made is left");
    // Room for the header and the first slots, in units of 512 or 1024 bytes, but not for 21.
    let finished = shell("ulimit -f 700; exec $RUN $PROGRAM", "allocate.c");
    assert_eq!(finished.status.code(), Some(7), "{:?} {}", finished.status, finished.stderr);
    assert!(finished.stderr.lines().count() <= 1, "{}", finished.stderr);
}

#[test]
fn telemetry_can_be_turned_off() {
    let finished = Loaded::new("allocate.c").env("HAKMEM_TELEMETRY", "off").run();
    finished.assert_silent(7);
    assert!(finished.records().is_empty());
}

#[test]
fn bad_settings_are_named_once_and_defaults_are_used() {
    let check = |name: &str, value: &str, text: &str| {
        let finished = Loaded::new("allocate.c").env(name, value).run();
        finished.assert_one_line(7, text);
        assert_eq!(finished.records().len(), 1, "{name}={value}");
    };
    check("HAKMEM_TELEMETRY", "maybe", "HAKMEM_TELEMETRY=maybe is not on or off; using on");
    check("HAKMEM_ROUTING", "e4", "HAKMEM_ROUTING=e4 is not");
    check("HAKMEM_COLOUR", "red", "HAKMEM_COLOUR is not a setting");
    check("HAKMEM_LABELS", &"k=v,".repeat(200), "HAKMEM_LABELS is longer than 511 bytes");
    check("HAKMEM_TELEMETRY", "\x1b[31m", "(unprintable)");
}

/// Debian's `redis-server` is a link to `redis-check-rdb`.
#[test]
fn a_program_behind_a_link_is_published_under_both_names() {
    let directory = segments_directory();
    let link = directory.path().join("known-by-this-long-name");
    symlink(compiled::program("allocate.c"), &link).expect("can be made");
    let finished = Loaded::of(&link).run();
    finished.assert_silent(7);
    let identity = finished.record().identity;
    assert_eq!(identity.command_name, "known-by-this-long-name");
    assert_eq!(identity.name(), identity.command_name.as_str());
    assert_eq!(identity.executable_name(), "allocate");
}

#[test]
fn a_child_is_called_as_its_parent_whatever_thread_forked_it() {
    let finished = Loaded::of(Path::new("/usr/bin/python3"))
        .arg("-c")
        .arg(
            "import ctypes, os; ctypes.CDLL(None).prctl(15, b'worker'); pid = os.fork(); \
             x = [b'x' * n for n in range(1000)]; pid and os.waitpid(pid, 0)",
        )
        .run_well();
    let records = finished.records();
    assert_eq!(records.len(), 2);
    assert!(records.iter().all(|record| record.identity.command_name == "python3"));
}

#[test]
fn labels_are_published() {
    let finished = Loaded::new("allocate.c").env("HAKMEM_LABELS", "service=x,version=7").run();
    finished.assert_silent(7);
    let labels = finished.record().identity.labels;
    assert_eq!(labels.get("service").map(CleanText::as_str), Some("x"));
    assert_eq!(labels.get("version").map(CleanText::as_str), Some("7"));
}

#[test]
fn scarce_address_space_is_enough() {
    for kib in [524_288, 131_072, 65_536] {
        let finished = shell(&format!("ulimit -v {kib}; exec $RUN $PROGRAM"), "allocate.c");
        // 20 threads need stacks of 8 MiB each, more than the smallest limit allows.
        if kib > 200_000 {
            finished.assert_silent(7);
            finished.record().assert_sound();
        }
        let finished = shell(&format!("ulimit -v {kib}; exec $RUN $PROGRAM"), "exhaust.c");
        finished.assert_silent(7);
        let record = finished.record();
        record.assert_sound();
        let failed: u64 =
            Class::ALL.iter().map(|&class| record.class(class).failed_allocations()).sum();
        assert_eq!(failed, 9, "each exhaustion is counted once");
        for mib in finished.stdout.lines() {
            let mib: u64 = mib.parse().expect("a number");
            assert!(mib * 1024 > kib / 4, "of {kib} KiB only {mib} MiB could be had");
        }
    }
}

/// The class map is small then, and ends below addresses that a foreign pointer may have.
#[test]
fn scarce_address_space_leaves_frees_fast_and_exact() {
    let finished = shell("ulimit -v 524288; exec $RUN $PROGRAM", "hover.c");
    finished.assert_silent(0);
    let record = finished.record();
    record.assert_sound();
    let c5 = record.class(Class::C5);
    assert!(c5.frees >= 350_000);
    assert!(c5.outcomes_fast[Outcome::Map as usize] > c5.frees / 100 * 98, "{c5:?}");
    let finished = shell("ulimit -v 524288; exec $RUN $PROGRAM", "foreign.c");
    finished.assert_lines(0, 3, "not a pointer that hakmem returned");
    let none = finished.record().class(Class::None);
    assert_eq!(none.outcomes[Outcome::Foreign as usize], 41);
}

#[test]
fn closed_standard_streams_do_no_harm() {
    let closings = ["<&-", ">&-", "2>&-", "<&- >&- 2>&-", "<&- 2>&-"];
    for closing in closings {
        let finished = shell(&format!("exec $RUN $PROGRAM {closing}"), "allocate.c");
        assert_eq!(finished.status.code(), Some(7), "{closing}: {}", finished.stderr);
        finished.record().assert_sound();
        // With a line to print and no standard error to print it to, no other file may receive the
        // text.
        let script = format!("export HAKMEM_COLOUR=red; exec $RUN $PROGRAM {closing}");
        let finished = shell(&script, "allocate.c");
        assert_eq!(finished.status.code(), Some(7), "{closing}: {}", finished.stderr);
        assert!(!finished.stdout.contains("hakmem"), "{closing}: {}", finished.stdout);
        finished.record().assert_sound();
    }
}

#[test]
fn a_program_that_closes_all_descriptors_stays_visible() {
    let mut running = Loaded::new("closer.c").with_stdin().start();
    running.wait_for_mark();
    assert_eq!(records(running.directory())[0].state, ProcessState::Running);
    drop(running.child.stdin.take());
    let finished = running.finish();
    finished.assert_silent(7);
    let record = finished.record();
    record.assert_sound();
    assert_eq!(record.state, ProcessState::Exited);
    assert_eq!(record.sample.process.threads_unpublished_total, 0);
}

#[test]
fn a_program_whose_directory_is_removed_runs_on() {
    let mut running = Loaded::new("closer.c").with_stdin().start();
    running.wait_for_mark();
    let output = Command::new("rm").arg("-r").arg(running.directory()).output().expect("rm runs");
    assert!(output.status.success());
    // The test's own directory must exist again, because it is removed at the end.
    fs::create_dir(running.directory()).expect("can be made");
    drop(running.child.stdin.take());
    let finished = running.finish();
    assert_eq!(finished.status.code(), Some(7), "{}", finished.stderr);
    assert!(finished.stderr.lines().count() <= 1, "{}", finished.stderr);
}

#[test]
fn lists_are_bounded_by_what_is_asked_for() {
    for (setting, capacity) in [("", 2047), ("131072", 2047), ("8192", 128), ("1024", 16)] {
        let loaded = Loaded::new("long_lists.c").env("HAKMEM_LIST_BYTES", setting);
        let record = loaded.run_well().record();
        record.assert_sound();
        // List and spare of the main thread's bin of 64 bytes, and those of the class's other bin,
        // at its first capacity of 32.
        let other = 2 * 32.min(capacity.max(21));
        let found = record.class(Class::C3).capacity_blocks;
        assert_eq!(found, 2 * capacity + other, "HAKMEM_LIST_BYTES={setting}");
        let asked = setting.parse().unwrap_or(131_072);
        assert_eq!(record.identity.list_bytes_max, asked);
    }
}
