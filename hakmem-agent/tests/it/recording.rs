//! The agent's own recordings are complete and bounded, and harm nobody.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hakmem_agent::config::RecordingConfig;
use hakmem_reader::Class;
use hakmem_reader::fixture::{FixtureProcess, SegmentWriter, bin_of};
use hakmem_recording::{DamageKind, Recording, Window};

use crate::fleet::{Fleet, allocations, eventually, program};

fn config(directory: &Path, bytes_max: u64) -> RecordingConfig {
    RecordingConfig {
        interval: Duration::from_millis(20),
        ..RecordingConfig::new(directory, bytes_max)
    }
}

async fn recording_fleet(config: RecordingConfig) -> Fleet {
    Fleet::start_with(|agent| {
        agent.watched_interval = Duration::from_millis(10);
        agent.idle_interval = Duration::from_millis(20);
        agent.recording = Some(config);
    })
    .await
}

/// The recordings, oldest first.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.sort();
    files
}

async fn metric(fleet: &Fleet, name: &str) -> u64 {
    let (_, page) = fleet.http("/metrics", "*/*").await;
    let line = page.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.unwrap_or_else(|| panic!("{name} is missing")).parse().unwrap()
}

fn work(writer: &mut SegmentWriter, blocks: u64) {
    writer.slot(1).allocate(bin_of(Class::C7), blocks);
}

#[tokio::test]
async fn what_happens_is_in_the_file_and_the_file_is_closed_at_the_end() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("made/by/the/agent");
    let fleet = recording_fleet(config(&directory, 1 << 20)).await;
    let mut writer = program(fleet.path(), "recorded", 1);
    eventually(async || {
        work(&mut writer, 1);
        let path = files(&directory).pop()?;
        let recording = Recording::open(&path).ok()?;
        assert!(!recording.is_complete());
        // The file is read while it is written, so the last block may not be whole.
        assert!(recording.damage().iter().all(|it| it.kind == DamageKind::CutOff));
        let series = recording.series(Window::ALL, |_| true);
        (series.first()?.samples.len() > 10).then_some(())
    })
    .await;
    work(&mut writer, 100);
    let key = fleet.key_of("recorded").await;
    let total = allocations(&fleet.get(&key).await, "C7");
    assert!(metric(&fleet, "hakmem_agent_recording_bytes_total").await > 500);
    assert_eq!(metric(&fleet, "hakmem_agent_recording_errors_total").await, 0);
    fleet.agent.shutdown().await;
    let recording = Recording::open(&files(&directory)[0]).unwrap();
    assert!(recording.is_complete());
    assert_eq!(recording.damage(), []);
    let series = recording.series(Window::ALL, |it| it.executable == "recorded");
    let counts: Vec<u64> = series[0].samples.iter().map(|it| allocations(it, "C7")).collect();
    assert!(counts.is_sorted(), "{counts:?}");
    assert_eq!(counts.last(), Some(&total));
    assert!(!recording.start().machine.as_ref().unwrap().kernel.is_empty());
}

#[tokio::test]
async fn the_oldest_files_go_and_all_stay_within_the_limit() {
    const BYTES_MAX: u64 = 64 << 10;
    let place = tempfile::tempdir().unwrap();
    let mine = place.path().join("mine.hakrec");
    std::fs::write(&mine, "not the agent's").unwrap();
    let fleet = recording_fleet(config(place.path(), BYTES_MAX)).await;
    let mut writers: Vec<SegmentWriter> =
        (0..20).map(|number| program(fleet.path(), &format!("p{number}"), 1)).collect();
    let agents = || -> Vec<PathBuf> {
        files(place.path()).into_iter().filter(|path| *path != mine).collect()
    };
    let first = eventually(async || agents().into_iter().next()).await;
    eventually(async || {
        writers.iter_mut().for_each(|writer| work(writer, 1));
        let lengths =
            agents().into_iter().filter_map(|path| path.metadata().ok().map(|it| it.len()));
        assert!(lengths.sum::<u64>() <= BYTES_MAX);
        (agents().len() > 3 && !first.exists()).then_some(())
    })
    .await;
    assert!(mine.exists(), "only the agent's own files are removed");
    // Every file can be read by itself.
    for path in agents() {
        let Ok(recording) = Recording::open(&path) else { continue };
        assert!(recording.summary().processes.len() >= 20, "{path:?}");
    }
}

