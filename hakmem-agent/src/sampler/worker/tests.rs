//! The files of one owner against those of another, in a directory that everybody may write to.

use std::os::unix::fs::chown;
use std::path::Path;

use hakmem_reader::Class;
use hakmem_reader::fixture::bin_of;
use hakmem_reader::fixture::{FixtureProcess, SegmentWriter};

use super::*;
use crate::config::OwnerBudget;

const HOSTILE: u32 = 54_320;
const HONEST: u32 = 54_321;

struct Case {
    directory: tempfile::TempDir,
    worker: Worker,
    commands: std::sync::mpsc::Sender<Command>,
    writers: Vec<SegmentWriter>,
}

impl Case {
    fn new(budget: OwnerBudget) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config =
            AgentConfig { per_owner: budget, ..AgentConfig::for_directory(directory.path()) };
        let (commands, asked) = std::sync::mpsc::channel();
        let bell = Arc::new(Bell::new().unwrap());
        let inputs = Inputs { interests: Arc::default(), bell, commands: asked };
        let (publisher, _) = watch::channel(Arc::new(FleetView::default()));
        let history = Arc::new(History::new(config.history));
        let worker = Worker::new(config, inputs, publisher, history, Arc::default());
        Self { directory, worker, commands, writers: Vec::new() }
    }

    /// A live segment of `owner` with `threads` threads.
    fn segment(&mut self, owner: u32, threads: u32) {
        let process = FixtureProcess::new(&format!("/bin/of-{owner}"));
        let mut writer = SegmentWriter::create_unready(self.directory.path(), &process);
        writer.take_slot(0, "");
        for thread in 0..threads {
            let slot = writer.take_slot(42 + thread, "");
            writer.slot(slot).allocate(bin_of(Class::C7), 1);
        }
        own(writer.path(), owner);
        writer.make_ready();
        self.writers.push(writer);
    }

    fn of(&self, owner: u32) -> Vec<&Arc<ProcessRecord>> {
        self.worker.fleet.processes.values().filter(|record| record.owner() == owner).collect()
    }

    fn refused(&self, refusal: Refusal) -> u64 {
        let all = self.worker.refusals.all();
        all.into_iter().find(|(it, _)| *it == refusal).unwrap().1
    }
}

fn own(path: &Path, owner: u32) {
    chown(path, Some(owner), None).expect("run this test as root: it changes owners");
}

#[test]
fn descriptors_are_shared_out_although_one_user_came_first() {
    let mut case = Case::new(OwnerBudget::default());
    case.worker.open_max = 10;
    (0..30).for_each(|_| case.segment(HOSTILE, 1));
    case.worker.list(true);
    assert_eq!(case.of(HOSTILE).len(), 10);
    (0..3).for_each(|_| case.segment(HONEST, 1));
    case.worker.list(true);
    assert_eq!((case.of(HONEST).len(), case.of(HOSTILE).len()), (3, 7));
    case.worker.list(true);
    assert_eq!((case.of(HONEST).len(), case.of(HOSTILE).len()), (3, 7), "it stays so");
    assert!(case.refused(Refusal::DESCRIPTORS) >= 23);
}

#[test]
fn who_has_spent_the_time_waits_and_others_are_sampled() {
    let mut case = Case::new(OwnerBudget::default());
    (0..20).for_each(|_| case.segment(HOSTILE, 1));
    case.segment(HONEST, 1);
    case.worker.list(true);
    let sampled = |case: &Case, owner| case.of(owner)[0].sample.monotonic_ns;
    let before = [HOSTILE, HONEST].map(|owner| sampled(&case, owner));
    case.worker.accounts.charge(HOSTILE, Duration::from_secs(3600));
    case.worker.round(1000);
    let after = [HOSTILE, HONEST].map(|owner| sampled(&case, owner));
    assert_eq!(before[0], after[0]);
    assert!(before[1] < after[1]);
    assert_eq!(case.refused(Refusal::LATE_SAMPLE), 20);
}

#[test]
fn a_process_that_takes_more_memory_than_its_owner_has_is_left_out() {
    let budget = OwnerBudget { sample_bytes: 64 << 10, ..OwnerBudget::default() };
    let mut case = Case::new(budget);
    case.segment(HOSTILE, 200);
    case.segment(HONEST, 2);
    case.worker.list(true);
    assert_eq!((case.of(HOSTILE).len(), case.of(HONEST).len()), (0, 1));
    assert_eq!(case.refused(Refusal::MEMORY), 1);
    // Files that exceed the budget together are left out too, but not those within it.
    (0..50).for_each(|_| case.segment(HOSTILE, 2));
    case.worker.list(true);
    let kept = case.of(HOSTILE).len();
    assert!((1..50).contains(&kept), "{kept}");
    let bytes = case.worker.accounts.of(HOSTILE).sample_bytes;
    assert!((1..=64 << 10).contains(&bytes), "{bytes}");
}

