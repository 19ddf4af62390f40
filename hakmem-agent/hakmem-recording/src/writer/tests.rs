use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use super::*;
use crate::reader::Recording;
use crate::sample::{history, start, update, updates};
use crate::window::Window;

#[test]
fn an_existing_file_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.hakrec");
    std::fs::write(&path, "data").unwrap();
    let error = RecordingWriter::create(&path, start()).unwrap_err();
    assert!(
        error.to_string().ends_with("choose another name, or --force to replace it"),
        "{error}"
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "data");
    let beside = directory.path().join("b.hakrec");
    let file = File::create_new(&beside).unwrap();
    let writer = RecordingWriter::in_file(&path, file, start()).unwrap();
    assert_eq!(writer.path(), path);
    let bytes = writer.finish(RecordingEnd::default()).unwrap();
    assert_eq!(std::fs::metadata(&beside).unwrap().len(), bytes);
    assert!(Recording::open(&beside).unwrap().is_complete());
}

#[test]
fn only_the_owner_may_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let writer = RecordingWriter::create(&directory.path().join("a"), start()).unwrap();
    let mode = std::fs::metadata(writer.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn it_can_be_read_while_it_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.hakrec");
    let mut writer = RecordingWriter::create(&path, start()).unwrap();
    for (second, entry) in updates(1, 2, 10).into_iter().enumerate() {
        writer.push(entry).unwrap();
        writer.flush_now();
        let recording = Recording::open(&path).unwrap();
        assert_eq!(recording.damage(), []);
        assert!(!recording.is_complete());
        assert_eq!(recording.summary().updates, second as u64 + 1);
    }
}

#[test]
fn a_block_is_written_once_a_second() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.hakrec");
    let mut writer = RecordingWriter::create(&path, start()).unwrap();
    let (at_start, begun) = (writer.bytes(), Instant::now() - Duration::from_secs(60));
    writer.push(update(0.0, vec![history(1, "a", 1).remove(0)])).unwrap();
    writer.flush_if_due(Instant::now()).unwrap();
    assert_eq!(writer.bytes(), at_start, "it is not a second yet");
    assert!(writer.flush_due_at() <= Instant::now() + BLOCK_INTERVAL);
    assert!(writer.flush_due_at() > begun + BLOCK_INTERVAL);
    writer.flush_if_due(Instant::now() + BLOCK_INTERVAL).unwrap();
    assert!(writer.bytes() > at_start);
}

#[test]
fn a_key_frame_holds_more_processes_than_a_block() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.hakrec");
    let mut writer = RecordingWriter::create(&path, start()).unwrap();
    let many = |second: f64| {
        let processes = (0..3000).map(|it| Process {
            sampled_at: Some(crate::sample::timestamp(second)),
            ..history(it, &format!("{it}-1-00"), 8).remove(7)
        });
        processes.collect::<Vec<_>>()
    };
    for group in chunks(many(0.0), CHUNK_BYTES) {
        writer.push(update(0.0, group)).unwrap();
    }
    writer.flush_now();
    let first = writer.bytes();
    writer.hurry();
    writer.push(update(1.0, Vec::new())).unwrap();
    writer.finish(RecordingEnd::default()).unwrap();
    // Remove everything before the key frame.
    let bytes = std::fs::read(&path).unwrap();
    let kept = [&bytes[..crate::format::FILE_HEADER_BYTES], &bytes[first as usize..]].concat();
    let recording = Recording::from_bytes(kept).unwrap();
    assert_eq!(recording.start(), &start(), "the key frame has the start again");
    assert_eq!(recording.summary().updates, 2, "the messages of a key frame are one update");
    assert_eq!(recording.series(Window::ALL, |_| true).len(), 3000);
}

#[test]
fn a_full_disk_is_an_error_and_leaves_a_good_file() {
    // `/dev/full` accepts no bytes; it is the one full disk that every machine has.
    let file = OpenOptions::new().append(true).open("/dev/full").unwrap();
    let error = RecordingWriter::in_file(Path::new("/dev/full"), file, start()).unwrap_err();
    assert!(error.to_string().starts_with("cannot write /dev/full: "), "{error}");
}

/// Tells the writing half of the test below where to write.
const CHILD_VARIABLE: &str = "HAKREC_TEST_CHILD";

