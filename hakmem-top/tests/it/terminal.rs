//! On a terminal, which tmux provides: the screen is drawn, and the terminal is restored.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::command::{TOP, segments, unique};

/// Timeout for the screen on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A shell in a terminal.
pub(crate) struct Terminal {
    server: String,
}

impl Terminal {
    pub(crate) fn open(width: u16, height: u16, segments: &Path) -> Self {
        let terminal = Self { server: unique("hakmem-top-test") };
        let (width, height) = (width.to_string(), height.to_string());
        terminal.tmux(&[
            "-f",
            "/dev/null",
            "new",
            "-d",
            "-x",
            &width,
            "-y",
            &height,
            "bash --norc",
        ]);
        let directory = segments.display();
        let library = hakmem_built::preload_library();
        terminal.type_line(&format!(
            "export HAKMEM_DIR={directory} HAKMEM_LIBRARY={}; PS1='$ '; clear",
            library.display()
        ));
        terminal.wait_for("an empty prompt", |screen| screen.trim() == "$");
        terminal
    }

    pub(crate) fn tmux(&self, arguments: &[&str]) -> String {
        let output = Command::new("tmux")
            .args(["-L", &self.server])
            .args(arguments)
            .output()
            .expect("tmux runs; without it: apt-get install tmux");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub(crate) fn type_line(&self, text: &str) {
        self.tmux(&["send-keys", "-l", text]);
        self.press("Enter");
    }

    pub(crate) fn press(&self, key: &str) {
        self.tmux(&["send-keys", key]);
    }

    pub(crate) fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    pub(crate) fn wait_for(&self, what: &str, holds: impl Fn(&str) -> bool) -> String {
        let began = Instant::now();
        loop {
            let screen = self.screen();
            if holds(&screen) {
                return screen;
            }
            assert!(began.elapsed() < PATIENCE, "no {what} on the screen:\n{screen}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn wait_for_text(&self, text: &str) -> String {
        self.wait_for(text, |screen| screen.contains(text))
    }

    /// Checks that the terminal is as a shell needs it: no alternate screen, no mouse, echo.
    pub(crate) fn check_restored(&self) {
        let state = "#{alternate_on} #{mouse_any_flag} #{cursor_flag}";
        assert_eq!(self.tmux(&["display", "-p", state]).trim(), "0 0 1");
        self.type_line("stty -a | tr ' ;' '\\n\\n' | grep -xE -- '-?(echo|icanon|isig)' | xargs");
        self.wait_for_text("\nisig icanon echo");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // The server ends with its last shell, so it may be gone already.
        let _ = Command::new("tmux").args(["-L", &self.server, "kill-server"]).output();
    }
}

#[test]
fn the_demo_shows_live_data_within_two_seconds_and_gives_the_terminal_back() {
    let segments = segments();
    let terminal = Terminal::open(120, 36, segments.path());
    let began = Instant::now();
    terminal.type_line(&format!("{TOP} demo; echo code $?"));
    terminal.wait_for("live C7 row", |screen| {
        let row = screen.lines().find(|line| line.starts_with("C7 "));
        row.and_then(|row| row.split_whitespace().nth(2)).is_some_and(|rate| rate.ends_with('M'))
    });
    // The limit is two seconds; this is a debug build on a machine that runs other tests.
    assert!(began.elapsed() < Duration::from_secs(6), "it took {:?}", began.elapsed());
    terminal.wait_for_text("phase C7-heavy");
    for (key, expected) in [
        ("3", "C7 fast peak"),
        ("4", "alive in"),
        ("5", "suppressed"),
        ("1", "PROGRAM"),
        ("?", "help"),
    ] {
        terminal.press(key);
        terminal.wait_for_text(expected);
    }
    // A key right after Escape would be read as an Alt key.
    terminal.press("Escape");
    terminal.wait_for("closed help", |screen| !screen.contains("┌ help"));
    terminal.press("q");
    terminal.wait_for_text("code 0");
    terminal.check_restored();
}

#[test]
fn a_program_that_ends_leaves_its_counts_and_its_output() {
    let segments = segments();
    let terminal = Terminal::open(100, 30, segments.path());
    terminal.type_line(&format!("{TOP} run -- bash -c 'echo said; exit 3'; echo code $?"));
    let screen = terminal.wait_for_text("exited 3");
    assert!(!screen.lines().any(|line| line == "said"), "the output spoils the screen:\n{screen}");
    terminal.press("o");
    terminal.wait_for_text("│said");
    terminal.press("q");
    let screen = terminal.wait_for_text("code 3");
    assert!(screen.lines().any(|line| line == "said"), "the output is not replayed:\n{screen}");
    assert!(screen.contains("exited 3, 1 process"), "{screen}");
    terminal.check_restored();
}

#[test]
fn quitting_ends_the_program_after_asking() {
    let segments = segments();
    let terminal = Terminal::open(100, 30, segments.path());
    terminal.type_line(&format!("{TOP} run -- sleep 100; echo code $?"));
    terminal.wait_for_text("C7 routing direct");
    terminal.press("q");
    terminal.wait_for_text("the program still runs");
    terminal.press("q");
    terminal.wait_for_text("code 143");
    terminal.check_restored();
}

#[test]
fn leaving_the_screen_lets_the_program_go_on() {
    let segments = segments();
    let terminal = Terminal::open(100, 30, segments.path());
    let script = "echo one; read -t 3 < <(sleep 3); echo two";
    terminal.type_line(&format!("{TOP} run -- bash -c '{script}'; echo code $?"));
    terminal.wait_for_text("C7 routing direct");
    terminal.press("q");
    terminal.wait_for_text("the program still runs");
    terminal.press("d");
    terminal.wait_for("replayed output", |screen| screen.lines().any(|line| line == "one"));
    terminal.wait_for_text("code 0");
    let screen = terminal.screen();
    assert!(screen.lines().any(|line| line == "two"), "{screen}");
}

#[test]
fn a_flood_of_output_does_not_keep_the_screen_from_being_drawn() {
    let segments = segments();
    let terminal = Terminal::open(100, 30, segments.path());
    terminal.type_line(&format!("{TOP} run -- yes flood; clear; echo code $?"));
    terminal.wait_for_text("C7 routing direct");
    terminal.press("o");
    terminal.wait_for_text("│flood");
    terminal.press("4");
    terminal.wait_for_text("alive in");
    terminal.press("q");
    terminal.wait_for_text("the program still runs");
    terminal.press("q");
    terminal.wait_for("the end", |screen| screen.starts_with("code "));
}

#[test]
fn a_signal_gives_the_terminal_back() {
    for (signal, code) in [("TERM", 143), ("HUP", 129), ("INT", 130)] {
        let segments = segments();
        let terminal = Terminal::open(100, 30, segments.path());
        let directory = segments.path().display();
        terminal.type_line(&format!("{TOP} --directory {directory}; echo code $?"));
        terminal.wait_for_text("1 Processes 0");
        terminal.tmux(&["run-shell", &format!("pkill -{signal} -P #{{pane_pid}} hakmem-top")]);
        terminal.wait_for_text(&format!("code {code}"));
        terminal.check_restored();
    }
}

#[test]
fn a_panic_gives_the_terminal_back_before_it_is_printed() {
    let segments = segments();
    let terminal = Terminal::open(100, 30, segments.path());
    let program = hakmem_built::example("panicking_screen");
    terminal.type_line(&format!("{}; echo code $?", program.display()));
    let screen = terminal.wait_for_text("code 101");
    assert!(screen.lines().any(|line| line == "on purpose"), "{screen}");
    terminal.check_restored();
}

#[test]
fn suspending_gives_the_terminal_to_the_shell_and_comes_back() {
    let segments = segments();
    let terminal = Terminal::open(100, 30, segments.path());
    terminal.type_line(&format!("{TOP} run -- sleep 100"));
    terminal.wait_for_text("C7 routing direct");
    terminal.press("C-z");
    terminal.wait_for_text("Stopped");
    terminal.check_restored();
    terminal.type_line("fg");
    terminal.wait_for_text("C7 routing direct");
    terminal.press("q");
    terminal.wait_for_text("the program still runs");
    terminal.press("q");
    terminal.wait_for_text("was killed by signal 15");
}

#[test]
fn the_screen_follows_the_terminals_size() {
    let segments = segments();
    let terminal = Terminal::open(120, 36, segments.path());
    terminal.type_line(&format!("{TOP} demo"));
    terminal.wait_for_text("C7 fast peak");
    for (width, height) in [("80", "24"), ("40", "10"), ("20", "4"), ("100", "30")] {
        terminal.tmux(&["resize-window", "-x", width, "-y", height]);
        std::thread::sleep(Duration::from_millis(300));
        terminal.wait_for_text("hakmem");
    }
    terminal.wait_for_text("C7 routing direct");
    terminal.press("q");
    terminal.wait_for_text("demo exited 0");
}
