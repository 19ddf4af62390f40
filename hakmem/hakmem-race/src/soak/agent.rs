//! The agent of a soak: it is started, scraped, measured and stopped.

use std::collections::{HashMap, HashSet};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::curve::Curves;
use super::{Findings, Soak, SoakError, status_kib};

/// Time until an agent must answer, or end.
const PATIENCE: Duration = Duration::from_secs(20);

/// One agent, from its start to its restart.
#[derive(Debug)]
pub(super) struct Agent {
    child: Child,
    address: SocketAddr,
    begun: Instant,
    /// The last value of every series that must only rise.
    counters: HashMap<String, f64>,
}

impl Agent {
    pub(super) fn start(soak: &Soak, folder: &Path) -> Result<Self, SoakError> {
        let failed = |error| SoakError::Start { program: soak.agent.display().to_string(), error };
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|it| it.local_addr());
        let address = free.map_err(failed)?;
        let mut command = Command::new(&soak.agent);
        command.arg("--directory").arg(folder).args(["--socket", "off", "--log", "warn"]);
        // The agent's history fills up soon, so that its memory can be judged.
        command.args(["--history-minutes", "1", "--http", &address.to_string()]);
        let child = command.stdin(Stdio::null()).spawn().map_err(failed)?;
        Ok(Self { child, address, begun: Instant::now(), counters: HashMap::new() })
    }

    pub(super) fn age(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Reads `/metrics` as a Prometheus does, and compares the counters with those of the last
    /// scrape.
    pub(super) fn scrape(&mut self, found: &mut Findings) {
        let Some(page) = get(self.address, "/metrics") else {
            if self.age() > PATIENCE {
                found.add("the agent does not answer".to_owned());
            }
            return;
        };
        found.scrapes += 1;
        for (series, value) in rising(&page) {
            let last = self.counters.insert(series.to_owned(), value).unwrap_or(value);
            if value < last {
                found.add(format!("{series} falls from {last} to {value}"));
            }
        }
    }

    pub(super) fn measure(&self, curves: &mut Curves) {
        let pid = self.child.id();
        curves.note("resident KiB of the agent", status_kib(pid, "VmRSS:"));
        let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd"));
        let descriptors = descriptors.map_or(0, |entries| entries.count() as u64);
        curves.note("descriptors of the agent", descriptors);
    }

    /// Asks the agent to end, and adds a violation unless it exits with success.
    pub(super) fn stop(mut self, found: &mut Findings) {
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            match self.child.try_wait() {
                Ok(Some(status)) if status.success() => return,
                Ok(Some(status)) => return found.add(format!("the agent ended: {status}")),
                _ => std::thread::sleep(Duration::from_millis(20)),
            }
        }
        found.add("the agent does not end when it is asked to".to_owned());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn get(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    (head.split_whitespace().nth(1) == Some("200")).then(|| body.to_owned())
}

/// Series of counters and histograms with their values, from `page` in text format.
fn rising(page: &str) -> impl Iterator<Item = (&str, f64)> {
    let rises = |line: &&str| line.ends_with(" counter") || line.ends_with(" histogram");
    let types = page.lines().filter(|line| line.starts_with("# TYPE ")).filter(rises);
    let families: HashSet<&str> = types.filter_map(|line| line.split(' ').nth(2)).collect();
    page.lines().filter(|line| !line.starts_with('#')).filter_map(move |line| {
        let (series, value) = line.rsplit_once(' ')?;
        let name = series.split('{').next()?;
        let family = ["_total", "_bucket", "_count", "_sum"]
            .into_iter()
            .find_map(|suffix| name.strip_suffix(suffix))
            .unwrap_or(name);
        let rises = families.contains(name) || families.contains(family);
        rises.then_some(()).and_then(|()| Some((series, value.parse().ok()?)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_and_histograms_are_followed_and_gauges_are_not() {
        let page = "# TYPE a_total counter\na_total{x=\"1 2\"} 3\n# TYPE b gauge\nb 4\n\
                    # TYPE c histogram\nc_bucket{le=\"1\"} 5\nc_sum 0.5\nc_count 6\n";
        let found: Vec<_> = rising(page).collect();
        let expected = [
            ("a_total{x=\"1 2\"}", 3.0),
            ("c_bucket{le=\"1\"}", 5.0),
            ("c_sum", 0.5),
            ("c_count", 6.0),
        ];
        assert_eq!(found, expected);
    }
}
