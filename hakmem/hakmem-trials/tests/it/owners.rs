//! One agent and several users: no user can lie for another or harm another.
//!
//! Everything runs on a private `/dev/shm`, in a mount namespace that a sleeping process holds.
//! That needs root, which tests in CI have; without it, these tests fail and say so.

mod attacks;
mod identity;

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hakmem_reader::Class;
use hakmem_reader::fixture::{FixtureProcess, SegmentWriter, bin_of};

use crate::http;
use crate::live::Running;

/// Time after which a test gives up; generous, because machines are shared.
const PATIENCE: Duration = Duration::from_secs(60);
const REMEDY: &str = "install Debian's package util-linux, and run this test as root";
/// Two users that no system names; the hostile one comes first in the order in which files are
/// found.
const HOSTILE: u32 = 54_320;
const HONEST: u32 = 54_321;

/// A load that allocates in C7 all the time and hardly takes processor time.
const LOAD: &str = "\
import time
while True:
    blocks = [bytes(900) for _ in range(100)]
    time.sleep(0.01)
";

/// A private `/dev/shm`, and an agent of root that watches it.
struct Machine {
    holder: Running,
    agent: Option<Running>,
    address: SocketAddr,
    directory: tempfile::TempDir,
}

/// One line of the metrics.
#[derive(Clone, Debug, PartialEq)]
struct Series {
    labels: String,
    value: f64,
}

impl Series {
    fn label(&self, name: &str) -> &str {
        let from = format!("{name}=\"");
        let at = self.labels.find(&from).expect("the series has the label") + from.len();
        self.labels[at..].split('"').next().unwrap_or_default()
    }
}

impl Machine {
    fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let script = "mount -t tmpfs -o mode=1777,size=1g none /dev/shm && exec sleep 100000";
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", script]);
        let holder = Running::start(&mut command, REMEDY);
        let mut machine = Self { holder, agent: None, address: http::free_address(), directory };
        eventually("the private /dev/shm is there", || {
            machine.holder.assert_running();
            let comm = fs::read_to_string(format!("/proc/{}/comm", machine.holder.pid()));
            comm.is_ok_and(|name| name.trim() == "sleep").then_some(())
        });
        let library = machine.shared_memory().join("library.so");
        fs::copy(hakmem_built::preload_library(), &library).expect("there is room for the library");
        let readable = fs::Permissions::from_mode(0o644);
        fs::set_permissions(&library, readable).expect("it is ours");
        machine.start_agent();
        machine
    }

    /// Starts the agent; if one runs, stops it before.
    fn start_agent(&mut self) {
        drop(self.agent.take());
        let log = fs::File::create(self.directory.path().join("log")).expect("can be made");
        let mut command = self.inside();
        command
            .arg(hakmem_built::agent())
            .args(["--http", &self.address.to_string(), "--idle-interval", "100"])
            .arg("--socket")
            .arg(self.directory.path().join("agent.sock"))
            .env_remove("HAKMEM_DIR")
            .stderr(log);
        let agent = Running::start(&mut command, REMEDY);
        self.agent = Some(agent);
        eventually("the agent is ready", || {
            let ready = http::get(self.address, "/-/ready", "")?;
            (ready.status == 200).then_some(())
        });
    }

    fn agent_pid(&self) -> u32 {
        self.agent.as_ref().expect("it was started").pid()
    }

    /// A command that sees the private `/dev/shm`; the program it runs has the command's process
    /// id.
    fn inside(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--mount=/proc/{}/ns/mnt", self.holder.pid()));
        command
    }

    /// The private `/dev/shm`, as this process sees it.
    fn shared_memory(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root/dev/shm", self.holder.pid()))
    }

    /// Runs the load as `user`; with `container`, in a pid namespace of its own, in which it is
    /// process 1.
    fn load(&self, user: u32, container: bool) -> Running {
        let mut command = self.inside();
        if container {
            command.args(["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]);
        }
        let user = user.to_string();
        command
            .args(["setpriv", "--reuid", &user, "--regid", &user, "--clear-groups"])
            // The load ends with its parent, which is this process or `unshare`.
            .args(["--pdeathsig", "KILL"])
            .args(["env", "-u", "HAKMEM_DIR", "LD_PRELOAD=/dev/shm/library.so"])
            .args(["python3", "-c", LOAD])
            .stderr(Stdio::null());
        Running::start(&mut command, REMEDY)
    }

    /// The directory of `user`, which is made if it is missing.
    fn directory_of(&self, user: u32) -> PathBuf {
        let directory = self.shared_memory().join(format!("hakmem-{user}"));
        if !directory.exists() {
            fs::create_dir(&directory).expect("can be made");
            own(&directory, user);
        }
        directory
    }

    /// A live segment that `user` forged, with `blocks` allocations of C7.
    fn forge(&self, user: u32, process: &FixtureProcess, blocks: u64) -> SegmentWriter {
        self.forge_with(user, process, blocks, |_| ())
    }

    /// Like [`Machine::forge`], but `change` alters the segment before any reader sees it.
    fn forge_with(
        &self,
        user: u32,
        process: &FixtureProcess,
        blocks: u64,
        change: impl FnOnce(&SegmentWriter),
    ) -> SegmentWriter {
        let staging = self.shared_memory().join("staging");
        fs::create_dir_all(&staging).expect("can be made");
        let mut writer = SegmentWriter::create_unready(&staging, process);
        writer.take_slot(0, "");
        let slot = writer.take_slot(42, "main");
        writer.slot(slot).allocate(bin_of(Class::C7), blocks);
        change(&writer);
        writer.make_ready();
        own(writer.path(), user);
        let name = writer.path().file_name().expect("it has a name");
        fs::rename(writer.path(), self.directory_of(user).join(name)).expect("can be moved");
        writer
    }

    /// Series of this name that have all of `labels`.
    fn series(&self, name: &str, labels: &[&str]) -> Vec<Series> {
        let page = http::get(self.address, "/metrics", "").map(|it| it.body).unwrap_or_default();
        let of_name = page.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('{'));
        let parts = of_name.filter_map(|line| line.rsplit_once("} "));
        let wanted = parts.filter(|(told, _)| labels.iter().all(|label| told.contains(label)));
        let series = wanted.map(|(told, value)| Series {
            labels: told.to_owned(),
            value: value.parse().expect("values are numbers"),
        });
        series.collect()
    }

    /// Allocations in C7 of the processes with these labels.
    fn allocations(&self, labels: &[&str]) -> Vec<Series> {
        let labels: Vec<&str> = labels.iter().copied().chain(["class=\"C7\""]).collect();
        self.series("hakmem_allocations_total", &labels)
    }

    fn refused(&self, what: &str, reason: &str) -> f64 {
        let labels = [format!("what=\"{what}\""), format!("reason=\"{reason}\"")];
        let found = self.series("hakmem_agent_refused_total", &[&labels[0], &labels[1]]);
        found.first().map_or(0.0, |series| series.value)
    }
}

fn own(path: &Path, user: u32) {
    chown(path, Some(user), Some(user))
        .unwrap_or_else(|error| panic!("{}: {error}; {REMEDY}", path.display()));
}

fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begin.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
