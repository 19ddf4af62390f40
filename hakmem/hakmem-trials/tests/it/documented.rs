//! The commands in the pages of the repository work.
//!
//! Every command of every `sh` block in every Markdown file is run, or it stands in [`NOT_RUN`]
//! with the reason. The commands of one page run one after the other in one folder, which has the
//! files that they name. Commands that build or test the repository are CI's own: of them the
//! script and the packages must exist.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::scratch;

/// Seconds that one command may take.
const SECONDS_MAX: &str = "30";

/// Beginnings of commands that are not run, and why; `hakmem-top` stands for itself alone.
const NOT_RUN: [(&str, &str); 21] = [
    ("hakmem-top demo", "needs a terminal"),
    ("hakmem-top", "needs a terminal and an agent"),
    ("env $(hakmem-top env) redis-server &", "starts a server; `programs.rs` runs it"),
    ("hakmem-agent &", "takes a port of the machine; `live.rs` asks an agent on a free one"),
    ("curl -s http://127.0.0.1:9847/metrics", "asks the agent on that port"),
    ("git diff main", "needs a change of the repository"),
    ("sudo install", "installs"),
    ("install -D", "installs"),
    ("hakmem/hakmem-c/install", "installs; `hakmem-c` tests it"),
    ("callgrind_annotate", "needs the file of the command before"),
    ("LD_PRELOAD=target/release/libhakmem_preload.so valgrind", "takes half a minute"),
    ("hakmem-top diff day.hakrec@", "needs a recording of these times of the day"),
    ("hakmem-top diff monday.hakrec 4242", "needs that process"),
    ("hakmem-top diff --name redis agent@", "needs the past of an agent"),
    ("hakmem-top record -o day.hakrec --name redis", "needs that process"),
    ("hakmem-top cut day.hakrec", "needs a recording of these times of the day"),
    ("cargo run", "builds, and needs a terminal"),
    ("cargo add", "needs a program to add the library to"),
    ("cargo build", "builds what this test was built with"),
    ("cargo install", "installs"),
    ("cargo test", "tests what is being tested"),
];

/// Commands whose exit code is an answer: unchanged, regressed or not enough data.
const ANSWERS: [&str; 2] = ["hakmem-top diff monday.hakrec tuesday.hakrec", "hakmem-top check"];

/// Programs that pages use as examples, with what they do here.
const EXAMPLES: [(&str, &str); 6] = [
    ("main.c", "#include <hakmem.h>\nint main(void) { return hakmem_version() == 0; }\n"),
    ("main.cc", "#include <hakmem.h>\nint main() { delete new int; }\n"),
    ("script.py", "print(sum(len(str(i)) for i in range(10**5)))\n"),
    ("requests.py", "for i in range(3 * 10**5): bytearray(1000)\n"),
    ("benchmark", "#!/bin/sh\nexec target/release/bench_fixed_size 1000000 64 16\n"),
    ("PROGRAM", "#!/bin/sh\nexec target/release/bench_fixed_size 1000000 64 16\n"),
];

#[test]
fn documented_commands_work() {
    let root = hakmem_built::repository(".");
    let mut files = Vec::new();
    find_files(&root, &mut files);
    let packages = packages(&files);
    let mut seen = [false; NOT_RUN.len()];
    let mut run = 0;
    for page in files.iter().filter(|path| path.extension().is_some_and(|it| it == "md")) {
        let text = fs::read_to_string(page).expect("pages are text");
        let mut folder = None;
        for command in commands(&text) {
            let place = format!("{}: {command}", page.display());
            if let Some(script) = command.split_whitespace().next().filter(|it| it.contains(".ci/"))
            {
                assert!(root.join(script).is_file(), "{place}: there is no such script");
                continue;
            }
            assert_packages_exist(&command, &packages, &place);
            if let Some(index) = reason_not_to_run(&command) {
                seen[index] = true;
                continue;
            }
            run_in(folder.get_or_insert_with(Folder::new), &command, &place);
            run += 1;
        }
    }
    for ((command, reason), seen) in NOT_RUN.iter().zip(seen) {
        assert!(seen, "no page has `{command}` any more, which was not run: it {reason}");
    }
    assert!(run >= 12, "only {run} commands were found");
}

/// The folder in which the commands of a page run.
#[derive(Debug)]
struct Folder {
    files: tempfile::TempDir,
    segments: tempfile::TempDir,
}

