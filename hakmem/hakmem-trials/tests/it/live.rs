//! Programs that run while a test looks at them: a load under hakmem, and an agent.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::http;

/// A child process that does not outlive its test.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    name: String,
}

impl Running {
    /// Starts a program; `remedy` says what to do if it does not start.
    pub(crate) fn start(command: &mut Command, remedy: &str) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}; {remedy}"));
        Self { child, name }
    }

    /// Process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs; fails the test if it has ended.
    pub(crate) fn assert_running(&mut self) {
        let ended = self.child.try_wait().expect("a child can be waited for");
        assert!(ended.is_none(), "{} ended: {ended:?}", self.name);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only if the child has ended already, which is their purpose.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Threads under the preload library with a routing, which run until the value is dropped.
pub(crate) fn busy_threads(threads: usize, routing: &str, directory: &Path) -> Running {
    let mut command = Command::new(hakmem_built::benchmark("busy_threads"));
    command.args([&threads.to_string(), "1000000000000"]).env("HAKMEM_ROUTING", routing);
    under_hakmem(&mut command, directory, "cargo should have built it")
}

/// A program that requests impossible sizes, frees blocks twice and frees pointers that are not
/// blocks, a hundred times a second; hakmem finds each of these calls.
pub(crate) fn wrong_frees(directory: &Path) -> Running {
    let script = "\
import ctypes, mmap, time
c = ctypes.CDLL(None)
c.malloc.restype = ctypes.c_void_p
c.malloc.argtypes = [ctypes.c_size_t]
c.free.argtypes = [ctypes.c_void_p]
page = mmap.mmap(-1, 4096)
foreign = ctypes.addressof(ctypes.c_char.from_buffer(page))
while True:
    for size in 40, 600, 4000:
        block = c.malloc(size)
        c.free(block)
        c.free(block)
    c.free(foreign)
    c.malloc(1 << 62)
    time.sleep(0.01)
";
    let mut command = Command::new("python3");
    command.args(["-c", script]).env("HAKMEM_CHECK", "full").stderr(Stdio::null());
    under_hakmem(&mut command, directory, "apt-get install python3")
}

fn under_hakmem(command: &mut Command, directory: &Path, remedy: &str) -> Running {
    command
        .env("LD_PRELOAD", hakmem_built::preload_library())
        .env("HAKMEM_DIR", directory)
        .stdout(Stdio::null());
    Running::start(command, remedy)
}

/// An agent that watches one folder, and the address at which it serves `/metrics`.
pub(crate) fn agent(directory: &Path) -> (Running, SocketAddr) {
    agent_naming(64, directory)
}

/// An agent that gives `pids_max` processes series of their own, and sums the others by executable.
pub(crate) fn agent_naming(pids_max: u32, directory: &Path) -> (Running, SocketAddr) {
    let address = http::free_address();
    let mut command = Command::new(hakmem_built::agent());
    command
        .arg("--directory")
        .arg(directory)
        .args(["--socket", "off", "--idle-interval", "100", "--log", "warn"])
        .args(["--max-pids", &pids_max.to_string(), "--keep-ended", "1000"])
        .args(["--http", &address.to_string()]);
    let running = Running::start(&mut command, "cargo should have built it");
    wait_until("the agent is ready", Duration::from_secs(20), || {
        http::get(address, "/-/ready", "*/*").is_some_and(|response| response.status == 200)
    });
    (running, address)
}

/// Fails the test if the condition does not come true in time.
pub(crate) fn wait_until(what: &str, patience: Duration, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + patience;
    while !condition() {
        assert!(Instant::now() < deadline, "not within {patience:?}: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
