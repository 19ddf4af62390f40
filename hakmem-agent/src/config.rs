//! The configuration of an agent: where to look, how often, where to serve, how much to keep.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use hakmem_reader::directory::SHARED_MEMORY;
pub use hakmem_reader::directory::default_directory;

/// The port at which Prometheus finds the agent by default.
pub const DEFAULT_HTTP_PORT: u16 = 9847;

/// The configuration of an agent.
///
/// The default serves nothing: it is the starting point of an embedding program. The help of the
/// command `hakmem-agent` says what the command serves by default.
#[derive(Clone, Debug)]
pub struct AgentConfig {
    /// Directories with segments. They need not exist yet.
    pub directories: Vec<PathBuf>,
    /// A directory whose sub-directories `hakmem-*` are watched as well: for root, all whose names
    /// and owners agree; for other users, only their own.
    pub directory_of_all_users: Option<PathBuf>,
    /// Unix socket for gRPC; `None` opens none.
    pub unix_socket: Option<PathBuf>,
    /// Loopback address for gRPC; `None` opens none, port 0 lets the system choose.
    pub tcp: Option<SocketAddr>,
    /// Loopback address for HTTP; `None` opens none, port 0 lets the system choose.
    pub http: Option<SocketAddr>,
    /// Names under which HTTP is served, in addition to `localhost` and addresses.
    pub http_hosts: Vec<String>,
    /// Whether HTTP shows the arguments, labels and keys of all processes to every user of the
    /// machine.
    pub http_shows_arguments: bool,
    /// Time between two samples of a process that a client watches.
    pub watched_interval: Duration,
    /// Time between two samples of a process that no client watches.
    pub idle_interval: Duration,
    /// Number of processes of one user that get a `pid` label in the metrics, for as long as they
    /// run; further processes are summed by executable and have an empty `pid`.
    pub max_processes_with_pid_label: usize,
    /// Number of segments of ended processes to keep for each user in each directory; older ones
    /// are removed first.
    pub keep_ended: usize,
    /// Age, counted from the last write, after which segments of ended processes are removed.
    pub keep_ended_for: Duration,
    /// How much of every process's past is kept in memory.
    pub history: HistoryConfig,
    /// Where and how much to record all the time; `None` records nothing.
    pub recording: Option<RecordingConfig>,
    /// How to look for paths that became slower; `None` does not look.
    pub detection: Option<DetectionConfig>,
    /// Limits of the work that the files, directories and requests of one user may cause.
    pub per_owner: OwnerBudget,
}

/// Limits of the work that the files, directories and requests of one user may cause. Work beyond
/// them is left out or postponed, and counted in `hakmem_agent_refused_total`.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnerBudget {
    /// Number of followed segments.
    pub processes: usize,
    /// Memory of the newest samples of all these segments, in bytes. One or two more copies exist
    /// while a sample is taken, in streams and in the history.
    pub sample_bytes: usize,
    /// Number of directories to look into, in addition to those of the configuration.
    pub directories: usize,
    /// Number of known segment names in one directory.
    pub names: usize,
    /// Number of executables that have a sum of their own in the metrics at a time.
    pub executables: usize,
    /// Share of a processor that listing and sampling may take.
    pub processor_share: f64,
    /// Processor time that may be saved and spent at once.
    pub burst: Duration,
    /// Processor time that sampling may take in one round; an unfinished sample continues in the
    /// next.
    pub round: Duration,
    /// Number of log lines in an hour.
    pub log_lines: u32,
    /// Number of requests that may wait at a time.
    pub requests: usize,
    /// Requests a second; the requests of one second may be saved and made at once.
    pub requests_per_second: u32,
    /// Number of streams at a time.
    pub streams: usize,
}

impl Default for OwnerBudget {
    fn default() -> Self {
        Self {
            processes: 4096,
            sample_bytes: 64 << 20,
            directories: 8,
            names: 4096,
            executables: 256,
            processor_share: 0.25,
            burst: Duration::from_millis(250),
            round: Duration::from_millis(25),
            log_lines: 8,
            requests: 64,
            requests_per_second: 1000,
            streams: 64,
        }
    }
}

/// The baselines with which programs are compared while they run, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetectionConfig {
    /// Length of the current window. It is at least ten times the interval of samples.
    pub window: Duration,
    /// Length of the baseline: the program's own past before the window.
    pub baseline: Duration,
    /// Least length of that past for a comparison.
    pub baseline_min: Duration,
    /// Time between two comparisons of a program.
    pub interval: Duration,
    /// Number of successive comparisons that begin a finding. As many as fill a window distinguish
    /// a lasting change from a fluctuation; a leak takes as long as the baseline.
    pub begin_after: u32,
    /// Number of successive comparisons that end a finding.
    pub end_after: u32,
    /// A recording that serves as another baseline, for the executables in it.
    pub recording: Option<PathBuf>,
}

impl Default for DetectionConfig {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(30),
            baseline: Duration::from_secs(300),
            baseline_min: Duration::from_secs(60),
            interval: Duration::from_secs(5),
            begin_after: 6,
            end_after: 5,
            recording: None,
        }
    }
}

/// Limits of the history in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryConfig {
    /// Length of the kept past; 0 keeps none.
    pub span: Duration,
    /// Limit in bytes for all processes together; 0 keeps none.
    pub bytes_max: usize,
    /// Time between two samples of a process.
    pub interval: Duration,
}

impl Default for HistoryConfig {
    fn default() -> Self {
        Self {
            span: Duration::from_secs(3600),
            bytes_max: 32 << 20,
            interval: Duration::from_secs(1),
        }
    }
}

/// Settings of the recordings that the agent makes by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingConfig {
    /// Directory for the files; it is created if it does not exist.
    pub directory: PathBuf,
    /// Limit of the bytes of all files together; the oldest files are removed first.
    pub bytes_max: u64,
    /// Time between two samples of a process.
    pub interval: Duration,
    /// Age at which a file is closed and the next one is begun.
    pub file_span: Duration,
}

impl RecordingConfig {
    /// Recordings in `directory`, with a sample a second and a file an hour.
    pub fn new(directory: impl Into<PathBuf>, bytes_max: u64) -> Self {
        Self {
            directory: directory.into(),
            bytes_max,
            interval: Duration::from_secs(1),
            file_span: Duration::from_secs(3600),
        }
    }
}

impl Default for AgentConfig {
    fn default() -> Self {
        let everyone = rustix::process::geteuid().is_root();
        let is_told = std::env::var_os("HAKMEM_DIR").is_some_and(|directory| !directory.is_empty());
        Self {
            directories: vec![default_directory()],
            directory_of_all_users: (everyone || !is_told).then(|| SHARED_MEMORY.into()),
            unix_socket: None,
            tcp: None,
            http: None,
            http_hosts: Vec::new(),
            http_shows_arguments: false,
            watched_interval: Duration::from_millis(100),
            idle_interval: Duration::from_secs(1),
            max_processes_with_pid_label: 64,
            keep_ended: 64,
            keep_ended_for: Duration::from_secs(3600),
            history: HistoryConfig::default(),
            recording: None,
            detection: Some(DetectionConfig::default()),
            per_owner: OwnerBudget::default(),
        }
    }
}

impl AgentConfig {
    /// The default, but watching only `directory`.
    pub fn for_directory(directory: impl Into<PathBuf>) -> Self {
        Self {
            directories: vec![directory.into()],
            directory_of_all_users: None,
            ..Self::default()
        }
    }
}
