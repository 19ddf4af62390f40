//! Sockets and addresses: who may listen, and who may ask.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use hakmem_agent::{AgentConfig, RunningAgent, StartError};
use hakmem_proto::v1::ListProcessesRequest;
use hakmem_proto::v1::telemetry_client::TelemetryClient;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::fleet::{Fleet, program};

async fn connect(socket: &Path) -> Channel {
    let socket = socket.to_owned();
    let connector = tower::service_fn(move |_: tonic::transport::Uri| {
        let socket = socket.clone();
        async move { UnixStream::connect(socket).await.map(hyper_util::rt::TokioIo::new) }
    });
    Endpoint::from_static("http://agent.local").connect_with_connector(connector).await.unwrap()
}

fn config(directory: &Path, socket: PathBuf) -> AgentConfig {
    AgentConfig { unix_socket: Some(socket), ..AgentConfig::for_directory(directory) }
}

#[tokio::test]
async fn the_owner_sees_their_processes_through_the_socket() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("new/agent.sock");
    let place = socket.clone();
    let fleet = Fleet::start_with(|config| config.unix_socket = Some(place)).await;
    let _writer = program(fleet.path(), "mine", 1);
    fleet.key_of("mine").await;
    let mut client = TelemetryClient::new(connect(&socket).await);
    let answer = client.list_processes(ListProcessesRequest::default()).await.unwrap();
    assert_eq!(answer.into_inner().processes.len(), 1);

    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let is_root = rustix::process::geteuid().is_root();
    let expected = if is_root { (0o666, 0o755) } else { (0o600, 0o700) };
    assert_eq!((mode(&socket), mode(socket.parent().unwrap())), expected);
    fleet.agent.shutdown().await;
    assert!(!socket.exists(), "a shutdown removes the socket");
}

#[tokio::test]
async fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("agent.sock");
    // Closing a listener leaves its file behind, as a killed agent does.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let config = config(directory.path(), socket.clone());
    let first = RunningAgent::start(config.clone()).await.unwrap();
    let error = RunningAgent::start(config).await.unwrap_err();
    assert!(matches!(error, StartError::Socket(_)), "{error:?}");
    let message = error.to_string();
    assert!(message.starts_with("an agent is already listening on"), "{message}");
    connect(&socket).await;
    first.shutdown().await;
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("important");
    std::fs::write(&place, "data").unwrap();
    let error = RunningAgent::start(config(directory.path(), place.clone())).await.unwrap_err();
    assert!(error.to_string().contains("is not a socket; remove it"), "{error}");
    assert_eq!(std::fs::read_to_string(place).unwrap(), "data");
}

#[tokio::test]
async fn only_loopback_addresses_are_served() {
    let directory = tempfile::tempdir().unwrap();
    for option in ["tcp", "http"] {
        let mut config = AgentConfig::for_directory(directory.path());
        let everywhere = Some("0.0.0.0:0".parse().unwrap());
        if option == "tcp" {
            config.tcp = everywhere
        } else {
            config.http = everywhere
        }
        let error = RunningAgent::start(config).await.unwrap_err().to_string();
        assert!(error.contains("0.0.0.0:0 is not a loopback address"), "{error}");
        assert!(error.contains("use 127.0.0.1"), "{error}");
    }
}

#[tokio::test]
async fn tcp_serves_when_asked_with_health_and_reflection() {
    let fleet = Fleet::start_with(|config| config.tcp = Some("127.0.0.1:0".parse().unwrap())).await;
    let address = fleet.agent.tcp_address().unwrap();
    let channel =
        Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
    let service = "hakmem.v1.Telemetry".to_owned();
    let health = HealthClient::new(channel.clone()).check(HealthCheckRequest { service }).await;
    assert_eq!(health.unwrap().into_inner().status, 1, "serving");

    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let requests = tokio_stream::iter([request]);
    let mut client = ServerReflectionClient::new(channel);
    let mut answers = client.server_reflection_info(requests).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response;
    let Some(MessageResponse::ListServicesResponse(list)) = answer else { panic!("{answer:?}") };
    let services: Vec<&str> = list.service.iter().map(|service| service.name.as_str()).collect();
    assert!(services.contains(&"hakmem.v1.Telemetry"), "{services:?}");
}
