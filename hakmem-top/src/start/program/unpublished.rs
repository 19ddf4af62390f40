//! Why a program published nothing.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use hakmem_segment::vocabulary::Telemetry;

use super::resolve;

/// Bytes at the start of a file that hold its ELF header and program headers, or its `#!` line.
const LOOK_AT_BYTES: u64 = 4096;

/// The likely reason, as one clause; general advice if none is found.
pub fn likely_reason(program: &Path, directory: &Path) -> String {
    let telemetry = std::env::var_os("HAKMEM_TELEMETRY");
    if telemetry.is_some_and(|value| value == Telemetry::Off.name()) {
        return "HAKMEM_TELEMETRY=off turns telemetry off".into();
    }
    let Some(path) = resolve(program) else {
        return "its file is gone".into();
    };
    if let Some(reason) = reason_of_file(&path) {
        return reason;
    }
    format!(
        "it may not start any dynamically linked process, or could not write to {}",
        directory.display()
    )
}

/// The obstacle to a program's publishing, as far as its file shows one before it runs.
pub fn reason_at_start(program: &Path) -> Option<String> {
    reason_of_file(&resolve(program)?)
}

/// The likely reason why a process publishes nothing, as one clause; the process may not exist.
pub fn likely_reason_of_process(pid: u32) -> String {
    let folder = Path::new("/proc").join(pid.to_string());
    let Ok(metadata) = std::fs::metadata(&folder) else {
        return "no such process runs; `hakmem-top ls` lists those that publish".into();
    };
    let user = rustix::process::geteuid();
    if !user.is_root() && metadata.uid() != user.as_raw() {
        return format!("it belongs to another user, with the id {}", metadata.uid());
    }
    // Through the link itself: the file may have been renamed, or lie in a container.
    let executable = folder.join("exe");
    if let Some(reason) = reason_of_file(&executable) {
        let name = std::fs::read_link(&executable).unwrap_or_default().display().to_string();
        return reason.replace(&executable.display().to_string(), &name);
    }
    let maps = std::fs::read_to_string(folder.join("maps")).unwrap_or_default();
    if maps.contains("hakmem") {
        return "hakmem is loaded, but publishes elsewhere or not at all; compare HAKMEM_DIR and \
                HAKMEM_TELEMETRY in its environment"
            .into();
    }
    "it was not started under hakmem, as `hakmem-top run -- PROGRAM` does".into()
}

fn reason_of_file(path: &Path) -> Option<String> {
    let file = File::open(path).ok()?;
    let mode = file.metadata().ok()?.permissions().mode();
    if mode & 0o6000 != 0 {
        return Some(format!(
            "{} is setuid or setgid, for which the loader ignores LD_PRELOAD",
            path.display()
        ));
    }
    let mut bytes = Vec::new();
    file.take(LOOK_AT_BYTES).read_to_end(&mut bytes).ok()?;
    if let Some(line) = bytes.strip_prefix(b"#!") {
        let line = line.split(|byte| *byte == b'\n').next()?;
        let interpreter = line.trim_ascii().split(u8::is_ascii_whitespace).next()?;
        let interpreter = std::str::from_utf8(interpreter).ok()?;
        return reason_of_file(Path::new(interpreter));
    }
    reason_of_elf(path, &bytes)
}

fn reason_of_elf(path: &Path, bytes: &[u8]) -> Option<String> {
    const CLASS_64: u8 = 2;
    const INTERPRETER: u32 = 3;
    if !bytes.starts_with(b"\x7fELF") {
        return None;
    }
    if bytes.get(4) != Some(&CLASS_64) {
        return Some(format!("{} is a 32-bit program, the library has 64 bits", path.display()));
    }
    let half = |at: usize| Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let table = usize::try_from(u64::from_le_bytes(bytes.get(32..40)?.try_into().ok()?)).ok()?;
    let (size, count) = (usize::from(half(54)?), usize::from(half(56)?));
    for index in 0..count {
        let at = table.checked_add(index.checked_mul(size)?)?;
        if word(at)? == INTERPRETER {
            return None;
        }
    }
    Some(format!("{} is statically linked, so the loader cannot preload hakmem", path.display()))
}
