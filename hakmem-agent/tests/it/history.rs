//! `GetHistory`: the past of processes, within limits of time and memory.

use std::time::Duration;

use hakmem_agent::config::HistoryConfig;
use hakmem_proto::v1::{
    AgentStatus, GetHistoryRequest, GetHistoryResponse, HistoryCoverage, ListProcessesRequest,
    Process,
};
use hakmem_reader::Class;
use hakmem_reader::fixture::{FixtureProcess, SegmentWriter, bin_of};
use prost::Message as _;
use prost_types::Timestamp;

use crate::fleet::{Fleet, PATIENCE, allocations, eventually, program};
use crate::watching::raise_limit_of_open_files;

const STEP: Duration = Duration::from_millis(20);

/// An agent that keeps a sample every 20 ms.
async fn quick(bytes_max: usize) -> Fleet {
    Fleet::start_with(|config| {
        config.watched_interval = STEP / 2;
        config.idle_interval = STEP;
        config.history = HistoryConfig { bytes_max, interval: STEP, ..HistoryConfig::default() };
    })
    .await
}

struct Answer {
    parts: Vec<GetHistoryResponse>,
}

impl Answer {
    fn samples(&self) -> Vec<&Process> {
        self.parts.iter().flat_map(|part| &part.samples).collect()
    }

    fn coverage(&self) -> HistoryCoverage {
        self.parts.last().unwrap().coverage.unwrap()
    }

    fn counts(&self) -> Vec<u64> {
        self.samples().iter().map(|sample| allocations(sample, "C7")).collect()
    }

    fn moments(&self) -> Vec<f64> {
        self.samples().iter().map(|sample| moment(sample.sampled_at.as_ref().unwrap())).collect()
    }
}

fn moment(at: &Timestamp) -> f64 {
    at.seconds as f64 + f64::from(at.nanos) / 1e9
}

fn timestamp(at: f64) -> Timestamp {
    Timestamp { seconds: at.floor() as i64, nanos: (at.fract() * 1e9) as i32 }
}

async fn ask(fleet: &Fleet, request: GetHistoryRequest) -> Answer {
    let mut stream = fleet.client.clone().get_history(request).await.unwrap().into_inner();
    let mut parts = Vec::new();
    while let Some(part) = stream.message().await.unwrap() {
        assert!(!parts.last().is_some_and(|last: &GetHistoryResponse| last.complete));
        assert!(part.encoded_len() < 4 << 20, "{} bytes", part.encoded_len());
        parts.push(part);
    }
    assert!(parts.last().unwrap().complete);
    Answer { parts }
}

async fn everything(fleet: &Fleet, key: &str) -> Answer {
    let request =
        GetHistoryRequest { key: key.to_owned(), include_threads: true, ..Default::default() };
    ask(fleet, request).await
}

async fn status(fleet: &Fleet) -> AgentStatus {
    let request = ListProcessesRequest::default();
    fleet.client.clone().list_processes(request).await.unwrap().into_inner().agent.unwrap()
}

/// Allocates a block every few milliseconds.
async fn work(writer: &mut SegmentWriter, blocks: u64) {
    for _ in 0..blocks {
        writer.slot(1).allocate(bin_of(Class::C7), 1);
        tokio::time::sleep(STEP / 2).await;
    }
}

#[tokio::test]
async fn every_change_is_kept_in_order_and_can_be_cut_and_thinned() {
    let fleet = quick(64 << 20).await;
    let mut writer = program(fleet.path(), "works", 1);
    let key = fleet.key_of("works").await;
    work(&mut writer, 100).await;
    let answer = eventually(async || {
        let answer = everything(&fleet, &key).await;
        (answer.counts().last() == Some(&101)).then_some(answer)
    })
    .await;
    let (counts, moments) = (answer.counts(), answer.moments());
    assert!(counts.len() > 20, "{counts:?}");
    assert!(counts.is_sorted() && moments.is_sorted(), "{counts:?} {moments:?}");
    assert!(answer.samples().iter().all(|sample| !sample.threads.is_empty()));
    let identity = answer.parts[0].identity.as_ref().unwrap();
    assert_eq!(identity.executable, "works");
    let coverage = answer.coverage();
    assert!(coverage.samples >= counts.len() as u64, "{coverage:?}");
    assert_eq!(coverage.dropped_samples, 0);
    assert!((moment(&coverage.oldest.unwrap()) - moments[0]).abs() < 0.001);

    let (from, to) = (moments[5], moments[15]);
    let part = ask(
        &fleet,
        GetHistoryRequest {
            key: key.clone(),
            from: Some(timestamp(from - 0.001)),
            to: Some(timestamp(to + 0.001)),
            ..Default::default()
        },
    )
    .await;
    assert_eq!(part.counts(), counts[5..=15]);
    assert!(part.samples().iter().all(|sample| sample.threads.is_empty()));

    let thinned = ask(&fleet, GetHistoryRequest { key, step_ms: 200, ..Default::default() }).await;
    let steps: Vec<f64> = thinned.moments().windows(2).map(|pair| pair[1] - pair[0]).collect();
    let (_, but_last) = steps.split_last().unwrap();
    assert!(but_last.iter().all(|step| *step >= 0.18), "{steps:?}");
    assert!(thinned.counts().len() < counts.len() / 3, "{:?}", thinned.counts());
    assert_eq!(thinned.counts().last(), Some(&101));
}

