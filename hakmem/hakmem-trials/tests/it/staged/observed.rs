//! The samples of a program that an agent takes.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hakmem_agent::{AgentConfig, RunningAgent};
use hakmem_diagnosis::Series;
use hakmem_proto::v1::telemetry_client::TelemetryClient;
use hakmem_proto::v1::{GetProcessRequest, ListProcessesRequest, Process, ProcessFilter};
use tonic::transport::Channel;

use crate::live::Running;
use crate::scratch;

/// Time between two samples.
const INTERVAL: Duration = Duration::from_millis(100);
/// Time for threads to begin, and for lists to grow to what the load needs.
const WARM_UP: Duration = Duration::from_secs(1);
/// How long a program may take to appear.
const PATIENCE: Duration = Duration::from_secs(20);

/// A program and its settings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    /// Argument of `bench_staged --changed`.
    pub(super) changed: &'static str,
    /// Argument of `bench_staged --blocks`.
    pub(super) blocks: &'static str,
    /// An environment variable.
    pub(super) setting: Option<(&'static str, &'static str)>,
}

impl Default for Load {
    fn default() -> Self {
        Self { changed: "nothing", blocks: "300", setting: None }
    }
}

/// Runs the load and samples it for `window`, or longer if the machine is so busy that samples come
/// late.
pub(super) fn observe(load: &Load, window: Duration) -> Series {
    let directory = scratch::segments_directory();
    let mut command = Command::new(hakmem_built::benchmark("bench_staged"));
    command
        .args(["--changed", load.changed, "--blocks", load.blocks, "--seconds", "600"])
        .env("LD_PRELOAD", hakmem_built::preload_library())
        .env("HAKMEM_DIR", directory.path())
        .envs(load.setting)
        .stdout(Stdio::null());
    let _program = Running::start(&mut command, "cargo should have built it");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime starts").block_on(async {
        let config = AgentConfig {
            watched_interval: INTERVAL,
            idle_interval: INTERVAL,
            ..AgentConfig::for_directory(directory.path())
        };
        let agent = RunningAgent::start(config).await.expect("the agent starts");
        let series = sampled(TelemetryClient::new(agent.connect().await), window).await;
        agent.shutdown().await;
        series
    })
}

async fn sampled(mut client: TelemetryClient<Channel>, window: Duration) -> Series {
    let key = first_key(&mut client).await;
    tokio::time::sleep(WARM_UP).await;
    let wanted = (window.as_millis() / INTERVAL.as_millis()) as usize;
    let begin = Instant::now();
    let mut samples: Vec<Process> = Vec::new();
    while samples.len() < wanted && begin.elapsed() < window + PATIENCE {
        let request = GetProcessRequest { key: key.clone() };
        let answer = client.get_process(request).await.expect("the program runs").into_inner();
        let sample = answer.process.expect("an answer has a process");
        // The agent's clock and this loop are not in step: the same sample may come twice.
        if samples.last().is_none_or(|last| last.sampled_at != sample.sampled_at) {
            samples.push(sample);
        }
        tokio::time::sleep(INTERVAL).await;
    }
    let identity = samples.last().and_then(|sample| sample.identity.clone()).unwrap_or_default();
    Series { identity, samples, ..Series::default() }
}

async fn first_key(client: &mut TelemetryClient<Channel>) -> String {
    let begin = Instant::now();
    loop {
        let request = ListProcessesRequest { filter: Some(ProcessFilter::default()) };
        let answer = client.list_processes(request).await.expect("the agent answers");
        if let Some(process) = answer.into_inner().processes.into_iter().next() {
            return process.key;
        }
        assert!(begin.elapsed() < PATIENCE, "no program appeared within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