#[test]
fn processes_of_one_owner_are_bounded() {
    let mut case = Case::new(OwnerBudget { processes: 5, ..OwnerBudget::default() });
    (0..20).for_each(|_| case.segment(HOSTILE, 1));
    case.segment(HONEST, 1);
    case.worker.list(true);
    assert_eq!((case.of(HOSTILE).len(), case.of(HONEST).len()), (5, 1));
    assert_eq!(case.refused(Refusal::PROCESSES), 15);
    // A process that is gone makes room.
    case.writers.truncate(1);
    for path in std::fs::read_dir(case.directory.path()).unwrap().flatten() {
        std::fs::remove_file(path.path()).unwrap();
    }
    case.worker.round(1000);
    case.worker.list(true);
    (0..7).for_each(|_| case.segment(HOSTILE, 1));
    case.worker.list(true);
    assert_eq!(case.of(HOSTILE).len(), 5);
}

#[test]
fn requests_that_come_together_share_a_sample() {
    let mut case = Case::new(OwnerBudget::default());
    case.segment(HONEST, 1);
    case.worker.list(true);
    let key = Arc::clone(&case.of(HONEST)[0].key);
    let before = case.of(HONEST)[0].sample.monotonic_ns;
    let mut answers = Vec::new();
    for _ in 0..1000 {
        let (reply, answer) = oneshot::channel();
        answers.push(answer);
        case.commands.send(Command::SampleNow { key: Arc::clone(&key), reply }).unwrap();
    }
    assert!(case.worker.answer() == Next::Go);
    let mut told: Vec<_> =
        answers.iter_mut().filter_map(|answer| answer.try_recv().ok().flatten()).collect();
    assert!(told.iter().all(|record| record.sample.monotonic_ns > before));
    told.dedup_by(|a, b| Arc::ptr_eq(a, b));
    assert_eq!(told.len(), 1);
}

#[test]
fn many_bad_files_of_one_user_make_a_few_lines_and_are_counted() {
    let mut case = Case::new(OwnerBudget { log_lines: 3, ..OwnerBudget::default() });
    for number in 0..20 {
        let path = case.directory.path().join(format!("{number}-1-0000000000000001.hakmem"));
        std::fs::write(&path, vec![0xa5; 9000]).unwrap();
        own(&path, HOSTILE);
    }
    case.worker.list(true);
    assert_eq!(case.refused(Refusal::LOG_LINE), 17);
    assert_eq!(case.worker.fleet.health.unreadable_segments, 20);
    case.worker.list(true);
    assert_eq!(case.worker.fleet.health.unreadable_segments, 20, "each is refused once");
}

#[test]
fn the_large_segments_of_one_user_are_read_in_slices_and_others_are_sampled_every_round() {
    const SLICE: Duration = Duration::from_millis(1);
    let budget = OwnerBudget {
        round: SLICE,
        processor_share: 1.0,
        burst: Duration::from_secs(60),
        ..OwnerBudget::default()
    };
    let mut case = Case::new(budget);
    (0..2).for_each(|_| case.segment(HOSTILE, 3000));
    case.segment(HONEST, 1);
    case.worker.list(true);
    assert_eq!((case.of(HOSTILE).len(), case.of(HONEST).len()), (0, 1));
    let (mut rounds, mut slow) = (0, 0);
    while case.of(HOSTILE).len() < 2 {
        rounds += 1;
        let before = case.of(HONEST)[0].sample.monotonic_ns;
        let meter = crate::accounts::Meter::begin();
        case.worker.round(rounds * 1000);
        slow += u64::from(meter.took() >= 20 * SLICE);
        assert!(case.of(HONEST)[0].sample.monotonic_ns > before, "round {rounds}");
        assert!(rounds < 1000, "the segments are never read whole");
    }
    assert!(case.refused(Refusal::PART_SAMPLE) >= 5);
    // A guest of a busy host is charged for time that it did not get, now and then.
    assert!(slow <= 1 + rounds / 10, "{slow} of {rounds} rounds were long");
    let sums = case.of(HOSTILE).iter().map(|it| it.sample.threads_alive()).collect::<Vec<_>>();
    assert_eq!(sums, [3000, 3000]);
}
