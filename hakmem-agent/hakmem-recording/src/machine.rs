//! Describes the machine on which a recording is made.

use std::collections::HashMap;
use std::fs::read_to_string;

use hakmem_proto::v1::Machine;

/// Describes this machine. Fields that cannot be determined are left empty.
pub fn this_machine() -> Machine {
    let system = rustix::system::uname();
    let text = |it: &std::ffi::CStr| it.to_string_lossy().into_owned();
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    Machine {
        host: text(system.nodename()),
        kernel: format!("{} {}", text(system.sysname()), text(system.release())),
        architecture: text(system.machine()),
        processor: processor(&read_to_string("/proc/cpuinfo").unwrap_or_default()),
        processors: u32::try_from(processors).unwrap_or(u32::MAX),
        memory_bytes: memory_bytes(&read_to_string("/proc/meminfo").unwrap_or_default()),
        boot_id: boot_id(),
        ..Machine::default()
    }
}

/// Describes this machine, with the limits and variables that a program started by this process
/// has.
pub fn this_machine_for_children() -> Machine {
    let status = read_to_string("/proc/self/status").unwrap_or_default();
    let mut limits = limits(&read_to_string("/proc/self/limits").unwrap_or_default());
    let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    limits.extend(allowed.map(|it| ("allowed processors".to_owned(), it.trim().to_owned())));
    let group = read_to_string("/proc/self/cgroup").unwrap_or_default();
    if let Some(group) = group.lines().find_map(|line| line.strip_prefix("0::/")) {
        for (name, file) in [("memory", "memory.max"), ("processors", "cpu.max")] {
            let value = read_to_string(format!("/sys/fs/cgroup/{group}/{file}"));
            limits.extend(value.ok().map(|it| (name.to_owned(), it.trim().to_owned())));
        }
    }
    let variables = std::env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok().filter(|name| matters(name))?;
        Some((name, value.to_string_lossy().into_owned()))
    });
    Machine { limits, environment: variables.collect(), ..this_machine() }
}

/// Soft limits by name, in the kernel's words.
fn limits(text: &str) -> HashMap<String, String> {
    const KNOWN: [&str; 6] =
        ["address space", "data size", "stack size", "resident set", "open files", "locked memory"];
    let limit = |line: &str| {
        let rest = line.strip_prefix("Max ")?;
        let name = KNOWN.iter().find(|name| rest.starts_with(**name))?;
        let value = rest[name.len()..].split_whitespace().next()?;
        Some(((*name).to_owned(), value.to_owned()))
    };
    text.lines().filter_map(limit).collect()
}

/// Whether a variable affects an allocator, or how much a program allocates. Other variables may
/// hold secrets, and must not be recorded.
fn matters(name: &str) -> bool {
    const NAMES: [&str; 9] = [
        "GLIBC_TUNABLES",
        "GOMAXPROCS",
        "LANG",
        "LD_PRELOAD",
        "OMP_NUM_THREADS",
        "PYTHONHASHSEED",
        "PYTHONMALLOC",
        "RAYON_NUM_THREADS",
        "TOKIO_WORKER_THREADS",
    ];
    // The place and the labels of segments do not affect the allocator.
    const OUTSIDE: [&str; 3] = ["HAKMEM_DIR", "HAKMEM_LABELS", "HAKMEM_LIBRARY"];
    let is_allocator = name.starts_with("HAKMEM_") || name.starts_with("MALLOC_");
    NAMES.contains(&name) || (is_allocator && !OUTSIDE.contains(&name))
}

fn processor(cpuinfo: &str) -> String {
    let value = |line: &str| {
        let (name, value) = line.split_once(':')?;
        ["model name", "Model"].contains(&name.trim()).then(|| value.trim().to_owned())
    };
    cpuinfo.lines().find_map(value).unwrap_or_default()
}

fn memory_bytes(meminfo: &str) -> u64 {
    let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kibibytes = total.and_then(|it| it.trim().trim_end_matches("kB").trim().parse().ok());
    kibibytes.map_or(0, |it: u64| it.saturating_mul(1024))
}

/// The boot id in hex without hyphens, as segments have it.
fn boot_id() -> String {
    let text = read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().replace('-', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_linux_says_is_understood() {
        let cpuinfo = "processor\t: 0\nmodel name\t: Some CPU @ 2.00GHz\nflags\t\t: fpu\n";
        assert_eq!(processor(cpuinfo), "Some CPU @ 2.00GHz");
        assert_eq!(memory_bytes("MemTotal:        2048 kB\nMemFree: 1 kB\n"), 2 << 20);
        assert_eq!((processor(""), memory_bytes("MemTotal: much\n")), (String::new(), 0));
        assert!(!this_machine().kernel.is_empty());
        let boot_id = this_machine().boot_id;
        assert!(boot_id.len() == 32 && boot_id.bytes().all(|it| it.is_ascii_hexdigit()));
    }

    #[test]
    fn a_machine_is_described_by_what_its_kernel_says() {
        let machine = this_machine();
        let read = |path: &str| read_to_string(path).unwrap();
        let cpuinfo = read("/proc/cpuinfo");
        assert_eq!(machine.processor.is_empty(), !cpuinfo.to_lowercase().contains("model"));
        assert!(cpuinfo.contains(&machine.processor));
        let total = read("/proc/meminfo").lines().next().unwrap().to_owned();
        assert!(total.contains(&format!(" {} kB", machine.memory_bytes / 1024)), "{total}");
        assert_eq!(machine.host, read("/proc/sys/kernel/hostname").trim());
        assert!(machine.kernel.ends_with(read("/proc/sys/kernel/osrelease").trim()));
        assert_eq!(machine.architecture, std::env::consts::ARCH);
        assert!(machine.processors > 0);
    }

    #[test]
    fn limits_are_told_and_secrets_are_not() {
        let text = "Limit                     Soft Limit           Hard Limit           Units\n\
                    Max address space         4096                 unlimited            bytes\n\
                    Max cpu time              unlimited            unlimited            seconds\n";
        assert_eq!(limits(text), HashMap::from([("address space".into(), "4096".into())]));
        let told = ["HAKMEM_CHECK", "MALLOC_ARENA_MAX", "LD_PRELOAD"];
        assert!(told.into_iter().all(matters));
        assert!(!["HAKMEM_DIR", "AWS_SECRET_ACCESS_KEY", "PATH"].into_iter().any(matters));
        assert!(this_machine_for_children().limits.contains_key("address space"));
        assert!(this_machine().limits.is_empty());
    }
}
