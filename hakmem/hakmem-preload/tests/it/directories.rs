//! Directories of segments: a small file system is shared with others, and a directory that another
//! user made first is replaced.
//!
//! These tests need root: they mount file systems, in a namespace of their own, and change users.

use std::fs;
use std::path::Path;

use crate::compiled;
use crate::loaded::{Finished, Loaded, records, segments_directory};

/// Runs a shell script with mounts of its own. Any user can run `$PROGRAM` and `$LIBRARY`; `$OUT`
/// is the directory of the result.
fn with_own_mounts(script: &str, program: &str) -> Finished {
    let setup = "set -e; tools=$(mktemp -d /tmp/hakmem-test-XXXXXX); chmod 755 $tools; \
        mkdir $tools/out; mount --bind $HAKMEM_DIR $tools/out || exit 99; OUT=$tools/out; \
        cp $FROM_PROGRAM $FROM_LIBRARY $tools; chmod 755 $tools/*.so; \
        PROGRAM=$tools/$(basename $FROM_PROGRAM); LIBRARY=$tools/$(basename $FROM_LIBRARY); set +e;";
    let teardown = "; code=$?; umount $OUT; rm -r $tools; exit $code";
    let finished = Loaded::of(Path::new("/usr/bin/unshare"))
        .env("LD_PRELOAD", "")
        .env("FROM_PROGRAM", compiled::program(program))
        .env("FROM_LIBRARY", hakmem_built::preload_library_of_tests())
        .arg("-m")
        .arg("/bin/sh")
        .arg("-c")
        .arg(format!("{setup} ({script}) {teardown}"))
        .run();
    let refused =
        [Some(99), Some(1)].contains(&finished.status.code()) && finished.stderr.contains("ermi");
    assert!(!refused, "run this test as root: {}", finished.stderr);
    finished
}

/// Mounts a file system of 4 MiB at `$SMALL`, and lets programs publish there.
const SMALL: &str = "SMALL=$tools/small; mkdir $SMALL; \
    mount -t tmpfs -o size=4m,mode=700 none $SMALL || exit 99; \
    run() { env HAKMEM_DIR=$SMALL LD_PRELOAD=$LIBRARY \"$@\"; };";

#[test]
fn thousands_of_short_programs_leave_a_share_of_a_small_file_system_free() {
    // 4 MiB have room for 93 segments.
    let script = format!(
        "{SMALL} env HAKMEM_DIR=$SMALL LD_PRELOAD=$LIBRARY sleep 1000 & sleeper=$!; \
        i=0; least=100; \
        while [ $i -lt 2000 ]; do \
            run true || exit 3; i=$((i + 1)); \
            if [ $((i % 20)) = 0 ]; then \
                percent=$(($(stat -f -c '%a * 100 / %b' $SMALL))); \
                [ $percent -ge $least ] || least=$percent; \
            fi; \
        done; echo $least; ls $SMALL | grep -c . ; \
        ls $SMALL | grep -c \"^$sleeper-\"; kill $sleeper; wait; umount $SMALL"
    );
    let finished = with_own_mounts(&script, "allocate.c");
    finished.assert_silent(0);
    let numbers: Vec<u64> = finished.stdout.lines().map(|it| it.parse().expect("number")).collect();
    let [least_percent, segments, of_living] = numbers[..] else { panic!("{numbers:?}") };
    assert!(least_percent >= 25, "{least_percent} % were left");
    assert!(segments > 4, "{segments} segments are kept: what died last can be looked at");
    assert_eq!(of_living, 1, "the segment of a running program stays");
}

#[test]
fn programs_with_many_threads_leave_a_share_of_a_small_file_system_free() {
    // Each of them would fill the file system alone, and the last are published like the first.
    let script = format!(
        "{SMALL} i=0; while [ $i -lt 20 ]; do run $PROGRAM 150 || exit 3; i=$((i + 1)); \
            percent=$(($(stat -f -c '%a * 100 / %b' $SMALL))); \
            [ $percent -ge 25 ] || echo $percent; \
        done; cp $(ls -t $SMALL/* | head -n 1) $OUT; umount $SMALL"
    );
    let finished = with_own_mounts(&script, "crowd.c");
    finished.assert_silent(0);
    assert_eq!(finished.stdout, "", "percentages that are too small");
    let record = finished.record();
    record.assert_sound();
    assert!(record.sample.process.slots_used >= 16, "{}", record.sample.process.slots_used);
    assert!(record.sample.process.threads_unpublished_total > 0, "the rest is counted");
}

#[test]
fn a_user_whose_directory_somebody_else_has_gets_another() {
    const USER: u32 = 54_321;
    let ways = [
        "mkdir $USUAL; chown 65534 $USUAL; chmod 700 $USUAL",
        "mkdir $USUAL; chown 65534 $USUAL; chmod 755 $USUAL",
        "mkdir $USUAL; chmod 755 $USUAL",
        "ln -s /tmp $USUAL",
        "echo precious > $USUAL",
    ];
    for way in ways {
        let script = format!(
            "mount -t tmpfs -o mode=1777 none /dev/shm || exit 99; USUAL=/dev/shm/hakmem-{USER}; \
            mkdir $USUAL-0123456789abcdef; chown 65534 $USUAL-0123456789abcdef; {way}; \
            for i in 1 2 3; do setpriv --reuid={USER} --regid={USER} --clear-groups \
                env -u HAKMEM_DIR LD_PRELOAD=$LIBRARY $PROGRAM || [ $? = 7 ] || exit 3; done; \
            ls /dev/shm | grep -c . ; stat -c '%u %a' /dev/shm/hakmem-{USER}-* | sort -u; \
            cp /dev/shm/*/*.hakmem $OUT; umount /dev/shm"
        );
        let finished = with_own_mounts(&script, "allocate.c");
        finished.assert_silent(0);
        // The usual directory, another user's with a similar name, and the one that three programs
        // share.
        let listing = "done\ndone\ndone\n3\n54321 700\n65534 755\n";
        assert_eq!(finished.stdout, listing, "{way}");
        let records = finished.records();
        assert_eq!(records.len(), 3, "{way}");
        assert!(records.iter().all(|record| record.identity.user_id == USER), "{way}");
    }
}

#[test]
fn a_directory_that_was_asked_for_is_replaced_by_no_other() {
    let directory = segments_directory();
    let file = directory.path().join("file");
    fs::write(&file, "precious").expect("can be written");
    let finished = Loaded::new("allocate.c").env("HAKMEM_DIR", &file).run();
    finished.assert_one_line(7, "cannot open the directory");
    assert!(records(directory.path()).is_empty());
}
