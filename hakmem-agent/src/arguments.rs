//! The command line of `hakmem-agent`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Parser;
use hakmem_agent::AgentConfig;
use hakmem_agent::config::{
    DEFAULT_HTTP_PORT, DetectionConfig, HistoryConfig, OwnerBudget, RecordingConfig,
};

/// Watches programs that run under hakmem and serves their telemetry over gRPC and to Prometheus.
///
/// Exit codes: 0 after SIGTERM, SIGINT, SIGHUP or another signal that ends it, 1 if it cannot start
/// or one of its parts broke, 2 for a wrong command line. Under nohup, SIGHUP is ignored.
#[derive(Debug, Parser)]
#[command(name = "hakmem-agent", version)]
pub(crate) struct Arguments {
    /// Directory with segments; may be given several times [default: $HAKMEM_DIR or
    /// /dev/shm/hakmem-<uid>*, and for root all of /dev/shm/hakmem-*]
    #[arg(long, value_name = "DIR")]
    directory: Vec<PathBuf>,
    /// Unix socket for gRPC, or "off" [default: $XDG_RUNTIME_DIR/hakmem-agent.sock, without that
    /// directory /tmp/hakmem-agent-UID/agent.sock, for root /run/hakmem-agent/agent.sock]
    #[arg(long, value_name = "PATH|off")]
    socket: Option<PathBuf>,
    /// Serve gRPC on this loopback address too; every user of this machine can then see all that
    /// the agent sees
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
    /// Loopback address for /metrics and the JSON snapshot, or "off"
    #[arg(long, value_name = "ADDR:PORT|off", default_value_t = Http::default())]
    http: Http,
    /// Another name under which HTTP is served, besides localhost and addresses; may be given
    /// several times
    #[arg(long, value_name = "NAME")]
    http_host: Vec<String>,
    /// Show arguments, labels and keys of processes over HTTP, to every user of this machine
    #[arg(long)]
    http_arguments: bool,
    /// Milliseconds between two samples of a watched process
    #[arg(long, value_name = "MS", default_value_t = 100,
        value_parser = clap::value_parser!(u64).range(10..=60_000))]
    interval: u64,
    /// Milliseconds between two samples of an unwatched process
    #[arg(long, value_name = "MS", default_value_t = 1000,
        value_parser = clap::value_parser!(u64).range(10..=600_000))]
    idle_interval: u64,
    /// Number of a user's processes with a pid label in /metrics, for as long as they run; further
    /// ones are summed per executable
    #[arg(long, value_name = "N", default_value_t = 64)]
    max_pids: usize,
    /// Number of segments of ended processes to keep, for each user in each directory
    #[arg(long, value_name = "N", default_value_t = 64)]
    keep_ended: usize,
    /// Minutes after which segments of ended processes are removed
    #[arg(long, value_name = "MINUTES", default_value_t = 60,
        value_parser = clap::value_parser!(u64).range(..=5_000_000))]
    keep_minutes: u64,
    /// Minutes of each process's history to keep in memory, or 0
    #[arg(long, value_name = "MINUTES", default_value_t = 60,
        value_parser = clap::value_parser!(u64).range(..=10_080))]
    history_minutes: u64,
    /// Mebibytes that the history of all processes may take, or 0
    #[arg(long, value_name = "MIB", default_value_t = 32,
        value_parser = clap::value_parser!(u64).range(..=65_536))]
    history_mib: u64,
    /// Record everything to files in this directory, at least one per user and hour; only root and
    /// the agent's own user can read them
    #[arg(long, value_name = "DIR")]
    record_dir: Option<PathBuf>,
    /// Mebibytes that those files may take; the oldest files of the user who takes most are removed
    /// first
    #[arg(long, value_name = "MIB", default_value_t = 1024, requires = "record_dir",
        value_parser = clap::value_parser!(u64).range(1..=16_777_216))]
    record_mib: u64,
    /// Whether to look for paths that became slower while programs run; findings are served over
    /// gRPC and as hakmem_path_regression_seconds
    #[arg(long, value_name = "on|off", value_enum, default_value_t = Switch::On)]
    detect: Switch,
    /// Seconds of the present window, which is compared with the baseline
    #[arg(long, value_name = "SECONDS", default_value_t = 30,
        value_parser = clap::value_parser!(u64).range(5..=3600))]
    detect_window: u64,
    /// Seconds of the baseline, the window before; comparing begins once 60 of them have passed, or
    /// all
    #[arg(long, value_name = "SECONDS", default_value_t = 300,
        value_parser = clap::value_parser!(u64).range(10..=86_400))]
    detect_baseline: u64,
    /// A recording to compare with as well, for the executables that it contains
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Processes of one user that are followed. Work beyond one of these limits is refused or
    /// postponed, and counted in hakmem_agent_refused_total
    #[arg(long, value_name = "N", help_heading = LIMITS, default_value_t = 4096,
        value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    user_processes: u64,
    /// Directories of one user that are scanned, besides those that --directory names
    #[arg(long, value_name = "N", help_heading = LIMITS, default_value_t = 8,
        value_parser = clap::value_parser!(u64).range(1..=10_000))]
    user_directories: u64,
    /// Executables of one user that have a sum of their own in /metrics at a time
    #[arg(long, value_name = "N", help_heading = LIMITS, default_value_t = 256,
        value_parser = clap::value_parser!(u64).range(1..=100_000))]
    user_executables: u64,
    /// Hundredths of a processor that listing and sampling may take for one user
    #[arg(long, value_name = "PERCENT", help_heading = LIMITS, default_value_t = 25,
        value_parser = clap::value_parser!(u64).range(1..=100))]
    user_cpu: u64,
    /// Milliseconds of processor time that samples may take for one user before others have their
    /// turn; unfinished samples continue in the next round
    #[arg(long, value_name = "MS", help_heading = LIMITS, default_value_t = 25,
        value_parser = clap::value_parser!(u64).range(1..=10_000))]
    user_round: u64,
    /// Mebibytes of memory that the newest samples of one user may take
    #[arg(long, value_name = "MIB", help_heading = LIMITS, default_value_t = 64,
        value_parser = clap::value_parser!(u64).range(1..=65_536))]
    user_mib: u64,
    /// Requests per second that one user may make
    #[arg(long, value_name = "N", help_heading = LIMITS, default_value_t = 1000,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    user_requests: u32,
    /// Streams that one user may have at a time
    #[arg(long, value_name = "N", help_heading = LIMITS, default_value_t = 64,
        value_parser = clap::value_parser!(u64).range(1..=100_000))]
    user_streams: u64,
    /// Log lines that the files of one user may cause in an hour
    #[arg(long, value_name = "N", help_heading = LIMITS, default_value_t = 8,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    user_log_lines: u32,
    /// What to log: off, error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub(crate) log: tracing::level_filters::LevelFilter,
}

