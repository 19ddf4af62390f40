//! The command `hakmem-agent`.

#![forbid(unsafe_code)]

mod arguments;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Parser as _;
use hakmem_agent::RunningAgent;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};

use arguments::Arguments;

/// It samples thousands of threads a second, which is little but allocation.
#[global_allocator]
static ALLOCATOR: hakmem::Silent = hakmem::Silent;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    raise_limit_of_open_files();
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    tracing_subscriber::fmt()
        .with_ansi(colours)
        .with_max_level(arguments.log)
        .with_writer(std::io::stderr)
        .with_target(false)
        .init();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hakmem-agent: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Every running process takes a descriptor, and the usual soft limit is 1024. What cannot be
/// raised is reported when it is reached.
fn raise_limit_of_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let _ = setrlimit(Resource::Nofile, raised);
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(4)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        // Handlers first: a signal during the start must not leave a socket file behind.
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let agent = RunningAgent::start(arguments.config()).await?;
        log_addresses(&agent);
        let signal = first(&mut interrupt, &mut terminate).await;
        tracing::info!("{signal}: shutting down");
        agent.shutdown().await;
        Ok(())
    })
}

async fn first(interrupt: &mut Signal, terminate: &mut Signal) -> &'static str {
    tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    }
}

fn log_addresses(agent: &RunningAgent) {
    if let Some(path) = agent.unix_socket() {
        tracing::info!("gRPC on {}", path.display());
    }
    if let Some(address) = agent.tcp_address() {
        tracing::info!("gRPC on {address}");
    }
    if let Some(address) = agent.http_address() {
        tracing::info!("metrics on http://{address}/metrics");
    }
}
