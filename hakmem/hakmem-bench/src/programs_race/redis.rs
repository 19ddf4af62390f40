//! Runs redis-server under the allocator, and redis-benchmark beside it under none.
//!
//! Every run has a server of its own. The benchmark is timed; processor time and memory are those
//! of the server, its start included.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::peak;
use crate::programs_race::run::{Outcome, Run, RunError};

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

/// A server, killed when the value is dropped unless the server has ended before.
struct Server {
    child: Child,
    has_ended: bool,
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

/// Runs the benchmark against a new server.
pub(super) fn run(run: &Run<'_>, linker: Option<&Path>) -> Result<Outcome, RunError> {
    let socket = run.prepared.folder.join(SOCKET);
    let mut command = run.command(linker)?;
    command.arg("--unixsocket").arg(&socket);
    let child = command.spawn().map_err(|error| run.system(error))?;
    let mut server = Server { child, has_ended: false };
    wait_until_it_answers(run, &mut server, &socket)?;
    let start = Instant::now();
    let output = benchmark(&socket, run.prepared.load)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| run.system(error))?;
    let wall = start.elapsed();
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(run.wrong(format!("redis-benchmark ended with {}: {message}", output.status)));
    }
    let answer = ask(&socket, "LLEN mylist").map_err(|error| run.system(error))?;
    // The server closes the connection instead of answering.
    let _ = ask(&socket, "SHUTDOWN NOSAVE");
    let account = peak::wait_for(&mut server.child).map_err(|error| run.system(error))?;
    server.has_ended = true;
    if account.exit_code != Some(0) {
        return Err(run.failed(account.exit_code));
    }
    Ok(Outcome { wall, cpu: account.cpu, resident_peak_kib: account.resident_kib, answer })
}

fn benchmark(socket: &Path, requests: u64) -> Command {
    let mut command = Command::new("redis-benchmark");
    command.env_remove("LD_PRELOAD").arg("-s").arg(socket);
    command.args(["-q", "-t", REQUESTS, "-r", KEYS, "-d", VALUE, "-P", UNDER_WAY, "-c", "20"]);
    command.args(["-n", &requests.to_string()]);
    command
}

fn wait_until_it_answers(
    run: &Run<'_>,
    server: &mut Server,
    socket: &Path,
) -> Result<(), RunError> {
    let start = Instant::now();
    while !ask(socket, "PING").is_ok_and(|answer| answer == b"+PONG\r\n") {
        if let Some(status) = server.child.try_wait().map_err(|error| run.system(error))? {
            server.has_ended = true;
            return Err(run.failed(status.code()));
        }
        if start.elapsed() > START_MAX {
            return Err(run.wrong(format!("redis-server is silent after {START_MAX:?}")));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// Sends a command and returns its short answer.
fn ask(socket: &Path, command: &str) -> std::io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(START_MAX))?;
    stream.write_all(format!("{command}\r\n").as_bytes())?;
    let mut answer = vec![0; 256];
    let length = stream.read(&mut answer)?;
    answer.truncate(length);
    Ok(answer)
}
