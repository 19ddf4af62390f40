//! An agent that goes away and comes back.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hakmem_agent::{AgentConfig, RunningAgent};
use hakmem_proto::v1 as proto;
use hakmem_top::source::endpoint::Endpoint;
use hakmem_top::source::event::{Event, FeedEvent};
use hakmem_top::source::feed::{self, Wish};
use tokio::sync::{mpsc, watch};

use crate::command::segments;

async fn start_agent(segments: &Path, socket: &Path) -> RunningAgent {
    let config = AgentConfig {
        unix_socket: Some(socket.to_owned()),
        ..AgentConfig::for_directory(segments)
    };
    RunningAgent::start(config).await.expect("the agent starts")
}

/// The next event of the feed that `wanted` accepts.
async fn next<T>(events: &mut mpsc::Receiver<Event>, wanted: impl Fn(FeedEvent) -> Option<T>) -> T {
    let search = async {
        loop {
            match events.recv().await.expect("the feed goes on") {
                Event::Feed(event) => {
                    if let Some(found) = wanted(event) {
                        return found;
                    }
                }
                other => panic!("a feed does not send {other:?}"),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), search).await.expect("it comes in time")
}

fn update(event: FeedEvent) -> Option<()> {
    matches!(event, FeedEvent::Update(..)).then_some(())
}

fn lost(event: FeedEvent) -> Option<(String, u32)> {
    match event {
        FeedEvent::Lost { reason, attempts } => Some((reason, attempts)),
        _ => None,
    }
}

#[tokio::test]
async fn a_lost_agent_is_reported_and_found_again() {
    let segments = segments();
    let socket = segments.path().join("agent.sock");
    let agent = start_agent(segments.path(), &socket).await;
    let wish = Wish {
        filter: proto::ProcessFilter::default(),
        overview_ms: 50,
        detail_ms: 50,
        focus: None,
        compare: None,
    };
    let (_wish, wished) = watch::channel(wish);
    let (sender, mut events) = mpsc::channel(64);
    tokio::spawn(feed::run(Arc::new(Endpoint::Unix(socket.clone())), wished, sender));
    next(&mut events, update).await;

    agent.shutdown().await;
    let (_, attempts) = next(&mut events, lost).await;
    assert_eq!(attempts, 1);
    let (reason, _) = next(&mut events, |it| lost(it).filter(|(_, attempts)| *attempts == 2)).await;
    assert!(reason.contains("is hakmem-agent running?"), "{reason}");

    let _agent = start_agent(segments.path(), &socket).await;
    next(&mut events, update).await;
}

#[tokio::test]
async fn a_capture_goes_on_when_the_agent_comes_back() {
    use hakmem_reader::Class;
    use hakmem_reader::fixture::{FixtureProcess, SegmentWriter, bin_of};
    use hakmem_recording::{Recording, RecordingWriter, Window};
    use hakmem_top::source::capture::{CaptureSpec, Until, capture};

    let segments = segments();
    let socket = segments.path().join("agent.sock");
    let mut program = SegmentWriter::create(segments.path(), &FixtureProcess::new("lasting"));
    let slot = program.take_slot(42, "main");
    let brief = SegmentWriter::create(segments.path(), &FixtureProcess::new("brief"));
    let mut allocate = |blocks| program.slot(slot).allocate(bin_of(Class::C7), blocks);
    allocate(10);
    let agent = start_agent(segments.path(), &socket).await;
    let path = segments.path().join("a.recording");
    let writer = RecordingWriter::create(&path, Default::default()).unwrap();
    let filter = proto::ProcessFilter::default();
    let spec = CaptureSpec { filter, interval_ms: 50, since: 0.0 };
    let (until, wished) = watch::channel(Until::Further);
    let endpoint = Arc::new(Endpoint::Unix(socket.clone()));
    let capturing = tokio::spawn(capture(endpoint, spec, writer, wished));
    let sees = async |blocks: u64| {
        let find = async {
            loop {
                let recording = Recording::open(&path).unwrap();
                let series = recording.series(Window::ALL, |it| it.executable == "lasting");
                let last = series.first().and_then(|it| it.samples.last()?.totals);
                if last.is_some_and(|it| it.allocations == blocks) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), find).await.expect("it is recorded in time");
    };
    sees(10).await;
    agent.shutdown().await;
    allocate(5);
    brief.exit(0);
    let _agent = start_agent(segments.path(), &socket).await;
    sees(15).await;
    until.send_replace(Until::Now);
    let captured = capturing.await.unwrap().unwrap();
    assert_eq!((captured.interruptions, captured.processes), (1, 2));
    let recording = Recording::open(&path).unwrap();
    assert!(recording.is_complete() && recording.damage().is_empty());
}

#[tokio::test]
async fn a_comparison_that_cannot_be_made_says_why_and_the_stream_goes_on() {
    let segments = segments();
    let socket = segments.path().join("agent.sock");
    let _agent = start_agent(segments.path(), &socket).await;
    let (wish, wished) = watch::channel(Wish { overview_ms: 50, ..Wish::default() });
    let (sender, mut events) = mpsc::channel(64);
    tokio::spawn(feed::run(Arc::new(Endpoint::Unix(socket)), wished, sender));
    wish.send_modify(|wish| wish.compare = Some(("gone".into(), 0)));
    let compared = |event| match event {
        FeedEvent::Compared(compared) => Some(*compared),
        _ => None,
    };
    let reason = next(&mut events, compared).await.expect_err("there is no such process");
    assert!(reason.contains("no process has the key"), "{reason}");
    let update = |event| matches!(event, FeedEvent::Update(..)).then_some(());
    next(&mut events, update).await;
}
