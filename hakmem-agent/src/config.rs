//! What an agent is told: where to look, how often, where to serve, how much to keep.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use hakmem_reader::directory::SHARED_MEMORY;
pub use hakmem_reader::directory::default_directory;

/// Where Prometheus finds the agent unless it is told otherwise.
pub const DEFAULT_HTTP_PORT: u16 = 9847;

/// Everything an agent can be told.
///
/// The default serves nothing: it is what an embedding program starts from. What the command
/// `hakmem-agent` serves by default is in its help.
#[derive(Clone, Debug)]
pub struct AgentConfig {
    /// Directories with segments. They need not exist yet.
    pub directories: Vec<PathBuf>,
    /// A directory whose sub-directories `hakmem-*` are watched as well: for root all whose names
    /// and owners agree, for others their own.
    pub directory_of_all_users: Option<PathBuf>,
    /// Unix socket for gRPC; `None` opens none.
    pub unix_socket: Option<PathBuf>,
    /// Loopback address for gRPC; `None` opens none, port 0 lets the system choose.
    pub tcp: Option<SocketAddr>,
    /// Loopback address for HTTP; `None` opens none, port 0 lets the system choose.
    pub http: Option<SocketAddr>,
    /// Names besides `localhost` and addresses under which HTTP is served.
    pub http_hosts: Vec<String>,
    /// Whether HTTP tells every user of the machine the arguments, labels and keys of all
    /// processes.
    pub http_shows_arguments: bool,
    /// Time between two samples of a process that somebody watches.
    pub watched_interval: Duration,
    /// Time between two samples of a process that nobody watches.
    pub idle_interval: Duration,
    /// Processes of one user that get a `pid` label in the metrics, for as long as they run; further
    /// ones are summed per executable and `pid` is empty.
    pub max_processes_with_pid_label: usize,
    /// Segments of ended processes to keep of each user in each directory; older ones are removed first.
    pub keep_ended: usize,
    /// Age, counted from the last write, after which segments of ended processes are removed.
    pub keep_ended_for: Duration,
    /// What is kept in memory of every process's past.
    pub history: HistoryConfig,
    /// Where and how much to record all the time; `None` records nothing.
    pub recording: Option<RecordingConfig>,
    /// How to look for paths that became slower; `None` does not look.
    pub detection: Option<DetectionConfig>,
    /// What the files, directories and requests of one user may make the agent do.
    pub per_owner: OwnerBudget,
}

/// What the files, directories and requests of one user may make the agent do. What is beyond it is
/// left out or put off, and counted in `hakmem_agent_refused_total`.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnerBudget {
    /// Segments that are followed.
    pub processes: usize,
    /// Bytes of memory that the newest samples of all of them take. Another copy or two exist while
    /// a sample is taken, in streams and in the history.
    pub sample_bytes: usize,
    /// Directories that are looked into, besides those of the configuration.
    pub directories: usize,
    /// Names of segments that are known in one directory.
    pub names: usize,
    /// Executables that have a sum of their own in the metrics at a time.
    pub executables: usize,
    /// Part of a processor that listing and sampling may take.
    pub processor_share: f64,
    /// Processor time that may be saved and taken at once.
    pub burst: Duration,
    /// Processor time that sampling may take in one round; a sample that is not finished by then
    /// goes on in the next.
    pub round: Duration,
    /// Lines of the log in an hour.
    pub log_lines: u32,
    /// Requests that may wait at a time.
    pub requests: usize,
    /// Requests a second, once those of a second were saved and taken at once.
    pub requests_per_second: u32,
    /// Streams at a time.
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

/// What programs are compared with while they run, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetectionConfig {
    /// The current window. It is at least ten times the interval of samples.
    pub window: Duration,
    /// The program's own past before it, which is the baseline.
    pub baseline: Duration,
    /// The least of that past that must be there.
    pub baseline_min: Duration,
    /// Time between two comparisons of a program.
    pub interval: Duration,
    /// Comparisons in a row that begin a finding. As many as fill a window tell what lasts from
    /// what wanders; a leak takes as long as the baseline.
    pub begin_after: u32,
    /// Comparisons in a row that end it.
    pub end_after: u32,
    /// A recording that is another baseline, for the executables in it.
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
    /// How far back it goes; 0 keeps none.
    pub span: Duration,
    /// Bytes that it may take for all processes together; 0 keeps none.
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

/// Recordings that the agent makes by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingConfig {
    /// Directory for the files; it is made if it does not exist.
    pub directory: PathBuf,
    /// Bytes that all files together may take; the oldest are removed first.
    pub bytes_max: u64,
    /// Time between two samples of a process.
    pub interval: Duration,
    /// Age at which a file is closed and the next one begun.
    pub file_span: Duration,
}

impl RecordingConfig {
    /// Recordings in `directory`, a sample a second and a file an hour.
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
    /// The default, but looking only at `directory`.
    pub fn for_directory(directory: impl Into<PathBuf>) -> Self {
        Self {
            directories: vec![directory.into()],
            directory_of_all_users: None,
            ..Self::default()
        }
    }
}
