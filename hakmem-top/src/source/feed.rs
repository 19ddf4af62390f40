//! Fetches updates from the agent, and reconnects when the connection is lost.
//!
//! One task holds four streams: all processes with totals, the agent's findings, the process in
//! focus with classes and threads, and its events. A new focus or interval replaces streams, not
//! the connection.

mod recent;

use std::sync::Arc;
use std::time::Duration;

use hakmem_proto::v1 as proto;
use hakmem_proto::v1::telemetry_client::TelemetryClient;
use tokio::sync::{mpsc, watch};
use tonic::transport::Channel;
use tonic::{Status, Streaming};

use crate::model::Stream;
use crate::source::endpoint::Endpoint;
use crate::source::event::{Event, FeedEvent};

/// Delay before the first attempt to reconnect; it doubles up to [`RETRY_MAX`].
const RETRY_FIRST: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(2);

/// The data that the session wants.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wish {
    /// The processes of the overview.
    pub filter: proto::ProcessFilter,
    /// Milliseconds between two updates of the overview.
    pub overview_ms: u32,
    /// Milliseconds between two updates of the process in focus.
    pub detail_ms: u32,
    /// Key of the process in focus.
    pub focus: Option<String>,
    /// Key of the process to compare with its own past, and a number that rises with each request.
    pub compare: Option<(String, u64)>,
}

/// Fetches until the receiver of `events` is dropped.
pub async fn run(
    endpoint: Arc<Endpoint>,
    mut wish: watch::Receiver<Wish>,
    events: mpsc::Sender<Event>,
) {
    let mut attempts = 0;
    let mut retry = RETRY_FIRST;
    loop {
        let reason = match endpoint.channel().await {
            Err(error) => error.to_string(),
            Ok(channel) => {
                let mut streams = Streams::new(channel);
                match streams.follow(&mut wish, &events).await {
                    End::Closed => return,
                    End::Lost { reason, received } => {
                        if received {
                            (attempts, retry) = (0, RETRY_FIRST);
                        }
                        reason
                    }
                }
            }
        };
        attempts += 1;
        let lost = Event::Feed(FeedEvent::Lost { reason, attempts });
        if events.send(lost).await.is_err() {
            return;
        }
        tokio::time::sleep(retry).await;
        retry = (retry * 2).min(RETRY_MAX);
    }
}

/// Why following a connection ended.
enum End {
    /// The receiver of the events is gone.
    Closed,
    /// The agent went away.
    Lost { reason: String, received: bool },
}

/// The streams of one connection; an absent stream never yields.
struct Streams {
    client: TelemetryClient<Channel>,
    overview: Option<Streaming<proto::WatchProcessesResponse>>,
    findings: Option<Streaming<proto::WatchFindingsResponse>>,
    detail: Option<Streaming<proto::WatchProcessesResponse>>,
    events: Option<Streaming<proto::WatchEventsResponse>>,
}

impl Streams {
    fn new(channel: Channel) -> Self {
        let client = TelemetryClient::new(channel);
        Self { client, overview: None, findings: None, detail: None, events: None }
    }

    async fn follow(
        &mut self,
        wish: &mut watch::Receiver<Wish>,
        sender: &mpsc::Sender<Event>,
    ) -> End {
        let mut current = Wish::default();
        let mut received = false;
        loop {
            let wanted = wish.borrow_and_update().clone();
            if let Err(status) = self.open(&current, &wanted, sender).await {
                return End::Lost { reason: said(&status), received };
            }
            current = wanted;
            let end = loop {
                let event = tokio::select! {
                    changed = wish.changed() => {
                        if changed.is_err() {
                            return End::Closed;
                        }
                        break None;
                    }
                    message = next(&mut self.overview) => match message {
                        Ok(Some(it)) => FeedEvent::Update(Stream::Overview, Box::new(it)),
                        Ok(None) => break Some("the agent ended the stream".to_owned()),
                        Err(status) => break Some(said(&status)),
                    },
                    message = next(&mut self.findings) => match message {
                        Ok(Some(it)) => FeedEvent::Findings(Box::new(it)),
                        Ok(None) | Err(_) => { self.findings = None; continue }
                    },
                    message = next(&mut self.detail) => match message {
                        Ok(Some(it)) => FeedEvent::Update(Stream::Detail, Box::new(it)),
                        // The process is gone, which the overview reports.
                        Ok(None) | Err(_) => { self.detail = None; continue }
                    },
                    message = next(&mut self.events) => match message {
                        Ok(Some(it)) => FeedEvent::Events(Box::new(it)),
                        Ok(None) | Err(_) => { self.events = None; continue }
                    },
                };
                received = true;
                if sender.send(Event::Feed(event)).await.is_err() {
                    return End::Closed;
                }
            };
            if let Some(reason) = end {
                return End::Lost { reason, received };
            }
        }
    }

