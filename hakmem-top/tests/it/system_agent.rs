//! A user without an agent finds the system's agent.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use hakmem_agent::{AgentConfig, RunningAgent};

use crate::command::{TOP, segments, stderr, stdout};

/// The user `nobody`.
const USER: u32 = 65534;

/// Copies a file to a place where that user may use it.
fn for_everyone(file: &Path, folder: &Path) -> PathBuf {
    let copy = folder.join(file.file_name().unwrap());
    // Not copied by this process: a child of another test could hold the copy open for writing, and
    // then it cannot be executed.
    assert!(Command::new("cp").arg(file).arg(&copy).status().unwrap().success());
    copy
}

/// Runs a command line as that user, with only the system agent's socket in `/run`.
fn as_user(sockets: &Path, words: &[&str]) -> Output {
    let script = "mount -t tmpfs tmpfs /run && mkdir /run/hakmem-agent && \
                  mount --bind \"$1\" /run/hakmem-agent && shift && \
                  exec setpriv --reuid 65534 --regid 65534 --clear-groups \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script, "sh"]).arg(sockets).args(words);
    command.env_remove("HAKMEM_DIR").env_remove("XDG_RUNTIME_DIR").output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_finds_the_systems_agent_and_their_own_processes_there() {
    let is_root = rustix::process::geteuid().is_root();
    assert!(is_root, "this test makes a private /run for another user: run it as root");
    let (segments, files) = (segments(), tempfile::tempdir().unwrap());
    std::fs::set_permissions(files.path(), Permissions::from_mode(0o755)).unwrap();
    let top = for_everyone(Path::new(TOP), files.path());
    let library = for_everyone(&hakmem_built::preload_library(), files.path());
    chown(segments.path(), Some(USER), Some(USER)).unwrap();
    let sockets = files.path().join("sockets");
    let config = AgentConfig {
        unix_socket: Some(sockets.join("agent.sock")),
        ..AgentConfig::for_directory(segments.path())
    };
    let _agent = RunningAgent::start(config).await.expect("the agent starts");
    let mut program = Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "sleep", "1000"])
        .env("LD_PRELOAD", &library)
        .env("HAKMEM_DIR", segments.path())
        .stdout(Stdio::null())
        .spawn()
        .expect("setpriv starts; without it: apt-get install util-linux");
    let top = top.to_str().unwrap();
    let began = Instant::now();
    loop {
        let list = as_user(&sockets, &[top, "ls"]);
        let (text, said) = (stdout(&list), stderr(&list));
        assert!(!said.contains("no agent runs"), "{said}");
        if text.contains("sleep 1000") {
            assert_eq!(text.lines().count(), 2, "only their own: {text}");
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{text}{said}");
    }
    // A user who names a directory wants to see that directory.
    let list = as_user(&sockets, &["env", "HAKMEM_DIR=/none", top, "ls"]);
    assert!(stderr(&list).contains("no agent runs: reading /none"), "{}", stderr(&list));
    program.kill().unwrap();
    program.wait().unwrap();
}
