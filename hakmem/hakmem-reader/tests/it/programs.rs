//! Reads segments of real programs under the preload library.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use hakmem_reader::liveness::{Host, effective_state};
use hakmem_reader::{ProcessState, Sample, Segment, directory};

/// Number of snapshots of eight busy threads, all of which must be consistent.
const SNAPSHOTS: u32 = 100_000;
/// One torn snapshot in this many is tolerated: eight threads on few cores are often preempted
/// inside a slow path, and the reader waits 2 ms at most. A torn snapshot repeats the slot's last
/// copy, so it must be as consistent as the others.
const TORN_SHARE: u32 = 10;
/// Number of programs that are killed at random moments.
const KILLS: u64 = 50;

/// The preload library and the program to run under it, built like this test.
struct Built {
    library: PathBuf,
    churn: PathBuf,
}

fn built() -> &'static Built {
    static BUILT: OnceLock<Built> = OnceLock::new();
    BUILT.get_or_init(|| {
        // The path of the test is `<target directory>/<profile>/deps/<test>`.
        let test = std::env::current_exe().unwrap();
        let profile_directory = test.ancestors().nth(2).unwrap();
        let profile = match profile_directory.file_name().unwrap().to_str().unwrap() {
            "debug" => "dev",
            other => other,
        };
        for what in [&["-p", "hakmem-preload"][..], &["-p", "hakmem-reader", "--example", "churn"]]
        {
            let status = Command::new(env!("CARGO"))
                .args(["build", "--quiet", "--profile", profile, "--target-dir"])
                .arg(profile_directory.parent().unwrap())
                .args(what)
                .current_dir(env!("CARGO_MANIFEST_DIR"))
                .status()
                .unwrap();
            assert!(status.success(), "cannot build {what:?}");
        }
        let built = Built {
            library: profile_directory.join("libhakmem_preload.so"),
            churn: profile_directory.join("examples/churn"),
        };
        assert!(built.library.exists() && built.churn.exists());
        built
    })
}

