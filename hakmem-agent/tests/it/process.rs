//! The command as a process, and the servers it runs.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::fleet::PATIENCE;

/// An agent that watches a directory of its own; it is killed at the end.
pub(crate) struct AgentProcess {
    pub(crate) directory: TempDir,
    pub(crate) socket: PathBuf,
    pub(crate) child: Child,
}

impl AgentProcess {
    /// Starts an agent, with HTTP at a port that the system chooses.
    pub(crate) fn start(arguments: &[&str], stderr: Stdio) -> Self {
        Self::start_by(&[], arguments, stderr)
    }

    /// Starts an agent by another command: the agent's own words follow `prefix`.
    pub(crate) fn start_by(prefix: &[&str], arguments: &[&str], stderr: Stdio) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("agent.sock");
        let mut words: Vec<&str> = prefix.to_vec();
        words.push(env!("CARGO_BIN_EXE_hakmem-agent"));
        let child = Command::new(words[0])
            .args(&words[1..])
            .arg("--directory")
            .arg(directory.path())
            .arg("--socket")
            .arg(&socket)
            .args(["--http", "127.0.0.1:0"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .unwrap();
        Self { directory, socket, child }
    }

    /// The address at which it serves HTTP, as the system reports it, because its log may go
    /// nowhere.
    pub(crate) fn http_address(&self) -> SocketAddr {
        wait_for(|| self.listening_address())
    }

    fn listening_address(&self) -> Option<SocketAddr> {
        let pid = self.child.id();
        let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.flatten();
        let links = descriptors.filter_map(|entry| std::fs::read_link(entry.path()).ok());
        let inodes: Vec<String> = links
            .filter_map(|link| {
                let inode = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
                Some(inode.to_owned())
            })
            .collect();
        let table = std::fs::read_to_string(format!("/proc/{pid}/net/tcp")).ok()?;
        table.lines().find_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            // Local address, state (0A listens) and inode.
            let (local, state, inode) = (words.get(1)?, words.get(3)?, words.get(9)?);
            let port = local.strip_prefix("0100007F:")?;
            let is_ours = *state == "0A" && inodes.iter().any(|ours| ours == inode);
            let port = is_ours.then(|| u16::from_str_radix(port, 16).ok()).flatten()?;
            Some(SocketAddr::from(([127, 0, 0, 1], port)))
        })
    }

    /// The answer to a request, if there is one.
    pub(crate) fn http(&self, path: &str) -> Option<String> {
        let mut connection = TcpStream::connect(self.http_address()).ok()?;
        connection.set_read_timeout(Some(PATIENCE)).unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        connection.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    /// The value of a series that exists or will exist.
    pub(crate) fn metric(&self, series: &str) -> f64 {
        wait_for(|| {
            let page = self.http("/metrics")?;
            let line = page.lines().find(|line| line.starts_with(series))?;
            line.rsplit(' ').next()?.parse().ok()
        })
    }

    pub(crate) fn is_up(&self) -> bool {
        self.http("/-/ready").is_some_and(|answer| answer.starts_with("HTTP/1.1 200"))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        wait_for(|| self.child.try_wait().unwrap())
    }
}

impl Drop for AgentProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks until there is an answer.
pub(crate) fn wait_for<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begin.elapsed() < 2 * PATIENCE, "it did not happen within {:?}", 2 * PATIENCE);
        std::thread::sleep(Duration::from_millis(10));
    }
}
