//! What the machine is that a recording is made on.

use std::fs::read_to_string;

use hakmem_proto::v1::Machine;

/// This machine. What cannot be found out is left empty.
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
    }
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

/// In hex without hyphens, as segments have it.
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
    }
}
