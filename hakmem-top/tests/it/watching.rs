//! What a user sees on the screen: the process in focus and no other, its end, why the screen is
//! empty, and no remains of earlier text on the terminal.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hakmem_agent::{AgentConfig, RunningAgent};
use hakmem_reader::Class;
use hakmem_reader::fixture::{FixtureProcess, SegmentWriter, bin_of};

use crate::command::{TOP, segments};
use crate::terminal::Terminal;

/// A program that allocates in bursts, so that the busiest process changes all the time.
struct Busy(Child);

impl Busy {
    fn start(segments: &Path, name: &str, labels: &str) -> Self {
        // The script must not fork, because its children would be processes as well.
        let script = "exec 3<>\"$1\"; while :; do for ((i = 0; i < RANDOM % 4000; i++)); do \
                      x[i]=$RANDOM$i; done; unset x; read -t 0.$((RANDOM % 6 + 1)) -u 3; done";
        let pipe = segments.join(name);
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let child = Command::new("bash")
            .args(["-c", script, name])
            .arg(&pipe)
            .env("LD_PRELOAD", hakmem_built::preload_library())
            .env("HAKMEM_DIR", segments)
            .env("HAKMEM_LABELS", labels)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }

    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The process id in the title of a process's tab.
fn pid_in_title(screen: &str) -> Option<u32> {
    let title = screen.lines().next()?;
    title.split_whitespace().skip_while(|it| *it != "bash").nth(1)?.parse().ok()
}

#[test]
fn the_process_that_is_watched_stays_the_same_also_after_kill_9() {
    let segments = segments();
    let mut busy = ["first", "second"].map(|name| Busy::start(segments.path(), name, "a=b"));
    let terminal = Terminal::open(110, 30, segments.path());
    let directory = segments.path().display();
    terminal.type_line(&format!("{TOP} --directory {directory}"));
    for busy in &busy {
        terminal.wait_for_text(&busy.pid().to_string());
    }
    terminal.wait_for_text("[a=b]");
    terminal.press("2");
    let screen = terminal.wait_for("a process", |screen| pid_in_title(screen).is_some());
    let pid = pid_in_title(&screen).unwrap();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(5) {
        let screen = terminal.screen();
        assert_eq!(pid_in_title(&screen), Some(pid), "another takes its place:\n{screen}");
        std::thread::sleep(Duration::from_millis(50));
    }
    let watched = busy.iter_mut().find(|it| it.pid() == pid).unwrap();
    watched.kill();
    let said = format!("✗ bash {pid} killed by SIGKILL");
    let screen = terminal.wait_for_text(&said);
    assert_eq!(pid_in_title(&screen), Some(pid), "{screen}");
    assert!(screen.lines().next().unwrap().contains("killed by SIGKILL"), "{screen}");
    terminal.press("1");
    terminal.wait_for_text("1 crashed or killed");
    // Hiding ended processes does not hide this one.
    terminal.press("e");
    terminal.press("s");
    let row = terminal.wait_for_text(&said);
    let row = row.lines().find(|line| line.trim_start().starts_with(&pid.to_string()));
    assert!(row.is_some_and(|row| row.contains(" killed ")), "{}", terminal.screen());
    // A filter by pid applies to the list only.
    terminal.press("/");
    terminal.type_line("99999999");
    terminal.wait_for_text("do not pass the filter `99999999`");
    terminal.press("4");
    terminal.wait_for("a tab without that filter", |screen| !screen.contains("99999999"));
    // Time passes even when no process runs any more.
    let other = busy.iter_mut().find(|it| it.pid() != pid).unwrap();
    other.kill();
    let said = format!("✗ bash {} killed by SIGKILL ", other.pid());
    terminal.wait_for("the time since", |screen| {
        let words = screen.split(&said).nth(1).and_then(|rest| rest.split("s ago").next());
        words.and_then(|it| it.parse::<u64>().ok()).is_some_and(|seconds| seconds > 1)
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn another_agent_knows_other_processes() {
    let (old, new) = (segments(), segments());
    let process = |directory: &Path, name| {
        let mut writer = SegmentWriter::create(directory, &FixtureProcess::new(name));
        let slot = writer.take_slot(42, "main");
        writer.slot(slot).allocate(bin_of(Class::C7), 10);
        writer
    };
    let _ghost = process(old.path(), "ghost");
    let _successor = process(new.path(), "successor");
    let socket = old.path().join("agent.sock");
    let start = async |directory: &Path| {
        let config = AgentConfig {
            unix_socket: Some(socket.clone()),
            ..AgentConfig::for_directory(directory)
        };
        RunningAgent::start(config).await.expect("the agent starts")
    };
    let agent = start(old.path()).await;
    let terminal = Terminal::open(100, 20, old.path());
    terminal.type_line(&format!("{TOP} --connect unix:{}", socket.display()));
    terminal.wait_for_text("ghost");
    agent.shutdown().await;
    terminal.wait_for_text("no agent");
    let _agent = start(new.path()).await;
    let screen = terminal.wait_for_text("successor");
    assert!(!screen.contains("running ·") && screen.contains("1 running"), "{screen}");
    let row =
        |screen: &str| screen.lines().any(|it| it.contains("ghost") && it.contains("running"));
    terminal.wait_for("no ghost", |screen| !row(screen));
    terminal.press("2");
    terminal.wait_for("what became of it", |screen| screen.contains("is gone"));
}

#[test]
fn nothing_of_what_stood_on_the_terminal_shines_through() {
    let segments = segments();
    let terminal = Terminal::open(100, 30, segments.path());
    // The Linux console has no alternate screen either.
    terminal.tmux(&["set", "-g", "alternate-screen", "off"]);
    let directory = segments.path().display();
    let clean = |screen: &str| screen.contains("no process publishes") && !screen.contains("dust");
    terminal.type_line("yes 'dust dust dust dust' | head -40");
    terminal.wait_for_text("dust");
    terminal.type_line(&format!("{TOP} --directory {directory}"));
    terminal.wait_for("a clean screen", clean);
    terminal.press("C-z");
    terminal.wait_for_text("Stopped");
    terminal.type_line("yes 'dust dust dust dust' | head -40; fg");
    terminal.wait_for("a clean screen", clean);
    // SIGSTOP, which no program can handle.
    let pane = "#{pane_pid}";
    terminal.tmux(&["run-shell", &format!("pkill -STOP -P {pane} hakmem-top")]);
    terminal.wait_for_text("Stopped");
    terminal.type_line("yes 'dust dust dust dust' | head -40; fg");
    terminal.wait_for("a clean screen", clean);
    // Written by another program, or by the system.
    let pane = terminal.tmux(&["display", "-p", "#{pane_tty}"]);
    std::fs::write(pane.trim(), "dust").unwrap();
    terminal.wait_for_text("dust");
    terminal.press("C-l");
    terminal.wait_for("a clean screen", clean);
    terminal.press("q");
    terminal.check_restored();
}

#[test]
fn help_is_read_to_its_end_on_a_small_screen() {
    let segments = segments();
    let terminal = Terminal::open(80, 12, segments.path());
    terminal.type_line(&format!("{TOP} --directory {}", segments.path().display()));
    terminal.wait_for_text("no process publishes");
    terminal.press("?");
    let screen = terminal.wait_for_text("help · 1 to ");
    assert!(!screen.contains("since the start"), "{screen}");
    terminal.press("G");
    terminal.wait_for_text("P50 P99");
    terminal.press("g");
    terminal.wait_for_text("help · 1 to ");
}

#[test]
fn the_screen_says_why_a_program_or_a_directory_shows_nothing() {
    let segments = segments();
    let source = segments.path().join("static.c");
    let program = segments.path().join("static");
    std::fs::write(&source, "#include <unistd.h>\nint main(void) { pause(); return 0; }\n")
        .unwrap();
    let built =
        Command::new("cc").arg("-static").arg(&source).arg("-o").arg(&program).status().unwrap();
    assert!(built.success(), "a C compiler with a static libc is needed (Debian: gcc, libc6-dev)");
    let terminal = Terminal::open(80, 24, segments.path());
    terminal.type_line(&format!("{TOP} run -- {}; echo code $?", program.display()));
    terminal.wait_for_text("is statically linked");
    terminal.press("q");
    terminal.wait_for_text("the program still runs");
    terminal.press("q");
    terminal.wait_for_text("code 143");
    terminal.type_line(&format!("clear; HAKMEM_DIR={}/none {TOP}", segments.path().display()));
    terminal.wait_for_text("does not exist");
    terminal.press("q");
}