/// A program that runs under the library; it is killed when the test ends.
struct Program {
    child: Child,
    directory: tempfile::TempDir,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(program: &Path, arguments: &[&str]) -> Program {
    start_with(program, arguments, &[])
}

fn start_with(program: &Path, arguments: &[&str], settings: &[(&str, &str)]) -> Program {
    // The allocator publishes on tmpfs only.
    let directory = tempfile::tempdir_in("/dev/shm").unwrap();
    let child = Command::new(program)
        .args(arguments)
        .envs(settings.iter().copied())
        .env("LD_PRELOAD", &built().library)
        .env("HAKMEM_DIR", directory.path())
        .env_remove("HAKMEM_TELEMETRY")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    Program { child, directory }
}

impl Program {
    fn wait_until_ready(&mut self) {
        let mut line = String::new();
        BufReader::new(self.child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
    }

    /// The segments of the program, oldest first, once there are `count` ready ones.
    fn segments(&self, count: usize) -> Vec<Segment> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let paths = directory::scan(self.directory.path()).unwrap().paths;
            let opened = paths.iter().filter_map(|path| Segment::open(path).ok());
            let mut segments = opened.collect::<Vec<_>>();
            if segments.len() >= count {
                segments.sort_by_key(|segment| segment.identity().created_monotonic_ns);
                return segments;
            }
            assert!(Instant::now() < deadline, "no {count} segments in time");
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn segment(&self) -> Segment {
        self.segments(1).remove(0)
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn allocations(sample: &Sample) -> u64 {
    sample.classes().iter().map(|class| class.allocations).sum()
}

fn check(sample: &Sample, before: &Sample) {
    sample.check_identity().unwrap();
    sample.check_conservation().unwrap();
    sample.check_not_fallen(before).unwrap();
}

#[test]
fn every_snapshot_of_eight_busy_threads_is_consistent() {
    let mut program = start(&built().churn, &["8"]);
    program.wait_until_ready();
    let mut segment = program.segment();
    let mut before = segment.sample().unwrap();
    let first = allocations(&before);
    let (mut torn, mut wrong) = (0, 0);
    let begun = Instant::now();
    for number in 0..SNAPSHOTS {
        let sample = segment.sample().unwrap();
        check(&sample, &before);
        torn += u32::from(sample.is_torn());
        // The sums cost more than the sample, so only every tenth sample is summed.
        if number % 10 == 0 {
            let classes = sample.classes();
            wrong += classes.iter().map(|class| class.identity_violations).sum::<u64>();
            for (class, before) in classes.iter().zip(&before.classes()) {
                assert_eq!(class.frees, class.outcomes.iter().sum::<u64>());
                let pairs = class.outcomes.iter().zip(&before.outcomes);
                assert!(pairs.into_iter().all(|(now, then)| now >= then), "an outcome fell");
            }
        }
        before = sample;
    }
    println!("{SNAPSHOTS} snapshots in {:?}, {torn} of them torn", begun.elapsed());
    assert_eq!(wrong, 0);
    assert!(allocations(&before) > first, "nothing was allocated meanwhile");
    assert!(before.threads_alive() >= 8);
    assert!(torn < SNAPSHOTS / TORN_SHARE, "{torn} snapshots were torn");
    assert!(segment.is_writer_alive());
}

/// Every call is slow, so no two reads find the slot unchanged.
#[test]
fn threads_in_nothing_but_slow_paths_are_seen_all_the_same() {
    let settings = [("HAKMEM_CHECK", "full"), ("HAKMEM_ROUTING", "hybrid")];
    let mut program = start_with(&built().churn, &["2"], &settings);
    program.wait_until_ready();
    let mut segment = program.segment();
    let mut before = segment.sample().unwrap();
    let first = allocations(&before);
    let mut torn = 0;
    const SAMPLES: u32 = 1000;
    for _ in 0..SAMPLES {
        thread::sleep(Duration::from_millis(1));
        let sample = segment.sample().unwrap();
        check(&sample, &before);
        torn += u32::from(sample.is_torn());
        before = sample;
    }
    println!("{torn} of {SAMPLES} samples torn");
    assert!(torn < SAMPLES / TORN_SHARE, "{torn} samples were torn");
    assert!(allocations(&before) > first, "nothing was seen to be allocated");
    let classes = before.classes();
    let c7 = &classes[hakmem_reader::Class::C7 as usize];
    assert!(c7.frees > 0 && c7.frees_fast == 0, "{c7:?}");
    program.kill();
    let last = segment.sample().unwrap();
    last.check_not_fallen(&before).unwrap();
}

#[test]
fn a_program_killed_at_any_moment_leaves_its_last_counts() {
    let mut random = Instant::now().elapsed().as_nanos() as u64 ^ u64::from(std::process::id());
    let mut torn = 0;
    for _ in 0..KILLS {
        let mut program = start(&built().churn, &["4"]);
        program.wait_until_ready();
        let mut segment = program.segment();
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        thread::sleep(Duration::from_micros(random >> 33 & 0x7fff));
        let before = segment.sample().unwrap();
        program.kill();
        assert!(!segment.is_writer_alive());
        let after = segment.sample().unwrap();
        after.check_not_fallen(&before).unwrap();
        let mut late = program.segment();
        let alone = late.sample().unwrap();
        assert!(allocations(&after) >= allocations(&before));
        assert!(allocations(&alone) > 0);
        if alone.is_torn() {
            torn += 1;
        } else {
            check(&alone, &before);
            assert_eq!(allocations(&alone), allocations(&after));
        }
        assert_eq!(state(&late, &alone, &[]), ProcessState::Ended);
    }
    println!("{torn} of {KILLS} programs were killed in a slow path");
}

fn state(segment: &Segment, sample: &Sample, others: &[&Segment]) -> ProcessState {
    let others = others.iter().map(|other| other.identity());
    let alive = segment.is_writer_alive();
    effective_state(segment.identity(), alive, &sample.process, None, others, &Host::current())
}

#[test]
fn a_program_that_ends_and_one_that_does_exec_are_told_apart() {
    let mut program = start(Path::new("/bin/sh"), &["-c", "exit 7"]);
    program.child.wait().unwrap();
    let mut segment = program.segment();
    let sample = segment.sample().unwrap();
    assert_eq!(state(&segment, &sample, &[]), ProcessState::Exited);
    assert_eq!(sample.process.exit_code, Some(7));
    assert_eq!(segment.identity().arguments, ["/bin/sh", "-c", "exit 7"]);

    let program = start(Path::new("/bin/sh"), &["-c", "exec sleep 60"]);
    let mut segments = program.segments(2);
    let (mut later, mut earlier) = (segments.pop().unwrap(), segments.pop().unwrap());
    let (first, second) = (earlier.sample().unwrap(), later.sample().unwrap());
    assert_eq!(state(&earlier, &first, &[&later]), ProcessState::Replaced);
    assert_eq!(state(&earlier, &first, &[]), ProcessState::Replaced);
    assert_eq!(state(&later, &second, &[&earlier]), ProcessState::Running);
}

/// Kills the process, if it still runs, when the test ends.
struct Orphan(u32);

impl Drop for Orphan {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_raw(self.0.cast_signed());
        let _ = pid.map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::KILL));
    }
}

#[test]
fn a_forked_child_lives_on_in_its_own_segment_when_its_parent_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let gate = directory.path().join("gate");
    rustix::fs::mknodat(rustix::fs::CWD, &gate, rustix::fs::FileType::Fifo, 0o600.into(), 0)
        .unwrap();
    let script = r#"(read line < "$0"; exit 3) & read line; kill -9 $$"#;
    let mut program = start(Path::new("/bin/sh"), &["-c", script, gate.to_str().unwrap()]);
    let mut segments = program.segments(2);
    let (mut child, mut parent) = (segments.pop().unwrap(), segments.pop().unwrap());
    let _orphan = Orphan(child.identity().pid);
    program.child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    program.child.wait().unwrap();
    assert_eq!(child.identity().parent_pid, parent.identity().pid);
    assert_eq!([parent.identity().forked, child.identity().forked], [false, true]);
    let (last, first) = (parent.sample().unwrap(), child.sample().unwrap());
    assert_eq!(state(&parent, &last, &[&child]), ProcessState::Ended);
    assert_eq!(state(&child, &first, &[&parent]), ProcessState::Running);
    first.check_identity().unwrap();
    // The child did not allocate the blocks that it began with: they are inherited, and still live.
    let total = |sample: &Sample, of: fn(&hakmem_reader::ClassTotals) -> u64| {
        sample.classes().iter().map(of).sum::<u64>()
    };
    assert!(total(&first, |class| class.inherited_blocks) > 0);
    assert!(allocations(&first) < allocations(&last), "the child counts its parent's");
    let negative = first.classes().iter().any(|class| class.live_blocks < 0);
    assert!(!negative, "the child freed what it never had: {:?}", first.classes());

    std::fs::write(&gate, "go\n").unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while child.is_writer_alive() {
        assert!(Instant::now() < deadline, "the child does not end");
        thread::sleep(Duration::from_millis(1));
    }
    let ended = child.sample().unwrap();
    ended.check_not_fallen(&first).unwrap();
    assert_eq!(state(&child, &ended, &[&parent]), ProcessState::Exited);
    assert_eq!(ended.process.exit_code, Some(3));
    assert_eq!(allocations(&parent.sample().unwrap()), allocations(&last));
}