/// Heading of the options that limit the work one user can cause.
const LIMITS: &str = "Limits for each user";

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Switch {
    On,
    Off,
}

/// An address, or `off`.
#[derive(Clone, Copy, Debug)]
struct Http(Option<SocketAddr>);

impl Default for Http {
    fn default() -> Self {
        Self(Some(SocketAddr::from(([127, 0, 0, 1], DEFAULT_HTTP_PORT))))
    }
}

impl std::fmt::Display for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(address) => address.fmt(f),
            None => f.write_str("off"),
        }
    }
}

impl FromStr for Http {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self(None));
        }
        let address = text.parse().map_err(|_| {
            format!("give \"off\" or an address with a port, such as 127.0.0.1:{DEFAULT_HTTP_PORT}")
        })?;
        Ok(Self(Some(address)))
    }
}

impl Arguments {
    /// The configuration that the arguments ask for.
    pub(crate) fn config(&self) -> AgentConfig {
        let defaults = AgentConfig::default();
        let unix_socket = match &self.socket {
            None => Some(hakmem_agent::default_socket()),
            Some(off) if off.as_os_str() == "off" => None,
            Some(path) => Some(path.clone()),
        };
        let config = AgentConfig {
            unix_socket,
            tcp: self.listen,
            http: self.http.0,
            http_hosts: self.http_host.clone(),
            http_shows_arguments: self.http_arguments,
            watched_interval: Duration::from_millis(self.interval),
            idle_interval: Duration::from_millis(self.idle_interval.max(self.interval)),
            max_processes_with_pid_label: self.max_pids,
            keep_ended: self.keep_ended,
            keep_ended_for: Duration::from_secs(self.keep_minutes * 60),
            history: HistoryConfig {
                span: Duration::from_secs(self.history_minutes * 60),
                bytes_max: usize::try_from(self.history_mib << 20).unwrap_or(usize::MAX),
                ..defaults.history
            },
            recording: self
                .record_dir
                .as_ref()
                .map(|directory| RecordingConfig::new(directory, self.record_mib << 20)),
            detection: (self.detect == Switch::On).then(|| self.detection()),
            per_owner: self.owner_budget(),
            ..defaults
        };
        if self.directory.is_empty() {
            return config;
        }
        AgentConfig { directories: self.directory.clone(), directory_of_all_users: None, ..config }
    }

