//! Clients that this project did not write, and what they may not do.

use std::io::Write as _;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use hakmem_reader::fixture::{FixtureProcess, SegmentWriter};

use crate::fleet::{Fleet, PATIENCE, program};
use crate::parts::python;
use crate::process::{AgentProcess, wait_for};

#[test]
fn the_grpc_of_another_language_is_served_and_its_mistakes_are_named() {
    let agent = AgentProcess::start(&[], Stdio::null());
    let _writer = program(agent.directory.path(), "mine", 1);
    let series = "hakmem_allocations_total{executable=\"mine\",";
    agent.metric(series);
    python(&["clients", agent.socket.to_str().unwrap()]);
}

/// Reads to the end; `None` if the end does not come in time.
fn read_to_end(stream: &mut (impl std::io::Read + ?Sized)) -> Option<Vec<u8>> {
    let mut told = Vec::new();
    match stream.read_to_end(&mut told) {
        Ok(_) => Some(told),
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => Some(told),
        Err(_) => None,
    }
}

#[test]
fn idle_connections_keep_nobody_out() {
    // Few descriptors, so that connections without a limit would take all of them.
    let limited = ["prlimit", "--nofile=512:512"];
    let agent = AgentProcess::start_by(&limited, &[], Stdio::null());
    wait_for(|| agent.is_up().then_some(()));
    let address = agent.http_address();
    let mut idle: Vec<TcpStream> = (0..400).map(|_| TcpStream::connect(address).unwrap()).collect();
    let mut idle_unix: Vec<UnixStream> =
        (0..400).map(|_| UnixStream::connect(&agent.socket).unwrap()).collect();
    assert!(agent.is_up(), "a page is served beside 400 idle connections");
    // The connections that were silent for the longest time were closed.
    idle[0].set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(read_to_end(&mut idle[0]).as_deref(), Some(&[][..]));
    idle_unix[0].set_read_timeout(Some(PATIENCE)).unwrap();
    // An HTTP/2 server may send first.
    assert!(read_to_end(&mut idle_unix[0]).is_some());
    for (listener, most) in [("http", 64.0), ("grpc_unix", 32.0)] {
        let labels = format!("{{listener=\"{listener}\"");
        assert!(agent.metric(&format!("hakmem_agent_connections{labels}")) <= most);
        let closed = format!("hakmem_agent_closed_connections_total{labels},reason=\"room\"}}");
        wait_for(|| (agent.metric(&closed) >= 400.0 - most).then_some(()));
    }
    let _writer = program(agent.directory.path(), "mine", 1);
    agent.metric("hakmem_allocations_total{executable=\"mine\",");
    python(&["clients", agent.socket.to_str().unwrap()]);
}

#[test]
fn half_a_request_is_not_waited_for() {
    let agent = AgentProcess::start(&[], Stdio::null());
    wait_for(|| agent.is_up().then_some(()));
    let mut half_head = TcpStream::connect(agent.http_address()).unwrap();
    half_head.write_all(b"GET /metrics HTTP/1.1\r\nHost: localh").unwrap();
    let mut half_preface = UnixStream::connect(&agent.socket).unwrap();
    half_preface.write_all(b"PRI * HTTP").unwrap();
    let mut kept_alive = TcpStream::connect(agent.http_address()).unwrap();
    kept_alive.write_all(b"GET /-/ready HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let patience = Some(2 * PATIENCE);
    half_head.set_read_timeout(patience).unwrap();
    half_preface.set_read_timeout(patience).unwrap();
    kept_alive.set_read_timeout(patience).unwrap();
    let told = read_to_end(&mut half_head).expect("the server ends it");
    assert!(!String::from_utf8_lossy(&told).contains("hakmem_"));
    assert!(read_to_end(&mut half_preface).is_some(), "the server ends it");
    let told = read_to_end(&mut kept_alive).expect("the server ends it");
    assert!(told.starts_with(b"HTTP/1.1 200"));
}

/// Sends a request with the given head.
async fn ask(fleet: &Fleet, head: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let address = fleet.agent.http_address().unwrap();
    let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
    connection.write_all(format!("{head}\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_request_for_another_host_is_refused() {
    let fleet = Fleet::start_with(|config| config.http_hosts = vec!["box.example".into()]).await;
    for path in ["/metrics", "/", "/api/v1/snapshot", "/-/healthy", "/nothing"] {
        let get = format!("GET {path} HTTP/1.1\r\nConnection: close\r\nHost: ");
        let answer = ask(&fleet, &format!("{get}rebound.example:9847")).await;
        assert!(answer.starts_with("HTTP/1.1 421") && answer.contains("--http-host"), "{answer}");
        for host in ["localhost", "127.0.0.1:1", "[::1]", "box.example:9847"] {
            let answer = ask(&fleet, &format!("{get}{host}")).await;
            assert!(!answer.starts_with("HTTP/1.1 421"), "{answer}");
        }
    }
    let answer = ask(&fleet, "GET http://rebound.example/metrics HTTP/1.0").await;
    assert!(answer.contains(" 421 "), "{answer}");
    let answer = ask(&fleet, "GET /metrics HTTP/1.0").await;
    assert!(answer.contains(" 200 "), "{answer}");
}

#[tokio::test]
async fn arguments_labels_and_keys_are_for_their_owner_only() {
    let start = async |shows: bool| {
        let fleet = Fleet::start_with(|config| config.http_shows_arguments = shows).await;
        let mut facts = FixtureProcess::new("/usr/bin/server");
        facts.arguments = vec!["server".to_owned(), "--password=hunter2".to_owned()];
        facts.labels = "customer=secretly".to_owned();
        let mut writer = SegmentWriter::create(fleet.path(), &facts);
        writer.take_slot(42, "worker");
        let key = fleet.key_of("/usr/bin/server").await;
        (fleet, writer, key)
    };
    let (fleet, _writer, key) = start(false).await;
    for path in ["/", "/metrics", "/api/v1/snapshot"] {
        let (_, body) = fleet.http(path, "").await;
        for secret in ["hunter2", "secretly", key.as_str()] {
            assert!(!body.contains(secret), "{path} tells {secret}");
        }
    }
    let (_, body) = fleet.http("/api/v1/snapshot", "").await;
    let document: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(document["withheld"], serde_json::json!(["key", "arguments", "labels"]));
    let process = fleet.get(&key).await;
    assert!(process.identity.unwrap().arguments.contains(&"--password=hunter2".to_owned()));

    let (fleet, _writer, key) = start(true).await;
    let (_, body) = fleet.http("/api/v1/snapshot", "").await;
    for told in ["hunter2", "secretly", key.as_str(), "\"withheld\":[]"] {
        assert!(body.contains(told), "{body}");
    }
}