impl Folder {
    fn new() -> Self {
        let files = tempfile::tempdir().expect("a temporary folder");
        for (name, text) in EXAMPLES {
            let path = files.path().join(name);
            fs::write(&path, text).expect("the folder takes files");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
        }
        let release = files.path().join("target/release");
        fs::create_dir_all(&release).expect("the folder takes folders");
        let built = [
            hakmem_built::preload_library(),
            hakmem_built::benchmark("bench_fixed_size"),
            hakmem_built::benchmark("bench_random_mixed"),
        ];
        for file in built {
            let name = file.file_name().expect("files have names");
            symlink(&file, release.join(name)).expect("the folder takes links");
        }
        Self { files, segments: scratch::segments_directory() }
    }
}

fn run_in(folder: &Folder, command: &str, place: &str) {
    let programs = hakmem_built::top();
    let programs = programs.parent().expect("programs lie in a folder").display();
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("timeout")
        .args([SECONDS_MAX, "sh", "-c", command])
        .current_dir(folder.files.path())
        .env("PATH", format!("{}:{programs}:{path}", folder.files.path().display()))
        .env("HAKMEM_LIBRARY", hakmem_built::preload_library())
        .env("HAKMEM_DIR", folder.segments.path())
        .env("PKG_CONFIG_PATH", hakmem_built::c_library().join("lib/pkgconfig"))
        .output()
        .expect("timeout is a part of coreutils");
    let code = output.status.code();
    let is_answer =
        ANSWERS.iter().any(|it| command.starts_with(it)) && !command.contains("--update");
    assert!(
        code == Some(0) || is_answer && matches!(code, Some(1 | 2)),
        "{place}\n{}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The entry of [`NOT_RUN`] for a command.
fn reason_not_to_run(command: &str) -> Option<usize> {
    NOT_RUN.iter().position(|(begin, _)| match *begin {
        "hakmem-top" => command == "hakmem-top",
        begin => command.starts_with(begin),
    })
}

/// The commands of all `sh` blocks, without comments, each on one line.
fn commands(page: &str) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    let (mut is_inside, mut is_continued) = (false, false);
    for line in page.lines().map(str::trim) {
        if line.starts_with("```") {
            is_inside = !is_inside && line == "```sh";
            continue;
        }
        let line = line.split(" #").next().unwrap_or(line).trim_end();
        if !is_inside || line.is_empty() || line.starts_with('#') {
            continue;
        }
        let part = line.strip_suffix('\\').unwrap_or(line).trim_end();
        match commands.last_mut() {
            Some(command) if is_continued => *command = format!("{command} {part}"),
            _ => commands.push(part.to_owned()),
        }
        is_continued = line.ends_with('\\');
    }
    commands
}

fn assert_packages_exist(command: &str, packages: &[String], place: &str) {
    let words: Vec<&str> = command.split_whitespace().collect();
    let named = words.windows(2).filter(|pair| words[0] == "cargo" && pair[0] == "-p");
    for pair in named {
        assert!(
            packages.iter().any(|it| it == pair[1]),
            "{place}: there is no package {}",
            pair[1]
        );
    }
}

/// Names of the workspace's packages.
fn packages(files: &[PathBuf]) -> Vec<String> {
    let manifests = files.iter().filter(|path| path.ends_with("Cargo.toml"));
    let texts = manifests.map(|path| fs::read_to_string(path).expect("manifests are text"));
    let name = |text: String| {
        let line = text.lines().find_map(|line| line.strip_prefix("name = \""))?;
        Some(line.trim_end_matches('"').to_owned())
    };
    texts.filter_map(name).collect()
}

fn find_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the repository is readable") {
        let entry = entry.expect("the repository is readable");
        let is_own = entry.file_name() != "target" && entry.file_name() != ".git";
        match entry.file_type().expect("it is there") {
            kind if kind.is_dir() && is_own => find_files(&entry.path(), files),
            kind if kind.is_file() => files.push(entry.path()),
            _ => {}
        }
    }
}

#[test]
fn commands_are_told_from_comments_and_output() {
    let page =
        "```text\nno\n```\nno\n   ```sh\n   a b   # why\n   # no\n   c \\\n       d\n   ```\n";
    assert_eq!(commands(page), ["a b", "c d"]);
}