    /// Opens the streams that differ between `current` and `wanted`.
    async fn open(
        &mut self,
        current: &Wish,
        wanted: &Wish,
        sender: &mpsc::Sender<Event>,
    ) -> Result<(), Status> {
        let overview_changed =
            current.overview_ms != wanted.overview_ms || current.filter != wanted.filter;
        let is_first = self.overview.is_none();
        if is_first || overview_changed {
            let request = proto::WatchProcessesRequest {
                filter: Some(wanted.filter.clone()),
                interval_ms: wanted.overview_ms,
                include_threads: false,
                include_classes: false,
            };
            self.overview = Some(self.client.watch_processes(request).await?.into_inner());
            // If the receiver is gone, the next message ends the feed.
            let _ = sender.send(Event::Feed(FeedEvent::OverviewBegin)).await;
        }
        if is_first || current.filter != wanted.filter {
            self.open_findings(&wanted.filter, sender).await?;
        }
        if let Some((key, _)) =
            wanted.compare.clone().filter(|it| current.compare.as_ref() != Some(it))
        {
            let (client, sender) = (self.client.clone(), sender.clone());
            tokio::spawn(async move {
                let compared = recent::compare(client, key).await;
                // If the receiver is gone, nobody needs the comparison.
                let _ = sender.send(Event::Feed(FeedEvent::Compared(Box::new(compared)))).await;
            });
        }
        let new_focus = current.focus != wanted.focus;
        if !new_focus && current.detail_ms == wanted.detail_ms {
            return Ok(());
        }
        let Some(key) = &wanted.focus else {
            (self.detail, self.events) = (None, None);
            return Ok(());
        };
        let filter = proto::ProcessFilter {
            keys: vec![key.clone()],
            include_ended: true,
            ..Default::default()
        };
        let request = proto::WatchProcessesRequest {
            filter: Some(filter.clone()),
            interval_ms: wanted.detail_ms,
            include_threads: true,
            include_classes: true,
        };
        self.detail = Some(self.client.watch_processes(request).await?.into_inner());
        if new_focus || self.events.is_none() {
            let begin = Event::Feed(FeedEvent::EventsBegin { key: key.clone() });
            // If the receiver is gone, the next message ends the feed.
            let _ = sender.send(begin).await;
            let request = proto::WatchEventsRequest {
                filter: Some(filter),
                include_recent: true,
                kinds: Vec::new(),
            };
            self.events = Some(self.client.watch_events(request).await?.into_inner());
        }
        Ok(())
    }
}

impl Streams {
    /// Opens the stream of findings. An agent that is too old, or does not look for findings, has
    /// none.
    async fn open_findings(
        &mut self,
        filter: &proto::ProcessFilter,
        sender: &mpsc::Sender<Event>,
    ) -> Result<(), Status> {
        let filter = proto::ProcessFilter { include_ended: true, ..filter.clone() };
        let request = proto::WatchFindingsRequest { filter: Some(filter), follow: true };
        self.findings = match self.client.watch_findings(request).await {
            Ok(stream) => Some(stream.into_inner()),
            Err(status) if is_without_findings(&status) => None,
            Err(status) => return Err(status),
        };
        if self.findings.is_some() {
            // If the receiver is gone, the next message ends the feed.
            let _ = sender.send(Event::Feed(FeedEvent::FindingsBegin)).await;
        }
        Ok(())
    }
}

fn is_without_findings(status: &Status) -> bool {
    matches!(status.code(), tonic::Code::Unimplemented | tonic::Code::FailedPrecondition)
}

async fn next<T>(stream: &mut Option<Streaming<T>>) -> Result<Option<T>, Status> {
    match stream {
        Some(stream) => stream.message().await,
        None => std::future::pending().await,
    }
}

/// A gRPC status in words for the user.
fn said(status: &Status) -> String {
    match status.code() {
        tonic::Code::Unimplemented => "the agent is older than this program".into(),
        _ if status.message().is_empty() => format!("{:?}", status.code()),
        _ => status.message().to_owned(),
    }
}
