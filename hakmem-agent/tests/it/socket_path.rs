//! The default socket of an agent whose user has no runtime directory.

use std::fs::Permissions;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, geteuid, kill_process};

/// The user `nobody`, who has no runtime directory.
const USER: u32 = 65534;

/// The agent as that user, with a folder of the test as its `/tmp`.
fn agent(binary: &Path, temporary: &Path, segments: &Path) -> Command {
    let script = "mount --bind \"$1\" /tmp && shift && \
                  exec setpriv --reuid 65534 --regid 65534 --clear-groups \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script, "sh"]).arg(temporary).arg(binary);
    command.arg("--directory").arg(segments).args(["--http", "off"]);
    // As after `su`, the variable names another user's directory.
    command.env("XDG_RUNTIME_DIR", "/run/user/0").stderr(Stdio::piped());
    command
}

#[test]
fn a_user_without_a_runtime_directory_can_start_an_agent_and_no_other_takes_its_place() {
    assert!(geteuid().is_root(), "this test makes a private /tmp for another user: run it as root");
    // Not below `/tmp`, which the agent does not see.
    let files = tempfile::tempdir_in("/var/tmp").unwrap();
    let open = |path: &Path, mode| {
        std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    };
    open(files.path(), 0o755);
    let binary = files.path().join("hakmem-agent");
    // Another process makes the copy: a child of another test could hold a descriptor of this one's
    // copy open for writing, and the copy could not be executed.
    let original = env!("CARGO_BIN_EXE_hakmem-agent");
    assert!(Command::new("cp").arg(original).arg(&binary).status().unwrap().success());
    let temporary = files.path().join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    open(&temporary, 0o1777);
    let mut child = agent(&binary, &temporary, files.path()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let expected = format!("gRPC on /tmp/hakmem-agent-{USER}/agent.sock");
    let up = lines.find(|line| line.as_ref().is_ok_and(|it| it.contains(&expected)));
    assert!(up.is_some(), "it says where it listens");
    let directory = temporary.join(format!("hakmem-agent-{USER}"));
    assert_eq!(std::fs::metadata(&directory).unwrap().permissions().mode() & 0o777, 0o700);
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    // Another user created the directory first, and may replace the socket at any time.
    std::fs::remove_dir_all(&directory).unwrap();
    std::fs::create_dir(&directory).unwrap();
    open(&directory, 0o777);
    let mut child = agent(&binary, &temporary, files.path()).spawn().unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1), "{said}");
    assert!(
        said.contains("another user owns /tmp/hakmem-agent-65534 or can write to it"),
        "{said}"
    );
}
