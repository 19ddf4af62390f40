//! The commands that record, compare and check, and their answers.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::scratch;

/// Seconds for which a checked program runs.
const CHECKED_SECONDS: u64 = 3;
/// Largest number of baselines, which the checks share.
const BASELINES: u64 = 4;
/// Runs per check.
const RUNS: &str = "3";

/// The answer of a command.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) verdict: String,
    /// The kind of the first cause; empty if there is none.
    pub(super) kind: String,
    pub(super) headline: String,
}

/// A folder for recordings, and how many commands run at once.
pub(super) struct Bench {
    folder: tempfile::TempDir,
    at_once: usize,
}

impl Bench {
    pub(super) fn new(at_once: usize) -> Self {
        // Built before several threads ask for them at once.
        hakmem_built::top();
        hakmem_built::preload_library();
        hakmem_built::benchmark("bench_stages");
        Self { folder: tempfile::tempdir().expect("a folder can be made"), at_once }
    }

    /// Compares recordings of a stage, `seconds` seconds long each: before with after the change,
    /// and before with before.
    pub(super) fn diffs(
        &self,
        stage: &str,
        seconds: u64,
        times: u64,
    ) -> (Vec<Answer>, Vec<Answer>) {
        let seeds: Vec<u64> = (1..=times).collect();
        let before = self.each(&seeds, |seed| self.record(stage, false, seed, seconds));
        let after = self.each(&seeds, |seed| self.record(stage, true, seed + 1_000, seconds));
        let diff = |before: &PathBuf, after: &PathBuf| {
            self.diff(&before.display().to_string(), &after.display().to_string())
        };
        let changed = before.iter().zip(&after).map(|(before, after)| diff(before, after));
        let next = before.iter().cycle().skip(1);
        let same = before.iter().zip(next).map(|(before, after)| diff(before, after));
        let answers = (changed.collect(), same.collect());
        before.iter().chain(&after).for_each(|path| drop(std::fs::remove_file(path)));
        answers
    }

    /// Checks a stage against baselines: after the change, and before it.
    pub(super) fn checks(&self, stage: &str, times: u64) -> (Vec<Answer>, Vec<Answer>) {
        let baseline = |seed: u64| self.folder.path().join(format!("{stage}-{seed}-base.hakrec"));
        let seeds: Vec<u64> = (1..=times).collect();
        self.each(&seeds[..seeds.len().min(BASELINES as usize)], |seed| {
            let load = Load { stage, changed: false, seed, seconds: CHECKED_SECONDS };
            let updated = self.check(&load, &baseline(seed), &["--update"]);
            assert!(updated.status.success(), "{}", text(&updated.stderr));
        });
        let against = |changed: bool| {
            self.each(&seeds, |seed| {
                let load = Load { stage, changed, seed: seed + 50, seconds: CHECKED_SECONDS };
                let base = baseline(1 + (seed - 1) % BASELINES.min(times));
                answer(&self.check(&load, &base, &["--json"]))
            })
        };
        (against(true), against(false))
    }

    /// Records a program that runs for `seconds` seconds.
    pub(super) fn record(&self, stage: &str, changed: bool, seed: u64, seconds: u64) -> PathBuf {
        let path = self.folder.path().join(format!("{stage}-{changed}-{seed}.hakrec"));
        let directory = scratch::segments_directory();
        let mut command = self.top(directory.path());
        command.args(["record", "--force", "-o"]).arg(&path);
        let load = Load { stage, changed, seed, seconds };
        let recorded = run(command.arg("--").args(load.words()));
        assert!(recorded.status.success(), "{}", text(&recorded.stderr));
        path
    }

    /// Compares two sides.
    pub(super) fn diff(&self, before: &str, after: &str) -> Answer {
        let directory = scratch::segments_directory();
        answer(&run(self.top(directory.path()).args(["diff", "--json", before, after])))
    }

    fn check(&self, load: &Load, baseline: &Path, options: &[&str]) -> Output {
        let directory = scratch::segments_directory();
        let mut command = self.top(directory.path());
        command.args(["check", "--runs", RUNS, "--baseline"]).arg(baseline).args(options);
        run(command.arg("--").args(load.words()))
    }

    fn top(&self, directory: &Path) -> Command {
        let mut command = Command::new(hakmem_built::top());
        command
            .arg("--library")
            .arg(hakmem_built::preload_library())
            .arg("--directory")
            .arg(directory);
        command
    }

    /// Does `work` for each seed, with as many at once as the bench allows.
    pub(super) fn each<T: Send>(&self, seeds: &[u64], work: impl Fn(u64) -> T + Sync) -> Vec<T> {
        let work = &work;
        let batches = seeds.chunks(self.at_once);
        let done = batches.flat_map(|batch| {
            std::thread::scope(|scope| {
                let running: Vec<_> =
                    batch.iter().map(|&seed| scope.spawn(move || work(seed))).collect();
                let ended = running.into_iter().map(|it| it.join().expect("a command runs"));
                ended.collect::<Vec<T>>()
            })
        });
        done.collect()
    }
}

/// A program that runs a stage.
struct Load<'a> {
    stage: &'a str,
    changed: bool,
    seed: u64,
    seconds: u64,
}

impl Load<'_> {
    fn words(&self) -> Vec<String> {
        let program = hakmem_built::benchmark("bench_stages").display().to_string();
        let mut words = vec![program, "--stage".to_owned(), self.stage.to_owned()];
        words.extend(["--seed".to_owned(), self.seed.to_string()]);
        words.extend(["--seconds".to_owned(), self.seconds.to_string()]);
        words.extend(self.changed.then(|| "--changed".to_owned()));
        words
    }
}

fn run(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().expect("the command was built")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn answer(output: &Output) -> Answer {
    let document: serde_json::Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}{}", text(&output.stdout), text(&output.stderr)));
    let word = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    Answer {
        verdict: word(&document["verdict"]),
        kind: word(&document["causes"][0]["kind"]),
        headline: word(&document["headline"]),
    }
}
