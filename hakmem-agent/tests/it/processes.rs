//! Processes are found, counted, ended and removed.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use hakmem_proto::v1::{GetProcessRequest, ProcessFilter};
use hakmem_reader::Class;
use hakmem_reader::fixture::{FixtureProcess, ProcessNumbers, SegmentWriter, bin_of};

use crate::fleet::{Fleet, allocations, eventually, executable_of, program};

#[tokio::test]
async fn a_process_is_told_of_field_by_field() {
    let fleet = Fleet::start().await;
    let mut facts = FixtureProcess::new("/usr/bin/server");
    facts.arguments = vec!["server".to_owned(), "--port".to_owned()];
    facts.labels = "service=x,version=y".to_owned();
    let mut writer = SegmentWriter::create(fleet.path(), &facts);
    let slot = writer.take_slot(42, "worker");
    writer.slot(slot).allocate(bin_of(Class::C7), 100);
    writer.slot(slot).free(bin_of(Class::C7), 40);
    writer.slot(slot).duration(Class::C7, 1000);
    writer.set_central_blocks(bin_of(Class::C7), 9);
    let numbers = ProcessNumbers {
        threads_unpublished: 2,
        threads_unpublished_total: 3,
        namespaces_total: 4,
        slab_bytes: 4096,
        large_purged_bytes: 8192,
        unmaps_refused_total: 5,
        purges_refused_total: 6,
        advice_refused_total: 7,
        ..ProcessNumbers::default()
    };
    writer.set_numbers(&numbers);

    let process = fleet.get(&fleet.key_of("/usr/bin/server").await).await;
    let identity = process.identity.as_ref().unwrap();
    assert_eq!(identity.pid, facts.pid);
    assert_eq!(identity.arguments, ["server", "--port"]);
    assert_eq!(identity.labels["service"], "x");
    assert_eq!((identity.build_id.as_str(), identity.routing.as_str()), ("abcdef", "direct"));
    assert_eq!(identity.bins.len(), 9, "eight tiny classes and mid");
    let totals = process.totals.unwrap();
    assert_eq!((totals.allocations, totals.frees, totals.live_blocks), (100, 40, 60));
    assert_eq!((totals.live_bytes, totals.threads), (60 * 1024, 1 + 2));
    let [class] = process.classes.as_slice() else { panic!("only C7 was used") };
    assert_eq!((class.class.as_str(), class.allocations, class.frees), ("C7", 100, 40));
    assert_eq!(class.frees, class.outcomes.iter().map(|outcome| outcome.count).sum::<u64>());
    assert_eq!(class.central_blocks, 9);
    assert_eq!(class.slow_durations.as_ref().unwrap().count, 1);
    let thread = process.threads.iter().find(|thread| thread.slot == slot as u32).unwrap();
    assert_eq!((thread.name.as_str(), thread.thread_id), ("worker", 42));
    let memory = process.memory.unwrap();
    assert_eq!((memory.slab_bytes, memory.large_purged_bytes), (4096, 8192));
    let refused = (memory.refused_unmaps, memory.refused_purges, memory.refused_advice);
    assert_eq!(refused, (5, 6, 7));
    let loss = process.loss.unwrap();
    assert_eq!((loss.unpublished_threads, loss.unpublished_threads_total), (2, 3));
    assert!(!loss.torn);
    assert_eq!(loss.namespaces_total, 4);
}

#[tokio::test]
async fn the_last_counters_of_a_process_are_complete() {
    let fleet = Fleet::start().await;
    let mut exits = program(fleet.path(), "exits", 10);
    let mut dies = program(fleet.path(), "dies", 10);
    let (exits_key, dies_key) = (fleet.key_of("exits").await, fleet.key_of("dies").await);
    for writer in [&mut exits, &mut dies] {
        writer.slot(1).allocate(bin_of(Class::C7), 7);
    }
    exits.exit(3);
    drop(dies);
    let exited = fleet.reaches(&exits_key, "exited").await;
    let ended = fleet.reaches(&dies_key, "ended").await;
    assert_eq!((exited.exit_code, ended.exit_code), (Some(3), None));
    assert_eq!((allocations(&exited, "C7"), allocations(&ended, "C7")), (17, 17));
    assert!(fleet.list(ProcessFilter::default()).await.is_empty(), "neither runs");
    assert_eq!(fleet.list_all().await.len(), 2);
}

