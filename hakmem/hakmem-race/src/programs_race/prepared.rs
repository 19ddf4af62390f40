//! A program with its files and its arguments, ready to run as often as needed.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::programs_race::program::Program;
use crate::programs_race::sources;

/// A program that can run.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The program.
    pub program: Program,
    /// The executable and its arguments, without those that tell a server where to listen.
    pub words: Vec<OsString>,
    /// Environment variables that the program needs.
    pub environment: Vec<(&'static str, &'static str)>,
    /// Working directory, which also holds the files that the program reads and writes.
    pub folder: PathBuf,
    /// File that the program writes; it is compared like the output.
    pub product: Option<&'static str>,
    /// File name of the executable that does the work, by which telemetry and the linker know it.
    pub process: String,
    /// Least number of allocations of that process.
    pub allocations_min: u64,
    /// Size of the load in its own units.
    pub load: u64,
}

/// Least number of allocations that each of the programs makes before it looks at its load.
const ALLOCATIONS_MIN: u64 = 200;

/// Why a program cannot run here: what is missing, and how to get it.
pub type Reason = String;

impl Prepared {
    /// Prepares the program with `percent` percent of the usual load.
    pub fn new(program: Program, folder: &Path, percent: u64) -> Result<Self, Reason> {
        let load = (program.load() * percent / 100).max(1);
        let folder = folder.join(program.name());
        std::fs::create_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let mut prepared = Self {
            program,
            words: Vec::new(),
            environment: Vec::new(),
            folder,
            product: None,
            process: String::new(),
            allocations_min: ALLOCATIONS_MIN.max(program.allocations_min_per_unit() * load),
            load,
        };
        match program {
            Program::PythonJson => prepared.python(sources::JSON_SCRIPT, true)?,
            Program::PythonDicts => prepared.python(sources::DICTS_SCRIPT, true)?,
            Program::PythonStrings => prepared.python(sources::STRINGS_SCRIPT, true)?,
            Program::PythonTree => prepared.python(sources::TREE_SCRIPT, true)?,
            Program::PythonDefault => prepared.python(sources::JSON_SCRIPT, false)?,
            Program::Redis => prepared.redis()?,
            Program::Sqlite => prepared.sqlite()?,
            Program::Gcc => prepared.gcc()?,
            Program::Rustc => prepared.rustc()?,
        }
        Ok(prepared)
    }

    fn python(&mut self, script: &str, is_all_from_malloc: bool) -> Result<(), Reason> {
        // The command may be a script that looks for the interpreter, which must not be timed.
        let question = ["-c", "import sys; print(sys.executable)"];
        let answer = Command::new("python3").args(question).output().ok();
        let answer = answer.filter(|answer| answer.status.success());
        let path = answer.and_then(|answer| String::from_utf8(answer.stdout).ok());
        let path = path.ok_or_else(|| missing("python3", "python3"))?;
        let executable = self.executable(path.trim(), "python3")?;
        self.words =
            vec![executable.into(), "-c".into(), script.into(), self.load.to_string().into()];
        // Equal hashes, and therefore equal tables, in every run.
        self.environment.push(("PYTHONHASHSEED", "0"));
        if is_all_from_malloc {
            self.environment.push(("PYTHONMALLOC", "malloc"));
        }
        Ok(())
    }

    fn redis(&mut self) -> Result<(), Reason> {
        let executable = self.executable("redis-server", "redis-server")?;
        find("redis-benchmark").ok_or_else(|| missing("redis-benchmark", "redis-tools"))?;
        let settings = ["--port", "0", "--save", "", "--appendonly", "no", "--daemonize", "no"];
        self.words = vec![executable.into()];
        self.words.extend(settings.map(OsString::from));
        Ok(())
    }

    fn sqlite(&mut self) -> Result<(), Reason> {
        let executable = self.executable("sqlite3", "sqlite3")?;
        self.words = vec![executable.into(), ":memory:".into(), sources::sql(self.load).into()];
        Ok(())
    }

    fn gcc(&mut self) -> Result<(), Reason> {
        let executable = self.executable("gcc", "gcc")?;
        self.write("large.c", &sources::c_file(self.load))?;
        self.words = vec![executable.into()];
        self.words.extend(["-O2", "-c", "large.c", "-o", "large.o"].map(OsString::from));
        self.product = Some("large.o");
        // gcc itself only starts the compiler proper and the assembler.
        self.process = "cc1".to_owned();
        Ok(())
    }

    fn rustc(&mut self) -> Result<(), Reason> {
        // rustup's toolchains define `malloc` in the executable, where preloading does not change
        // it.
        let reason = || {
            "there is no rustc that calls the C library's malloc: apt-get install rustc".to_owned()
        };
        let debian = Path::new("/usr/bin/rustc");
        let is_there = debian.canonicalize().is_ok_and(|path| path.ends_with("rustc"));
        is_there.then_some(()).ok_or_else(reason)?;
        self.process = "rustc".to_owned();
        self.write("large.rs", &sources::rust_file(self.load))?;
        self.words = vec![debian.into()];
        let options = ["-O", "--crate-type=lib", "--edition=2021", "-Ccodegen-units=16"];
        self.words.extend(options.map(OsString::from));
        self.words.extend(["large.rs", "-o", "large.rlib"].map(OsString::from));
        self.product = Some("large.rlib");
        Ok(())
    }

    /// Path of the executable. Links are resolved for its name only, because some programs behave
    /// according to the name that they are called by.
    fn executable(&mut self, name: &str, package: &str) -> Result<PathBuf, Reason> {
        let path = find(name).ok_or_else(|| missing(name, package))?;
        let file = path.canonicalize().map_err(|error| format!("{}: {error}", path.display()))?;
        self.process = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(path)
    }

    fn write(&self, name: &str, text: &str) -> Result<(), Reason> {
        let path = self.folder.join(name);
        std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
    }
}

fn missing(command: &str, package: &str) -> Reason {
    format!("{command} is not installed: apt-get install {package}")
}

/// Finds a command in `PATH`, or the file itself if `command` is a path.
fn find(command: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let mut paths = std::env::split_paths(&folders).map(|folder| folder.join(command));
    paths.find(|path| path.is_file())
}
