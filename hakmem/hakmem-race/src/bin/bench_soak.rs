//! Runs programs under the library for hours, with an agent; see `--help`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use hakmem_race::command_line;
use hakmem_race::soak::Soak;

/// Runs programs under hakmem for hours, with an agent beside them.
///
/// Some programs run all the time; others end, are killed or crash. The agent is scraped every
/// second and restarted now and then. Memory, descriptors and files must stay constant, counters
/// must never fall, and identity and conservation must hold in every sample. The exit code is 1 if
/// any of this is violated.
#[derive(Debug, clap::Parser)]
#[command(name = "bench_soak")]
struct Options {
    /// Length of the run
    #[arg(long, default_value_t = 7200, value_parser = clap::value_parser!(u64).range(5..=86_000))]
    seconds: u64,
    /// How long an agent lives before it is restarted
    #[arg(long, default_value_t = 900, value_parser = clap::value_parser!(u64).range(2..=86_000))]
    agent_seconds: u64,
    /// The preload library; otherwise the one beside this program
    #[arg(long, value_name = "PATH")]
    library: Option<PathBuf>,
    /// The agent; otherwise the one beside this program
    #[arg(long, value_name = "PATH")]
    agent: Option<PathBuf>,
}

fn main() -> ExitCode {
    command_line::main("bench_soak", |options: &Options| {
        let programs = command_line::own_folder()?;
        let or = |path: &Option<PathBuf>, name| path.clone().unwrap_or_else(|| programs.join(name));
        let soak = Soak {
            duration: Duration::from_secs(options.seconds),
            agent_life: Duration::from_secs(options.agent_seconds),
            library: or(&options.library, "libhakmem_preload.so"),
            agent: or(&options.agent, "hakmem-agent"),
            programs: programs.clone(),
        };
        let found = soak.run(|after, found| {
            println!(
                "after {} min: {} scrapes, {} samples, {} programs, {} restarts, {} violations",
                after.as_secs() / 60,
                found.scrapes,
                found.samples,
                found.programs,
                found.restarts,
                found.violations.len()
            );
        })?;
        println!(
            "{} scrapes, {} samples, {} programs, {} restarts of the agent; {} violations",
            found.scrapes,
            found.samples,
            found.programs,
            found.restarts,
            found.violations.len()
        );
        found.violations.iter().for_each(|violation| println!("violation: {violation}"));
        Ok(if found.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
    })
}