#[tokio::test]
async fn a_rest_takes_no_memory_and_has_two_moments() {
    let fleet = quick(64 << 20).await;
    let mut writer = program(fleet.path(), "rests", 1);
    let key = fleet.key_of("rests").await;
    let before = everything(&fleet, &key).await;
    assert!(before.counts().len() <= 2);
    let bytes = status(&fleet).await.history_bytes;
    tokio::time::sleep(30 * STEP).await;
    assert_eq!(status(&fleet).await.history_bytes, bytes, "a rest costs nothing");
    work(&mut writer, 1).await;
    let after = eventually(async || {
        let answer = everything(&fleet, &key).await;
        answer.counts().contains(&2).then_some(answer)
    })
    .await;
    let (counts, moments) = (after.counts(), after.moments());
    assert_eq!(counts[..3], [1, 1, 2], "{counts:?}");
    assert!(moments[1] - moments[0] > 0.4, "the rest: {moments:?}");
    assert!(moments[2] - moments[1] < 0.4, "the change: {moments:?}");
}

#[tokio::test]
async fn a_process_that_ended_is_kept_as_long_as_its_segment() {
    let fleet = quick(64 << 20).await;
    let mut writer = program(fleet.path(), "ends", 1);
    let key = fleet.key_of("ends").await;
    work(&mut writer, 5).await;
    let path = writer.path().to_owned();
    writer.exit(3);
    fleet.reaches(&key, "exited").await;
    let answer = everything(&fleet, &key).await;
    let last = answer.samples().into_iter().next_back().unwrap().clone();
    assert_eq!((last.state.as_str(), last.exit_code), ("exited", Some(3)));
    assert_eq!(allocations(&last, "C7"), 6, "the last counters are complete");
    std::fs::remove_file(path).unwrap();
    eventually(async || {
        let request = GetHistoryRequest { key: key.clone(), ..Default::default() };
        let asked = fleet.client.clone().get_history(request).await;
        asked.is_err_and(|status| status.code() == tonic::Code::NotFound).then_some(())
    })
    .await;
    assert_eq!(status(&fleet).await.history_bytes, 0);
}

#[tokio::test]
async fn a_restarted_agent_begins_anew() {
    let fleet = quick(64 << 20).await;
    let mut writer = program(fleet.path(), "lives", 1);
    let key = fleet.key_of("lives").await;
    work(&mut writer, 10).await;
    fleet.agent.shutdown().await;
    let second = Fleet::start_in(fleet.directory, |_| {}).await;
    second.key_of("lives").await;
    let answer = everything(&second, &key).await;
    assert_eq!(answer.counts()[0], 11, "nothing is known of the time before");
}

#[tokio::test]
async fn without_memory_or_time_nothing_is_kept() {
    for (bytes_max, span) in [(0, 3600), (1 << 20, 0)] {
        let span = Duration::from_secs(span);
        let fleet = Fleet::start_with(|config| {
            config.history = HistoryConfig { bytes_max, span, ..HistoryConfig::default() };
        })
        .await;
        let _writer = program(fleet.path(), "forgotten", 1);
        let key = fleet.key_of("forgotten").await;
        let answer = everything(&fleet, &key).await;
        assert!(answer.samples().is_empty());
        assert_eq!(answer.coverage(), HistoryCoverage::default());
        assert_eq!(status(&fleet).await.history_bytes_max, 0);
    }
}

