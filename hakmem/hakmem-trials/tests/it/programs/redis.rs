//! redis-server under redis-benchmark, with the agent watching.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use super::{run_command, summary};
use crate::live::wait_until;
use crate::{http, live, scratch};

const SERVER: &[&str] =
    &["redis-server", "--port", "0", "--save", "", "--appendonly", "no", "--daemonize", "no"];

/// A server that is asked to end, or killed if the test failed before.
struct Server {
    child: Option<Child>,
    socket: String,
}

impl Server {
    fn start(mut command: Command, socket: &Path) -> Self {
        let child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{error}; apt-get install redis-server"));
        let socket = socket.to_str().expect("a path in UTF-8").to_owned();
        let server = Self { child: Some(child), socket };
        wait_until("redis answers", Duration::from_secs(30), || {
            server.client(&["ping"]).stdout == b"PONG\n"
        });
        server
    }

    fn client(&self, words: &[&str]) -> Output {
        let mut command = Command::new("redis-cli");
        command.args(["-s", &self.socket]).args(words);
        command.output().unwrap_or_else(|error| panic!("{error}; apt-get install redis-tools"))
    }

    /// Writes a known set of values and reads it back.
    fn known_answers(&self) -> String {
        let script = "for i = 1, 5000 do \
             redis.call('set', 'k' .. i, string.rep('v', i % 900)); \
             redis.call('rpush', 'list', i); \
             redis.call('hset', 'hash', 'f' .. i, i * 3); \
             redis.call('zadd', 'set', i % 77, 'm' .. i) end; \
             return redis.sha1hex(table.concat(redis.call('lrange', 'list', 0, -1)) .. \
             table.concat(redis.call('zrange', 'set', 0, -1)) .. redis.call('get', 'k899'))";
        let answers = [
            self.client(&["flushall"]),
            self.client(&["eval", script, "0"]),
            self.client(&["dbsize"]),
        ];
        let text: Vec<u8> = answers.into_iter().flat_map(|answer| answer.stdout).collect();
        String::from_utf8(text).expect("text")
    }

    /// Ends the server and returns its exit code.
    fn shutdown(mut self) -> Option<i32> {
        self.client(&["shutdown", "nosave"]);
        let child = self.child.take().expect("it runs until here");
        let output = child.wait_with_output().expect("it ends");
        output.status.code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            self.client(&["shutdown", "nosave"]);
            // Both fail only if the server has ended already, which is their purpose.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Allocations of the server that the agent reports to Prometheus, under the name that people know:
/// Debian's executable is a link to `redis-check-rdb`.
fn allocations(agent: SocketAddr) -> u64 {
    let page = http::get(agent, "/metrics", "text/plain").expect("the agent answers").body;
    let of_redis = page.lines().filter(|line| {
        line.starts_with("hakmem_allocations_total{")
            && line.contains("executable=\"redis-server\"")
    });
    of_redis.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

#[test]
fn redis_under_its_benchmark() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let socket = folder.path().join("redis.sock");
    let listen = socket.to_str().expect("a path in UTF-8");
    let words = [SERVER, &["--unixsocket", listen]].concat();

    let mut plain = Command::new(words[0]);
    plain.args(&words[1..]).current_dir(folder.path());
    let plain = Server::start(plain, &socket);
    let expected = plain.known_answers();
    assert!(expected.contains("5003"), "{expected}");
    let expected_code = plain.shutdown();

    let segments = scratch::segments_directory();
    let document = folder.path().join("document.json");
    let (_agent, agent) = live::agent(segments.path());
    let mut command = run_command(segments.path(), &document, &words);
    command.current_dir(folder.path());
    let server = Server::start(command, &socket);
    assert_eq!(server.known_answers(), expected);
    wait_until("the agent sees redis", Duration::from_secs(10), || allocations(agent) > 10_000);
    let before = allocations(agent);
    let benchmark = Command::new("redis-benchmark")
        .args(["-s", listen, "-n", "200000", "-q"])
        .output()
        .expect("redis-benchmark is installed: apt-get install redis-tools");
    assert!(benchmark.status.success(), "{}", String::from_utf8_lossy(&benchmark.stderr));
    let text = String::from_utf8_lossy(&benchmark.stdout);
    assert!(text.matches("requests per second").count() > 10, "{text}");
    let after = allocations(agent);
    assert!(after > before + 1_000_000, "the agent saw {before}, then {after}");
    assert_eq!(server.known_answers(), expected);
    assert_eq!(server.shutdown(), expected_code);

    let processes = summary::read(&document).expect("hakmem-top wrote its document");
    processes.iter().for_each(summary::Process::assert_conserved);
    let redis = summary::busiest(&processes, "redis-");
    redis.assert_plausible(after);
    assert!(redis.class("C1").allocations > 0 && redis.class("C1").frees > 0);
}