    fn owner_budget(&self) -> OwnerBudget {
        let number = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
        OwnerBudget {
            processes: number(self.user_processes),
            sample_bytes: number(self.user_mib << 20),
            directories: number(self.user_directories),
            executables: number(self.user_executables),
            processor_share: self.user_cpu as f64 / 100.0,
            round: Duration::from_millis(self.user_round),
            log_lines: self.user_log_lines,
            requests_per_second: self.user_requests,
            streams: number(self.user_streams),
            ..OwnerBudget::default()
        }
    }

    fn detection(&self) -> DetectionConfig {
        DetectionConfig {
            window: Duration::from_secs(self.detect_window),
            baseline: Duration::from_secs(self.detect_baseline),
            recording: self.baseline.clone(),
            ..DetectionConfig::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory as _;
        Arguments::command().debug_assert();
    }

    #[test]
    fn directories_replace_the_default_ones() {
        let arguments =
            Arguments::parse_from(["hakmem-agent", "--directory", "a", "--directory", "b"]);
        let config = arguments.config();
        assert_eq!(config.directories, [PathBuf::from("a"), PathBuf::from("b")]);
        assert_eq!(config.directory_of_all_users, None);
        assert_eq!(config.http.map(|address| address.port()), Some(DEFAULT_HTTP_PORT));
    }

    #[test]
    fn detection_can_be_tuned_and_off() {
        let config = |words: &[&str]| {
            Arguments::parse_from(std::iter::once(&"hakmem-agent").chain(words)).config()
        };
        assert_eq!(config(&[]).detection, Some(DetectionConfig::default()));
        assert_eq!(config(&["--detect", "off"]).detection, None);
        let words = ["--detect-window", "10", "--detect-baseline", "90", "--baseline", "x.hakrec"];
        let tuned = config(&words).detection.unwrap();
        assert_eq!((tuned.window.as_secs(), tuned.baseline.as_secs()), (10, 90));
        assert_eq!(tuned.recording, Some(PathBuf::from("x.hakrec")));
    }

    #[test]
    fn limits_for_each_user_have_the_defaults_of_the_library_and_can_be_set() {
        let budget = |words: &[&str]| {
            let words = std::iter::once(&"hakmem-agent").chain(words);
            Arguments::parse_from(words).config().per_owner
        };
        assert_eq!(budget(&[]), OwnerBudget::default());
        let words = "--user-processes 1 --user-mib 2 --user-directories 3 --user-executables 4 \
                     --user-cpu 50 --user-round 6 --user-log-lines 7 --user-requests 8 \
                     --user-streams 9";
        let expected = OwnerBudget {
            processes: 1,
            sample_bytes: 2 << 20,
            directories: 3,
            executables: 4,
            processor_share: 0.5,
            round: Duration::from_millis(6),
            log_lines: 7,
            requests_per_second: 8,
            streams: 9,
            ..OwnerBudget::default()
        };
        assert_eq!(budget(&words.split_whitespace().collect::<Vec<_>>()), expected);
    }

    #[test]
    fn listeners_can_be_off() {
        let arguments = Arguments::parse_from(["hakmem-agent", "--http", "off", "--socket", "off"]);
        let config = arguments.config();
        assert_eq!((config.http, config.unix_socket), (None, None));
    }
}