#[tokio::test]
async fn questions_without_an_answer_are_refused() {
    let fleet = Fleet::start().await;
    let ask = async |request| fleet.client.clone().get_history(request).await.unwrap_err();
    let unknown = GetHistoryRequest { key: "no-such-key".to_owned(), ..Default::default() };
    let refused = ask(unknown).await;
    assert_eq!(refused.code(), tonic::Code::NotFound);
    assert!(refused.message().contains("no-such-key"));
    let _writer = program(fleet.path(), "known", 1);
    let backwards = GetHistoryRequest {
        key: fleet.key_of("known").await,
        from: Some(timestamp(2.0)),
        to: Some(timestamp(1.0)),
        ..Default::default()
    };
    let refused = ask(backwards).await;
    assert_eq!(refused.code(), tonic::Code::InvalidArgument);
    assert!(refused.message().contains("swap them"));
}

#[tokio::test]
async fn old_blocks_are_given_up_when_the_time_is_over() {
    let fleet = Fleet::start_with(|config| {
        config.idle_interval = Duration::from_millis(100);
        config.history =
            HistoryConfig { span: Duration::from_millis(300), bytes_max: 1 << 20, interval: STEP };
        config.watched_interval = STEP / 2;
        config.idle_interval = STEP;
    })
    .await;
    let mut writer = wide_program(&fleet, 200);
    let key = fleet.key_of("wide").await;
    eventually(async || {
        change_all(&mut writer, 200);
        let coverage = everything(&fleet, &key).await.coverage();
        (coverage.dropped_samples > 0).then_some(())
    })
    .await;
    let coverage = everything(&fleet, &key).await.coverage();
    let kept = moment(&coverage.newest.unwrap()) - moment(&coverage.oldest.unwrap());
    assert!(kept < 5.0, "{kept} s are kept");
    assert_eq!(status(&fleet).await.history_dropped_samples, 0, "memory was not short");
}

/// A program with so many threads that each sample is large.
fn wide_program(fleet: &Fleet, threads: u32) -> SegmentWriter {
    raise_limit_of_open_files();
    let mut writer = SegmentWriter::create(fleet.path(), &FixtureProcess::new("wide"));
    for thread in 1..=threads {
        writer.take_slot(thread, "thread");
    }
    writer
}

fn change_all(writer: &mut SegmentWriter, threads: usize) {
    (0..threads).for_each(|slot| writer.slot(slot).allocate(bin_of(Class::C7), 1));
}

#[tokio::test]
async fn a_large_answer_comes_in_parts_below_the_limit() {
    let fleet = quick(64 << 20).await;
    let mut writer = wide_program(&fleet, 1500);
    let key = fleet.key_of("wide").await;
    eventually(async || {
        change_all(&mut writer, 1500);
        let answer = everything(&fleet, &key).await;
        (answer.parts.len() >= 4).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_thousand_processes_stay_within_the_memory() {
    const PROCESSES: usize = 1000;
    const BYTES_MAX: usize = 8 << 20;
    raise_limit_of_open_files();
    let directory = tempfile::tempdir().unwrap();
    let mut writers: Vec<SegmentWriter> = (0..PROCESSES)
        .map(|number| program(directory.path(), &format!("program-{number}"), 1))
        .collect();
    let fleet = Fleet::start_in(directory, |config| {
        config.idle_interval = Duration::from_millis(500);
        config.history = HistoryConfig {
            bytes_max: BYTES_MAX,
            interval: Duration::from_millis(500),
            ..HistoryConfig::default()
        };
    })
    .await;
    let begin = std::time::Instant::now();
    loop {
        for writer in &mut writers {
            writer.slot(1).allocate(bin_of(Class::C7), 3);
            writer.slot(1).free(bin_of(Class::C7), 2);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        let status = status(&fleet).await;
        assert_eq!(status.history_bytes_max, BYTES_MAX as u64);
        assert!(status.history_bytes <= BYTES_MAX as u64, "{}", status.history_bytes);
        if status.history_dropped_samples > PROCESSES as u64 {
            break;
        }
        assert!(begin.elapsed() < 4 * PATIENCE, "{status:?}");
    }
    // None of them has been forgotten in favour of the others.
    for number in [0, 333, 999] {
        let key = fleet.key_of(&format!("program-{number}")).await;
        let coverage = everything(&fleet, &key).await.coverage();
        assert!(coverage.samples > 0 && coverage.dropped_samples < 500, "{coverage:?}");
    }
    let (_, page) = fleet.http("/metrics", "*/*").await;
    for metric in ["history_bytes ", "history_max_bytes 8388608", "history_dropped_samples_total "]
    {
        assert!(page.contains(&format!("\nhakmem_agent_{metric}")), "{metric} is missing");
    }
}
