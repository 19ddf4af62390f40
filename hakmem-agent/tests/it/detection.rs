//! Findings: a path that becomes slower is found, reported, and over when it is fast again.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use hakmem_agent::config::{DetectionConfig, RecordingConfig};
use hakmem_agent::{AgentConfig, RunningAgent};
use hakmem_proto::v1::{Finding, WatchFindingsRequest, WatchFindingsResponse};
use hakmem_reader::fixture::{FixtureProcess, SegmentWriter, bin_of};
use hakmem_reader::{AllocReason, Class, FreeReason, Outcome};
use tonic::Streaming;

use crate::fleet::{Fleet, eventually};
use crate::metrics::promtool_accepts;

const STEADY: u8 = 0;
const SLOW: u8 = 1;
const OVER: u8 = 2;

/// Scales seconds down to tenths.
fn quick(config: &mut AgentConfig) {
    config.watched_interval = Duration::from_millis(20);
    config.idle_interval = Duration::from_millis(20);
    config.unix_socket = Some(config.directories[0].join("agent.sock"));
    config.detection = Some(DetectionConfig {
        window: Duration::from_millis(1000),
        baseline: Duration::from_millis(1500),
        baseline_min: Duration::from_millis(1000),
        interval: Duration::from_millis(100),
        begin_after: 3,
        end_after: 3,
        recording: None,
    });
}

