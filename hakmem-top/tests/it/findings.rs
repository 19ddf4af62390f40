//! The agent's findings about running programs: they are told, shown, and opened with the command
//! that they name.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use hakmem_agent::config::{DetectionConfig, HistoryConfig};
use hakmem_agent::{AgentConfig, RunningAgent};
use hakmem_reader::fixture::{FixtureProcess, SegmentWriter, bin_of};
use hakmem_reader::{AllocReason, Class, FreeReason, Outcome};
use hakmem_top::model::{FindingList, is_ongoing};
use hakmem_top::source::endpoint::Endpoint;
use hakmem_top::source::event::{Event, FeedEvent};
use hakmem_top::source::feed::{self, Wish};
use tokio::sync::{mpsc, watch};

const STEP: Duration = Duration::from_millis(20);

/// An agent that detects regressions within seconds, at a path with a blank.
async fn agent(segments: &Path, socket: &Path) -> RunningAgent {
    let detection = DetectionConfig {
        window: Duration::from_millis(1000),
        baseline: Duration::from_millis(1500),
        baseline_min: Duration::from_millis(1000),
        interval: Duration::from_millis(100),
        ..DetectionConfig::default()
    };
    let config = AgentConfig {
        unix_socket: Some(socket.to_owned()),
        watched_interval: STEP,
        idle_interval: STEP,
        history: HistoryConfig { span: Duration::ZERO, ..HistoryConfig::default() },
        detection: Some(detection),
        ..AgentConfig::for_directory(segments)
    };
    RunningAgent::start(config).await.expect("the agent starts")
}

/// Allocates and frees until `stop`. Each round has 20 fast pairs of calls, and `slow` slow ones.
fn work(mut writer: SegmentWriter, slow: &AtomicU64, stop: &AtomicBool) {
    let bin = bin_of(Class::C7);
    let main = writer.take_slot(42, "main");
    while !stop.load(Ordering::Relaxed) {
        let slot = writer.slot(main);
        for _ in 0..slow.load(Ordering::Relaxed) {
            slot.allocate_slow(bin, AllocReason::RefillCentral, 0);
            slot.duration(Class::C7, 1000);
            slot.free_slow(bin, FreeReason::FlushFull, Outcome::Map, 0);
            slot.duration(Class::C7, 1000);
        }
        for _ in 0..20 {
            slot.allocate(bin, 16);
            slot.free(bin, 16);
        }
        std::thread::sleep(STEP / 2);
    }
}

/// Reads findings until one is ongoing.
async fn first(events: &mut mpsc::Receiver<Event>) -> FindingList {
    let mut findings = FindingList::default();
    let search = async {
        while findings.ongoing() == 0 {
            match events.recv().await.expect("the feed goes on") {
                Event::Feed(FeedEvent::FindingsBegin) => findings.begin_stream(),
                Event::Feed(FeedEvent::Findings(update)) => {
                    assert!(findings.is_watched(), "a stream begins before it tells anything");
                    findings.merge(*update);
                }
                _ => {}
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), search).await.expect("it is found in time");
    findings
}

/// Runs a command line as a user would paste it.
fn paste(line: &str) -> Output {
    let top = Path::new(env!("CARGO_BIN_EXE_hakmem-top")).parent().unwrap();
    let path = format!("{}:/usr/bin:/bin", top.display());
    Command::new("sh").args(["-c", line]).env("PATH", path).output().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_finding_is_in_the_model_and_its_command_opens_its_diff() {
    let segments = tempfile::tempdir().unwrap();
    let socket = segments.path().join("an agent's.sock");
    let agent = agent(segments.path(), &socket).await;
    let writer = SegmentWriter::create(segments.path(), &FixtureProcess::new("/opt/$(x)/prog"));
    let (slow, stop) = (Arc::new(AtomicU64::new(1)), Arc::new(AtomicBool::new(false)));
    let load = std::thread::spawn({
        let (slow, stop) = (Arc::clone(&slow), Arc::clone(&stop));
        move || work(writer, &slow, &stop)
    });
    let (_wish, wish) = watch::channel(Wish { overview_ms: 50, ..Wish::default() });
    let (sender, mut events) = mpsc::channel(64);
    let endpoint = Arc::new(Endpoint::Unix(socket.clone()));
    let feed = tokio::spawn(feed::run(endpoint, wish, sender));
    tokio::time::sleep(Duration::from_millis(4000)).await;
    slow.store(30, Ordering::Relaxed);

    let findings = first(&mut events).await;
    let finding = findings.ordered()[0].clone();
    assert!(is_ongoing(&finding) && finding.executable.ends_with("/prog"), "{finding:?}");
    let since = finding.since.unwrap();
    let named = format!(" diff finding:{}@{since}", finding.id);
    assert!(finding.command.ends_with(&named), "{finding:?}");
    // The agent keeps the samples that it compared, even after the history has dropped them.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let command = finding.command.clone();
    let opened = tokio::task::spawn_blocking(move || paste(&command)).await.unwrap();
    let said = String::from_utf8_lossy(&opened.stdout).into_owned();
    let complained = String::from_utf8_lossy(&opened.stderr).into_owned();
    assert_eq!(opened.status.code(), Some(1), "{said}{complained}");
    assert!(said.starts_with("regressed: "), "{said}");
    let other = format!("{}0", finding.command);
    let opened = tokio::task::spawn_blocking(move || paste(&other)).await.unwrap();
    let complained = String::from_utf8_lossy(&opened.stderr).into_owned();
    assert_eq!(opened.status.code(), Some(64), "{complained}");
    let unknown = finding.command.replace(&format!("finding:{}@", finding.id), "finding:999@");
    let opened = tokio::task::spawn_blocking(move || paste(&unknown)).await.unwrap();
    let complained = String::from_utf8_lossy(&opened.stderr).into_owned();
    assert_eq!(opened.status.code(), Some(66), "{complained}");
    assert!(complained.contains("has no finding 999"), "{complained}");

    feed.abort();
    stop.store(true, Ordering::Relaxed);
    load.join().unwrap();
    agent.shutdown().await;
}