/// Not a test by itself: this process gets killed.
#[test]
#[ignore = "the test below runs it"]
fn writes_until_it_is_killed() {
    let Some(path) = std::env::var_os(CHILD_VARIABLE) else { return };
    let mut writer = RecordingWriter::create(Path::new(&path), start()).unwrap();
    let states = history(1, "1-1-00", 10_000);
    for (number, state) in states.into_iter().enumerate() {
        let state = Process {
            sampled_at: Some(crate::sample::timestamp(number as f64 / 100.0)),
            totals: Some(hakmem_proto::v1::Totals {
                allocations: number as u64,
                ..Default::default()
            }),
            ..state
        };
        writer.push(update(number as f64 / 100.0, vec![state])).unwrap();
        println!("pushed {number}");
        writer.flush_if_due(Instant::now()).unwrap();
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn kill_9_takes_the_last_second_at_most() {
    let directory = tempfile::tempdir().unwrap();
    for (round, delay_ms) in [50, 700, 1300, 2150].into_iter().enumerate() {
        let path = directory.path().join(format!("{round}.hakrec"));
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "writer::tests::writes_until_it_is_killed"])
            .args(["--ignored", "--nocapture"])
            .env(CHILD_VARIABLE, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        lines.find(|line| line.as_ref().unwrap().contains("pushed 0")).unwrap().unwrap();
        std::thread::sleep(Duration::from_millis(delay_ms));
        child.kill().unwrap();
        child.wait().unwrap();
        let last = lines.map_while(Result::ok).filter_map(|line| {
            line.strip_prefix("pushed ").and_then(|number| number.parse::<u64>().ok())
        });
        let last_pushed = last.last().unwrap_or(0);
        let recording = Recording::open(&path).unwrap();
        assert!(!recording.is_complete());
        let series = recording.series(Window::ALL, |_| true);
        let samples = series.first().map_or(&[][..], |series| &series.samples);
        let last_read = samples.last().map_or(0, |it| it.totals.unwrap().allocations);
        // A hundred entries a second, and one in progress.
        assert!(last_pushed - last_read <= 101, "{last_pushed} pushed, {last_read} read");
        assert!(
            samples.iter().enumerate().all(|(at, it)| it.totals.unwrap().allocations == at as u64)
        );
    }
}

/// A process of more than half a mebibyte.
fn large(key: &str) -> Process {
    let threads = (0..20_000).map(|thread_id| hakmem_proto::v1::Thread {
        thread_id,
        name: format!("a thread with the number {thread_id:08}"),
        ..Default::default()
    });
    Process { threads: threads.collect(), ..history(1, key, 1).remove(0) }
}

#[test]
fn a_full_block_is_written_without_waiting() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = RecordingWriter::create(&directory.path().join("a"), start()).unwrap();
    let at_start = writer.bytes();
    writer.push(update(0.0, vec![large("a")])).unwrap();
    assert_eq!(writer.bytes(), at_start);
    writer.push(update(0.0, vec![large("b")])).unwrap();
    assert!(writer.bytes() > at_start);
}

#[test]
fn an_entry_that_is_too_long_is_an_error_and_the_rest_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.hakrec");
    let mut writer = RecordingWriter::create(&path, start()).unwrap();
    let all = (0..8).map(|number| large(&number.to_string())).collect();
    let error = writer.push(update(0.0, all)).unwrap_err();
    assert!(error.to_string().starts_with("an entry of more than 4 MiB was left out"), "{error}");
    writer.push(update(1.0, vec![history(1, "a", 1).remove(0)])).unwrap();
    writer.finish(RecordingEnd::default()).unwrap();
    let recording = Recording::open(&path).unwrap();
    assert_eq!((recording.damage(), recording.summary().updates), (&[][..], 1));
}

#[test]
fn starts_and_ends_are_the_writers_own() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.hakrec");
    let mut writer = RecordingWriter::create(&path, start()).unwrap();
    let other = RecordingStart { version: "other".to_owned(), ..start() };
    writer.push(RecordingEntry { entry: Some(Entry::Start(other)) }).unwrap();
    writer.push(RecordingEntry { entry: Some(Entry::End(RecordingEnd::default())) }).unwrap();
    writer.push(RecordingEntry { entry: None }).unwrap();
    writer.flush_now();
    let recording = Recording::open(&path).unwrap();
    assert_eq!((recording.start(), recording.end()), (&start(), None));
    let end = RecordingEnd { skipped_updates: 3, ..RecordingEnd::default() };
    writer.finish(end).unwrap();
    assert_eq!(Recording::open(&path).unwrap().end(), Some(&end));
}