/// A program that allocates and frees; while it is slow, a tenth of its calls take slow paths.
struct Load {
    mode: Arc<AtomicU8>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Load {
    fn start(directory: &Path, executable: &str, build_id: u8, mode: u8) -> Self {
        let mut facts = FixtureProcess::new(executable);
        facts.build_id = vec![build_id];
        let mut writer = SegmentWriter::create_unready(directory, &facts);
        writer.take_slot(42, "main");
        writer.make_ready();
        let mode = Arc::new(AtomicU8::new(mode));
        let asked = Arc::clone(&mode);
        let thread = std::thread::spawn(move || {
            loop {
                match asked.load(Ordering::Relaxed) {
                    OVER => break writer.exit(0),
                    mode => work(&mut writer, mode == SLOW),
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        Self { mode, thread: Some(thread) }
    }

    fn becomes(&self, mode: u8) {
        self.mode.store(mode, Ordering::Relaxed);
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.becomes(OVER);
        self.thread.take().unwrap().join().unwrap();
    }
}

fn work(writer: &mut SegmentWriter, is_slow: bool) {
    let bin = bin_of(Class::C7);
    let slot = writer.slot(0);
    for _ in 0..if is_slow { 30 } else { 1 } {
        slot.allocate_slow(bin, AllocReason::RefillCentral, 0);
        slot.duration(Class::C7, 1000);
        slot.free_slow(bin, FreeReason::FlushFull, Outcome::Map, 0);
        slot.duration(Class::C7, 1000);
    }
    for _ in 0..20 {
        slot.allocate(bin, 16);
        slot.free(bin, 16);
    }
}

async fn watch(fleet: &Fleet, follow: bool) -> Streaming<WatchFindingsResponse> {
    let request = WatchFindingsRequest { filter: None, follow };
    fleet.client.clone().watch_findings(request).await.unwrap().into_inner()
}

async fn known(fleet: &Fleet) -> Vec<Finding> {
    let mut stream = watch(fleet, false).await;
    let mut findings = Vec::new();
    while let Some(message) = stream.message().await.unwrap() {
        findings.extend(message.findings);
    }
    findings
}

/// The next finding that is wanted.
async fn next(
    stream: &mut Streaming<WatchFindingsResponse>,
    wanted: impl Fn(&Finding) -> bool,
) -> Finding {
    loop {
        let message = tokio::time::timeout(crate::fleet::PATIENCE, stream.message()).await;
        let message = message.expect("nothing was found").unwrap().unwrap();
        assert_eq!(message.dropped_findings, 0);
        if let Some(finding) = message.findings.into_iter().find(&wanted) {
            return finding;
        }
    }
}

#[tokio::test]
async fn a_path_that_becomes_slower_is_a_finding_until_it_is_fast_again() {
    let fleet = Fleet::start_with(quick).await;
    let load = Load::start(fleet.path(), "/opt/it's/prog", 1, STEADY);
    let mut stream = watch(&fleet, true).await;
    tokio::time::sleep(Duration::from_millis(4000)).await;
    assert_eq!(known(&fleet).await, [], "a steady load is no finding");

    load.becomes(SLOW);
    let found = next(&mut stream, |_| true).await;
    assert_eq!((found.executable.as_str(), found.build_id.as_str()), ("/opt/it's/prog", "01"));
    assert_eq!((found.cause.as_str(), found.class.as_str()), ("reason", "C7"), "{found:?}");
    assert!(found.after_ns_per_op > 5.0 * found.before_ns_per_op, "{found:?}");
    assert_eq!(found.process_key, fleet.key_of("/opt/it's/prog").await);
    assert!(found.since.is_some() && found.until.is_none(), "{found:?}");
    assert!(found.summary.contains("C7"), "{found:?}");
    assert!(found.command.contains(&format!("diff finding:{}@", found.id)), "{found:?}");
    let again = next(&mut stream, |it| it.id == found.id).await;
    assert_eq!(again.since, found.since, "it goes on");
    // Longer than the baseline: a slow path does not become normal by itself.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert!(known(&fleet).await.iter().any(|it| it.id == found.id && it.until.is_none()));

    let (_, page) = fleet.http("/metrics", "text/plain").await;
    let labels = "executable=\"prog\",build_id=\"01\",cause=\"reason\",class=\"C7\"";
    assert!(page.contains(&format!("hakmem_path_regression_seconds{{{labels}")), "{page}");
    let labels = "executable=\"prog\",cause=\"reason\",user=\"";
    assert!(page.contains(&format!("hakmem_path_regressions_total{{{labels}")), "{page}");
    promtool_accepts(&page);

    load.becomes(STEADY);
    let ended = next(&mut stream, |it| it.id == found.id && it.until.is_some()).await;
    assert!(ended.until.unwrap().seconds >= found.since.unwrap().seconds, "{ended:?}");
    eventually(async || {
        let (_, page) = fleet.http("/metrics", "text/plain").await;
        (!page.contains("hakmem_path_regression_seconds")).then_some(())
    })
    .await;
    let kept = known(&fleet).await;
    assert!(kept.iter().any(|it| it.id == found.id && it.until.is_some()), "{kept:?}");
}

#[tokio::test]
async fn a_new_build_is_compared_with_the_one_before() {
    let fleet = Fleet::start_with(quick).await;
    let old = Load::start(fleet.path(), "updated", 1, STEADY);
    let mut stream = watch(&fleet, true).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    drop(old);
    let new = Load::start(fleet.path(), "updated", 2, SLOW);
    let found = next(&mut stream, |_| true).await;
    assert_eq!((found.build_id.as_str(), found.class.as_str()), ("02", "C7"));
    assert!(found.summary.contains("the build before"), "{found:?}");
    assert!(found.command.contains(&format!("diff finding:{}@", found.id)), "{found:?}");
    drop(new);
    let ended = next(&mut stream, |it| it.id == found.id && it.until.is_some()).await;
    assert_eq!(ended.command, known(&fleet).await[0].command, "it can be looked into still");
    fleet.agent.shutdown().await;
    // The stream must end, or this test never does.
    while let Ok(Some(_)) = stream.message().await {}
}

#[tokio::test]
async fn a_recording_is_a_baseline_for_the_programs_in_it() {
    let recordings = tempfile::tempdir().unwrap();
    let place = recordings.path().to_owned();
    let fleet = Fleet::start_with(|config| {
        let interval = Duration::from_millis(20);
        config.idle_interval = interval;
        let recording = RecordingConfig::new(place, 64 << 20);
        config.recording = Some(RecordingConfig { interval, ..recording });
    })
    .await;
    let load = Load::start(fleet.path(), "recorded", 1, STEADY);
    tokio::time::sleep(Duration::from_millis(2000)).await;
    drop(load);
    fleet.agent.shutdown().await;
    let file = std::fs::read_dir(recordings.path()).unwrap().next().unwrap().unwrap().path();

    let fleet = Fleet::start_with(|config| {
        quick(config);
        config.detection.as_mut().unwrap().recording = Some(file.clone());
    })
    .await;
    let _load = Load::start(fleet.path(), "recorded", 1, SLOW);
    let _other = Load::start(fleet.path(), "other", 1, SLOW);
    let mut stream = watch(&fleet, true).await;
    let found = next(&mut stream, |_| true).await;
    assert_eq!((found.executable.as_str(), found.class.as_str()), ("recorded", "C7"));
    let path = file.to_str().unwrap();
    assert!(found.summary.contains(path), "{found:?}");
    assert!(known(&fleet).await.iter().all(|it| it.executable == "recorded"));
}

#[tokio::test]
async fn an_agent_that_does_not_look_says_so() {
    let fleet = Fleet::start_with(|config| config.detection = None).await;
    let request = WatchFindingsRequest::default();
    let refused = fleet.client.clone().watch_findings(request).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::FailedPrecondition);
    assert!(refused.message().contains("--detect on"), "{refused}");
}

#[tokio::test]
async fn a_baseline_that_is_none_is_named_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = AgentConfig::for_directory(directory.path());
    let recording = Some(directory.path().join("missing.hakrec"));
    config.detection = Some(DetectionConfig { recording, ..DetectionConfig::default() });
    let error = RunningAgent::start(config).await.unwrap_err().to_string();
    assert!(error.starts_with("--baseline: cannot read ") && error.contains("missing"), "{error}");
}
