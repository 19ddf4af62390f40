//! The command `hakmem-agent`.

#![forbid(unsafe_code)]

mod arguments;
mod signals;

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use hakmem_agent::RunningAgent;
use hakmem_agent::log::Log;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio_util::sync::CancellationToken;

use arguments::Arguments;
use signals::Signals;

/// The agent samples thousands of threads a second, and that work consists mostly of allocation.
#[global_allocator]
static ALLOCATOR: hakmem::Silent = hakmem::Silent;

/// Time limit for writing the last lines of the log.
const LOG_PATIENCE: Duration = Duration::from_secs(1);
/// Time limit for an orderly end; after that the process exits at once.
const END_PATIENCE: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    raise_limit_of_open_files();
    let Ok(log) = Log::start() else {
        // Without a thread for the log, there is no way to report the error.
        return ExitCode::FAILURE;
    };
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    log.take_events(arguments.log, colours);
    let panicked = CancellationToken::new();
    tell_of_panics(panicked.clone());
    let code = match run(&arguments, panicked) {
        Ok(code) => code,
        Err(error) => {
            log.say(&format!("hakmem-agent: {error:#}"));
            ExitCode::FAILURE
        }
    };
    log.flush(LOG_PATIENCE);
    code
}

/// Raises the soft limit of open files, which is usually 1024, because every running process takes
/// a descriptor. Reaching a limit that cannot be raised is reported when it happens.
fn raise_limit_of_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let _ = setrlimit(Resource::Nofile, raised);
}

/// Logs panics and ends the agent, whichever thread panics. The default hook would write to
/// standard error and could block there forever, so that the thread would neither work nor die.
fn tell_of_panics(panicked: CancellationToken) {
    std::panic::set_hook(Box::new(move |panic| {
        tracing::error!("{panic}");
        if !panicked.is_cancelled() {
            panicked.cancel();
            end_after_patience();
        }
    }));
}

/// Ends the process if an orderly end takes too long: it may be waiting for a part that is dead.
fn end_after_patience() {
    let end = || {
        std::thread::sleep(END_PATIENCE);
        std::process::exit(1);
    };
    // Without the thread there is no time limit, but the end may still be orderly.
    let _ = std::thread::Builder::new().name("hakmem-end".to_owned()).spawn(end);
}

fn run(arguments: &Arguments, panicked: CancellationToken) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(4)
        .enable_all()
        .build()?;
    let code = runtime.block_on(async {
        // The handlers come first: a signal during the start must not leave a socket file behind.
        let mut signals = Signals::new()?;
        let agent = RunningAgent::start(arguments.config()).await?;
        log_addresses(&agent);
        let code = tokio::select! {
            signal = signals.next() => {
                tracing::info!("{signal}: shutting down");
                ExitCode::SUCCESS
            }
            part = agent.failed() => {
                tracing::error!("ending, because {part} broke; start the agent again");
                ExitCode::FAILURE
            }
            () = panicked.cancelled() => {
                tracing::error!("ending, because a part of the agent broke; start it again");
                ExitCode::FAILURE
            }
        };
        end_after_patience();
        agent.shutdown().await;
        Ok::<_, anyhow::Error>(code)
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    code
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
