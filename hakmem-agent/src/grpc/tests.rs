use hakmem_reader::fixture::{FixtureProcess, SegmentWriter};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::admission::Admission;
use crate::config::AgentConfig;
use crate::failure::Failure;
use crate::history::History;
use crate::refusals::Refusals;
use crate::sampler::Sampler;
use crate::state::interest::Interests;
use crate::status::StatusReporter;

/// A sampler, and the state that servers share with it.
fn shared(directory: &std::path::Path) -> (Sampler, Arc<Shared>) {
    let config = Arc::new(AgentConfig::for_directory(directory));
    let interests = Arc::new(Interests::default());
    let history = Arc::new(History::new(config.history));
    let refusals = Arc::new(Refusals::default());
    let all = (Arc::clone(&interests), Arc::clone(&history), Arc::clone(&refusals));
    let failure = Arc::new(Failure::default());
    let sampler = Sampler::start(&config, all.0, all.1, all.2, &failure).unwrap();
    let admission = Admission::new(&config.per_owner, Arc::clone(&refusals));
    let status = StatusReporter::new(Arc::clone(&config), Arc::clone(&history)).into();
    let view: watch::Receiver<_> = sampler.view();
    let shared = Shared {
        config,
        view,
        sampler: sampler.handle(),
        interests,
        history,
        findings: Arc::default(),
        refusals,
        users: crate::users::Users::default(),
        admission,
        recording: Arc::default(),
        stop: CancellationToken::new(),
        scrapes: 0.into(),
        failure,
        status,
        connections: Vec::new(),
    };
    (sampler, Arc::new(shared))
}

#[tokio::test]
async fn processes_and_histories_of_others_are_as_unknown_as_those_that_never_were() {
    let directory = tempfile::tempdir().unwrap();
    let writer = SegmentWriter::create(directory.path(), &FixtureProcess::new("mine"));
    let (_sampler, shared) = shared(directory.path());
    let service = TelemetryService::new(Arc::clone(&shared), Gate::Open);
    let mut view = shared.view.clone();
    view.wait_for(|view| !view.processes.is_empty()).await.unwrap();
    let key = shared.current().processes.keys().next().unwrap().to_string();
    let owner = shared.current().processes[key.as_str()].owner();
    assert!(service.known(Viewer::User(owner), &key).is_ok());
    assert!(service.known(Viewer::Everyone, &key).is_ok());
    let refused = service.known(Viewer::User(owner + 1), &key).unwrap_err();
    assert_eq!(refused.code(), tonic::Code::NotFound);
    assert_eq!(refused.message(), unknown(&key).message());
    // Every call without a key fails in the same way.
    let nameless = service.get_history(Request::new(GetHistoryRequest::default())).await;
    assert_eq!(nameless.unwrap_err().code(), tonic::Code::InvalidArgument);
    // At the unix socket this request needs credentials, too.
    let gated = TelemetryService::new(shared, Gate::PeerCredentials);
    let request = Request::new(GetHistoryRequest { key, ..Default::default() });
    let refused = gated.get_history(request).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unauthenticated);
    let request = Request::new(WatchFindingsRequest::default());
    let refused = gated.watch_findings(request).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unauthenticated);
    drop(writer);
}

#[test]
fn an_excerpt_is_short_whatever_it_is_of() {
    assert_eq!(excerpt("1-2-3"), "1-2-3");
    assert_eq!(excerpt("a\nb"), "a\\nb");
    let long = excerpt(&"\u{1b}".repeat(3_000_000));
    assert!(long.len() < 1000 && long.ends_with('…'), "{long}");
}