/// Programs of two users, one of which writes much.
#[tokio::test]
async fn the_processes_of_one_user_push_out_no_recording_of_another() {
    // The quiet user's file, which grows only by samples at rest, needs some seconds to reach its
    // share.
    const BYTES_MAX: u64 = 256 << 10;
    const LOUD: u32 = 54_320;
    const QUIET: u32 = 54_321;
    let place = tempfile::tempdir().unwrap();
    let fleet = recording_fleet(config(place.path(), BYTES_MAX)).await;
    let of_user = |name: &str, user: u32| {
        let mut writer = SegmentWriter::create_unready(fleet.path(), &FixtureProcess::new(name));
        writer.take_slot(0, "");
        writer.take_slot(42, "main");
        std::os::unix::fs::chown(writer.path(), Some(user), None)
            .expect("run this test as root: it changes owners");
        writer.make_ready();
        writer
    };
    let mut quiet = of_user("quiet", QUIET);
    let files_of = |user: u32| {
        let ending = format!("-u{user}.hakrec");
        let is_theirs = |path: &PathBuf| path.display().to_string().ends_with(&ending);
        files(place.path()).into_iter().filter(is_theirs).collect::<Vec<_>>()
    };
    let first = eventually(async || files_of(QUIET).into_iter().next()).await;
    work(&mut quiet, 7);
    let mut loud: Vec<SegmentWriter> =
        (0..200).map(|number| of_user(&format!("loud-{number}"), LOUD)).collect();
    let removed = format!("hakmem_agent_recording_removed_bytes_total{{user=\"{LOUD}\"}}");
    eventually(async || {
        loud.iter_mut().for_each(|writer| work(writer, 1));
        let (_, page) = fleet.http("/metrics", "*/*").await;
        let line = page.lines().find_map(|line| line.strip_prefix(&format!("{removed} ")));
        let bytes: u64 = line.and_then(|bytes| bytes.parse().ok()).unwrap_or(0);
        (bytes > 0).then_some(())
    })
    .await;
    assert!(first.exists(), "the other user's recording is still there");
    assert_eq!(metric(&fleet, &removed.replace("54320", "54321")).await, 0);
    fleet.agent.shutdown().await;
    let recording = Recording::open(&first).unwrap();
    let names: Vec<String> =
        recording.summary().processes.iter().map(|it| it.identity.executable.clone()).collect();
    assert_eq!(names, ["quiet"], "a file has the processes of one user");
}

#[tokio::test]
async fn files_are_closed_by_age_too() {
    let place = tempfile::tempdir().unwrap();
    let aged =
        RecordingConfig { file_span: Duration::from_millis(200), ..config(place.path(), 1 << 20) };
    let _fleet = recording_fleet(aged).await;
    eventually(async || (files(place.path()).len() >= 3).then_some(())).await;
    assert!(Recording::open(&files(place.path())[0]).unwrap().is_complete());
}

#[tokio::test]
async fn a_restarted_agent_goes_on_with_another_file() {
    let place = tempfile::tempdir().unwrap();
    for restart in 1..=3 {
        let fleet = recording_fleet(config(place.path(), 1 << 20)).await;
        eventually(async || (files(place.path()).len() == restart).then_some(())).await;
        fleet.agent.shutdown().await;
    }
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_hurts_nobody() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("a-file");
    std::fs::write(&directory, "in the way").unwrap();
    let fleet = recording_fleet(config(&directory, 1 << 20)).await;
    let _writer = program(fleet.path(), "unharmed", 1);
    fleet.key_of("unharmed").await;
    let errors = "hakmem_agent_recording_errors_total";
    eventually(async || (metric(&fleet, errors).await > 0).then_some(())).await;
    fleet.agent.shutdown().await;
}
