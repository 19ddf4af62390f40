//! Looks at the service as an agent does.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hakmem_agent::{AgentConfig, RunningAgent};
use hakmem_proto::v1::telemetry_client::TelemetryClient;
use hakmem_proto::v1::{ListProcessesRequest, Process};

/// A program that is ended with its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().expect("the program runs");
        self.0.wait().expect("it is this test's child");
    }
}

/// Sends a request to `address` and returns the whole answer.
fn ask(address: &str, request: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    let head = format!("{request} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    write!(stream, "{head}Content-Length: {length}\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test]
async fn a_service_is_seen_with_the_labels_that_it_sets_and_counts_its_answers() {
    let directory = tempfile::tempdir_in("/dev/shm").unwrap();
    let mut config = AgentConfig::for_directory(directory.path());
    config.http = None;
    let agent = RunningAgent::start(config).await.unwrap();
    let mut client = TelemetryClient::new(agent.connect().await);
    let service = Command::new(env!("CARGO_BIN_EXE_service"))
        .arg("127.0.0.1:0")
        .env("HAKMEM_DIR", directory.path())
        .stdout(Stdio::piped())
        .spawn();
    let mut service = Running(service.unwrap());
    let mut line = String::new();
    BufReader::new(service.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening on ").unwrap();

    let answer = ask(address, "POST /words", "a word and a word");
    assert!(answer.ends_with("2 a\n1 and\n2 word\n"), "{answer}");
    assert!(answer.contains("\r\nx-allocations: "), "{answer}");
    assert!(ask(address, "GET /metrics", "").contains("\nwords_allocations_total "));

    let begun = Instant::now();
    let process: Process = loop {
        let request = ListProcessesRequest::default();
        let all = client.list_processes(request).await.unwrap().into_inner().processes;
        let has_address =
            |it: &Process| it.identity.as_ref().is_some_and(|it| it.labels.contains_key("address"));
        if let Some(process) = all.into_iter().find(has_address) {
            break process;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "no agent sees the label");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let identity = process.identity.unwrap();
    assert_eq!((&*identity.labels["service"], &*identity.labels["address"]), ("words", address));
    assert_eq!(identity.program_name(), "service");
    agent.shutdown().await;
}