#[tokio::test]
async fn a_process_that_execs_was_replaced_and_not_crashed() {
    let fleet = Fleet::start().await;
    let mut facts = FixtureProcess::new("shell");
    drop(SegmentWriter::create(fleet.path(), &facts));
    let key = fleet.key_of("shell").await;
    fleet.reaches(&key, "ended").await;
    facts.executable = "program".to_owned();
    facts.nonce += 1;
    facts.created_monotonic_ns += 1;
    let _alive = SegmentWriter::create(fleet.path(), &facts);
    fleet.reaches(&key, "replaced").await;
}

/// A shell that waits until its input ends and then runs `script`, and a segment that claims to be
/// the shell's own.
fn shell(directory: &Path, script: &str) -> (Child, SegmentWriter) {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("read line; {script}")]).stdin(Stdio::piped());
    let child = command.spawn().unwrap();
    let facts = FixtureProcess::new(script).of_process(child.id());
    (child, SegmentWriter::create(directory, &facts))
}

#[tokio::test]
async fn killed_crashed_and_exited_processes_are_told_apart_without_their_own_word() {
    let fleet = Fleet::start().await;
    let check = async |script: &str, state: &str, code: Option<i32>, signal: Option<i32>| {
        let (mut child, writer) = shell(fleet.path(), script);
        let key = fleet.key_of(script).await;
        assert_eq!(fleet.reaches(&key, "running").await.end_signal, None);
        drop(child.stdin.take());
        eventually(async || is_zombie(child.id()).then_some(())).await;
        // The lock goes with the process: nothing was written about the end.
        drop(writer);
        let end = fleet.reaches(&key, state).await;
        assert_eq!((end.exit_code, end.end_signal), (code, signal), "{script}");
        child.wait().unwrap();
    };
    check("kill -TERM $$", "killed", None, Some(15)).await;
    // Not SIGHUP, because nohup, which may run the tests, makes them ignore it.
    check("kill -USR1 $$", "killed", None, Some(10)).await;
    check("kill -KILL $$", "killed", None, Some(9)).await;
    check("kill -SEGV $$", "crashed", None, Some(11)).await;
    check("exit 7", "exited", Some(7), None).await;
}

fn is_zombie(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(") ").unwrap().1.starts_with('Z')
}

#[tokio::test]
async fn a_restarted_agent_picks_everything_up() {
    let first = Fleet::start().await;
    let mut lives = program(first.path(), "lives", 5);
    program(first.path(), "ended", 6).exit(0);
    first.key_of("lives").await;
    first.key_of("ended").await;
    first.agent.shutdown().await;
    lives.slot(1).allocate(bin_of(Class::C7), 5);

    let second = Fleet::start_in(first.directory, |_| {}).await;
    let lives = second.get(&second.key_of("lives").await).await;
    let ended = second.get(&second.key_of("ended").await).await;
    assert_eq!((lives.state.as_str(), allocations(&lives, "C7")), ("running", 10));
    assert_eq!((ended.state.as_str(), allocations(&ended, "C7")), ("exited", 6));
}

#[tokio::test]
async fn the_directory_may_come_late_and_come_again() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("segments");
    let late = directory.clone();
    let fleet = Fleet::start_with(move |config| config.directories = vec![late]).await;
    for executable in ["first", "second"] {
        std::fs::create_dir(&directory).unwrap();
        program(&directory, executable, 1).exit(0);
        fleet.key_of(executable).await;
        std::fs::remove_dir_all(&directory).unwrap();
        eventually(async || fleet.list_all().await.is_empty().then_some(())).await;
    }
}

#[tokio::test]
async fn a_process_whose_file_was_removed_is_followed_to_its_end() {
    let fleet = Fleet::start().await;
    let mut writer = program(fleet.path(), "hidden", 1);
    let key = fleet.key_of("hidden").await;
    std::fs::remove_file(writer.path()).unwrap();
    writer.slot(1).allocate(bin_of(Class::C7), 1);
    assert_eq!(allocations(&fleet.get(&key).await, "C7"), 2);
    drop(writer);
    eventually(async || fleet.list_all().await.is_empty().then_some(())).await;
}

