//! Runs redis-server under the allocator, and redis-benchmark beside it under none.
//!
//! Every run has a server of its own, started by the caller's command; this file does not know
//! whose allocator it calls. The benchmark is timed; processor time and memory are those of the
//! server, its start included.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::peak;
use crate::programs_race::outcome::ProgramOutcome;

/// Sets and reads values, and grows lists and hashes: what most servers of this kind do.
const REQUESTS: &str = "set,get,lpush,hset";

/// Number of keys, which are used at random.
const KEYS: &str = "50000";

/// Bytes of a value.
const VALUE: &str = "256";

/// Requests in flight in one connection. With one at a time, the network would be measured.
const UNDER_WAY: &str = "8";

/// A server that does not answer by then never will.
const START_MAX: Duration = Duration::from_secs(30);

const SOCKET: &str = "redis.sock";

/// Why there is no outcome.
#[derive(Debug)]
pub(super) enum RedisError {
    /// A process does not start, or the socket cannot be used.
    System(io::Error),
    /// The server ended too early or badly: with this exit code, or by a signal.
    ServerEnded(Option<i32>),
    /// The benchmark failed, or the server is silent.
    Failed(String),
}

/// A server, killed when the value is dropped unless the server has ended before.
struct Server {
    child: Child,
    has_ended: bool,
}

impl From<io::Error> for RedisError {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !self.has_ended {
            // Both fail only if the server has ended, which is their purpose.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Runs the benchmark with `requests` requests against the server that `command` starts, which
/// listens in `folder`.
pub(super) fn run(
    mut command: Command,
    folder: &Path,
    requests: u64,
) -> Result<ProgramOutcome, RedisError> {
    let socket = folder.join(SOCKET);
    command.arg("--unixsocket").arg(&socket);
    let mut server = Server { child: command.spawn()?, has_ended: false };
    wait_until_it_answers(&mut server, &socket)?;
    let start = Instant::now();
    let output = benchmark(&socket, requests).stdin(Stdio::null()).output()?;
    let wall = start.elapsed();
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        let message = format!("redis-benchmark ended with {}: {message}", output.status);
        return Err(RedisError::Failed(message));
    }
    let answer = ask(&socket, "LLEN mylist")?;
    // The server closes the connection instead of answering.
    let _ = ask(&socket, "SHUTDOWN NOSAVE");
    let account = peak::wait_for(&mut server.child)?;
    server.has_ended = true;
    if account.exit_code != Some(0) {
        return Err(RedisError::ServerEnded(account.exit_code));
    }
    Ok(ProgramOutcome { wall, cpu: account.cpu, resident_peak_kib: account.resident_kib, answer })
}

fn benchmark(socket: &Path, requests: u64) -> Command {
    let mut command = Command::new("redis-benchmark");
    command.env_remove("LD_PRELOAD").arg("-s").arg(socket);
    command.args(["-q", "-t", REQUESTS, "-r", KEYS, "-d", VALUE, "-P", UNDER_WAY, "-c", "20"]);
    command.args(["-n", &requests.to_string()]);
    command
}

fn wait_until_it_answers(server: &mut Server, socket: &Path) -> Result<(), RedisError> {
    let start = Instant::now();
    while !ask(socket, "PING").is_ok_and(|answer| answer == b"+PONG\r\n") {
        if let Some(status) = server.child.try_wait()? {
            server.has_ended = true;
            return Err(RedisError::ServerEnded(status.code()));
        }
        if start.elapsed() > START_MAX {
            let message = format!("redis-server is silent after {START_MAX:?}");
            return Err(RedisError::Failed(message));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// Sends a command and returns its short answer.
fn ask(socket: &Path, command: &str) -> io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(START_MAX))?;
    stream.write_all(format!("{command}\r\n").as_bytes())?;
    let mut answer = vec![0; 256];
    let length = stream.read(&mut answer)?;
    answer.truncate(length);
    Ok(answer)
}
