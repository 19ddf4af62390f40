//! Peak resident memory of a program, read from the kernel at the last moment of its life.
//!
//! The kernel's own account of a child that has ended (`ru_maxrss`) begins with the memory that its
//! parent held before `exec`, which hides small programs. [`of_program`] therefore traces the
//! program: it stops when it is about to exit, and `VmHWM` in `/proc` is read then. Tracing costs
//! time; [`wait_for`] asks for the kernel's account, for programs that are large and timed.
//!
//! # Safety
//!
//! The unsafe calls are `wait4` with local variables, and `ptrace` requests about our own child,
//! which asked to be traced; they neither read nor write memory of this process.

#![allow(unsafe_code)]

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::ptr::null_mut;
use std::time::Duration;

use hakmem_bench::report::peak_resident_kib;

/// What a traced program did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peak {
    /// Peak resident memory in KiB, threads included, children excluded.
    pub resident_kib: u64,
    /// Exit code; `None` if a signal ended the program.
    pub exit_code: Option<i32>,
}

/// The kernel's account of a program that ended, and of the children that it waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Processor time of all of them, in the program and in the kernel.
    pub cpu: Duration,
    /// Peak resident memory of the largest of them, in KiB; at least the memory that this process
    /// holds.
    pub resident_kib: u64,
    /// Exit code; `None` if a signal ended the program.
    pub exit_code: Option<i32>,
}

/// Waits until `child` has ended. No other code may wait for it, before or after.
pub fn wait_for(child: &mut Child) -> io::Result<Account> {
    let (status, usage) = wait(child.id() as libc::pid_t)?;
    let time = |time: libc::timeval| {
        Duration::from_secs(time.tv_sec as u64) + Duration::from_micros(time.tv_usec as u64)
    };
    Ok(Account {
        cpu: time(usage.ru_utime) + time(usage.ru_stime),
        resident_kib: usage.ru_maxrss as u64,
        exit_code: libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status)),
    })
}

/// Runs the program to its end.
pub fn of_program(command: &mut Command) -> io::Result<Peak> {
    let ask = || {
        // SAFETY: the request takes no further arguments and concerns only the caller.
        let answer = unsafe { libc::ptrace(libc::PTRACE_TRACEME) };
        if answer == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
    };
    // SAFETY: between fork and exec the closure makes one system call and allocates nothing.
    unsafe { command.pre_exec(ask) };
    let child = command.spawn()?;
    let pid = child.id() as libc::pid_t;
    // The child stops after `exec`, before its first instruction.
    wait(pid)?;
    request(libc::PTRACE_SETOPTIONS, pid, libc::PTRACE_O_TRACEEXIT as usize)?;
    request(libc::PTRACE_CONT, pid, 0)?;
    let mut resident_kib = 0;
    loop {
        let (status, _) = wait(pid)?;
        if libc::WIFEXITED(status) {
            return Ok(Peak { resident_kib, exit_code: Some(libc::WEXITSTATUS(status)) });
        }
        if libc::WIFSIGNALED(status) {
            return Ok(Peak { resident_kib, exit_code: None });
        }
        let mut signal = libc::WSTOPSIG(status) as usize;
        if status >> 16 == libc::PTRACE_EVENT_EXIT {
            let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
            resident_kib = peak_resident_kib(&text).unwrap_or(0);
            signal = 0;
        }
        request(libc::PTRACE_CONT, pid, signal)?;
    }
}

fn wait(pid: libc::pid_t) -> io::Result<(i32, libc::rusage)> {
    let mut status = 0;
    // SAFETY: `rusage` consists of numbers; all zeros is a value of it.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: `status` and `usage` are writable.
        if unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) } == pid {
            return Ok((status, usage));
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

fn request(request: libc::c_uint, pid: libc::pid_t, data: usize) -> io::Result<()> {
    // SAFETY: the requests used here take a number as data, and no address.
    let answer = unsafe { libc::ptrace(request, pid, null_mut::<libc::c_void>(), data) };
    if answer == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_of_a_small_program_is_smaller_than_ours() {
        // This process holds 64 MiB when it starts the small program.
        let held = vec![1_u8; 64 << 20];
        let peak = of_program(Command::new("/bin/sh").args(["-c", "exit 3"])).expect("sh runs");
        assert_eq!(peak.exit_code, Some(3));
        assert!((200..20_000).contains(&peak.resident_kib), "{} KiB", peak.resident_kib);
        assert!(held.iter().all(|&byte| byte == 1));
    }

    #[test]
    fn an_account_includes_what_children_used() {
        let script = "sh -c 'i=0; while [ $i -lt 60000 ]; do i=$((i + 1)); done'; exit 3";
        let mut child = Command::new("/bin/sh").args(["-c", script]).spawn().expect("sh runs");
        let account = wait_for(&mut child).expect("it ends");
        assert_eq!(account.exit_code, Some(3));
        assert!(account.cpu > Duration::from_millis(5), "{:?}", account.cpu);
        assert!((200..1_000_000).contains(&account.resident_kib), "{} KiB", account.resident_kib);
    }
}