#[tokio::test]
async fn two_hundred_processes_are_found_quickly() {
    let directory = tempfile::tempdir().unwrap();
    let before: Vec<_> =
        (0..100).map(|n| program(directory.path(), &format!("before-{n}"), 1)).collect();
    let fleet = Fleet::start_in(directory, |_| {}).await;
    let after: Vec<_> = (0..100).map(|n| program(fleet.path(), &format!("after-{n}"), 1)).collect();
    let begin = Instant::now();
    eventually(async || (fleet.list_all().await.len() == 200).then_some(())).await;
    assert!(begin.elapsed().as_secs() < 5, "it took {:?}", begin.elapsed());
    drop((before, after));
    eventually(async || fleet.list(ProcessFilter::default()).await.is_empty().then_some(())).await;
}

#[tokio::test]
async fn what_ended_long_ago_is_removed() {
    let directory = tempfile::tempdir().unwrap();
    for n in 0..5 {
        program(directory.path(), &format!("old-{n}"), 1).exit(0);
    }
    let lives = program(directory.path(), "lives", 1);
    let fleet = Fleet::start_in(directory, |config| config.keep_ended = 2).await;
    eventually(async || (fleet.list_all().await.len() == 3).then_some(())).await;
    assert_eq!(std::fs::read_dir(fleet.path()).unwrap().count(), 3);
    assert!(lives.path().exists());
}

#[tokio::test]
async fn files_that_are_no_segments_are_counted_and_left_alone() {
    let fleet = Fleet::start().await;
    let junk = fleet.path().join("1-2-0000000000000003.hakmem");
    std::fs::write(&junk, vec![7; 9000]).unwrap();
    eventually(async || {
        let (_, body) = fleet.http("/metrics", "*/*").await;
        body.contains("\nhakmem_agent_unreadable_segments_total 1\n").then_some(())
    })
    .await;
    assert!(junk.exists());
}

#[tokio::test]
async fn a_segment_cut_off_under_the_agent_does_not_stop_it() {
    let fleet = Fleet::start().await;
    let writer = program(fleet.path(), "cut", 1);
    fleet.key_of("cut").await;
    writer.truncate(4096);
    eventually(async || fleet.list_all().await.is_empty().then_some(())).await;
    let _next = program(fleet.path(), "next", 1);
    fleet.key_of("next").await;
}

#[tokio::test]
async fn filters_select_by_key_pid_family_and_text() {
    let fleet = Fleet::start().await;
    let family: Vec<FixtureProcess> = ["parent", "child", "grandchild"]
        .iter()
        .scan(1, |parent_pid, name| {
            let mut process = FixtureProcess::new(name);
            process.parent_pid = *parent_pid;
            process.arguments = vec![format!("{name} --flag")];
            *parent_pid = process.pid;
            Some(process)
        })
        .collect();
    let _alive: Vec<_> =
        family.iter().map(|process| SegmentWriter::create(fleet.path(), process)).collect();
    let key = fleet.key_of("grandchild").await;
    eventually(async || (fleet.list_all().await.len() == 3).then_some(())).await;
    let check = async |filter: ProcessFilter, expected: &[&str]| {
        let processes = fleet.list(filter).await;
        let mut found: Vec<&str> = processes.iter().map(executable_of).collect();
        found.sort_unstable();
        assert_eq!(found, expected);
    };
    let none = ProcessFilter::default();
    check(ProcessFilter { keys: vec![key], ..none.clone() }, &["grandchild"]).await;
    let parent = ProcessFilter { pids: vec![family[0].pid], ..none.clone() };
    check(parent.clone(), &["parent"]).await;
    check(ProcessFilter { include_children: true, ..parent }, &["child", "grandchild", "parent"])
        .await;
    check(ProcessFilter { contains: "grand".to_owned(), ..none.clone() }, &["grandchild"]).await;
    check(ProcessFilter { contains: "child --f".to_owned(), ..none }, &["child", "grandchild"])
        .await;
}

#[tokio::test]
async fn an_unknown_key_is_not_found() {
    let fleet = Fleet::start().await;
    let request = GetProcessRequest { key: "no-such-key".to_owned() };
    let status = fleet.client.clone().get_process(request).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::NotFound);
    assert!(status.message().contains("no-such-key"));
}
