#![allow(unsafe_code)]

use std::string::String;
use std::vec::Vec;

use super::*;
use crate::tests::these_tests;

/// Name of a variable that is longer than the buffer through which the environment is read.
const LONG: &str = "TEST_OF_A_LONG_VARIABLE";

fn variables(read: impl Fn(&mut dyn FnMut(&[u8]))) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    read(&mut |variable| found.push(variable.to_vec()));
    found
}

#[test]
fn the_kernels_copy_of_the_environment_says_what_the_process_began_with() {
    if std::env::var_os(LONG).is_none() {
        let name = "the_kernels_copy_of_the_environment";
        // The variables on either side of the long one are found, in whatever order.
        let output = these_tests()
            .arg(name)
            .env_clear()
            .env("A", "1")
            .env(LONG, "x".repeat(5000))
            .env("Z", "2".repeat(1500))
            .env("ZZ", "3")
            .output();
        let output = output.expect("the tests run");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
        return;
    }
    let whole = std::fs::read("/proc/self/environ").expect("readable");
    let expected: Vec<_> = whole
        .split(|&byte| byte == 0)
        .filter(|variable| !variable.is_empty() && !variable.starts_with(LONG.as_bytes()))
        .collect();
    assert!(expected.iter().any(|variable| variable == b"ZZ=3"));
    assert_eq!(variables(for_each_initial_variable), expected);
    assert!(variables(for_each_variable).iter().any(|variable| variable == b"A=1"));
}

/// How a child ends whose filter refuses every call that ends a process.
#[cfg(target_arch = "x86_64")]
#[test]
fn a_process_that_may_not_end_itself_ends_by_a_fault() {
    const fn load(offset: u32) -> libc::sock_filter {
        let code = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
        libc::sock_filter { code, jt: 0, jf: 0, k: offset }
    }
    const fn give(answer: u32) -> libc::sock_filter {
        libc::sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: answer }
    }
    let is_end = |jt, number: libc::c_long| {
        let code = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
        libc::sock_filter { code, jt, jf: 0, k: number as u32 }
    };
    let mut filter = [
        load(0),
        is_end(2, libc::SYS_exit_group),
        is_end(1, libc::SYS_tgkill),
        give(libc::SECCOMP_RET_ALLOW),
        give(libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
    ];
    // SAFETY: the child makes system calls only.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let program = libc::sock_fprog { len: 5, filter: filter.as_mut_ptr() };
        let program = &raw const program as usize;
        let mode = libc::SECCOMP_MODE_FILTER as usize;
        // SAFETY: restricts this process alone.
        let _ = unsafe { call(libc::SYS_prctl, [libc::PR_SET_NO_NEW_PRIVS as usize, 1, 0, 0, 0]) };
        // SAFETY: the filter is complete.
        let _ = unsafe { call(libc::SYS_prctl, [libc::PR_SET_SECCOMP as usize, mode, program]) };
        abort();
    }
    let mut status = 0;
    // SAFETY: the call fills `status`.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert!(libc::WIFSIGNALED(status), "{status:#x}");
    assert_eq!(libc::WTERMSIG(status), libc::SIGSEGV);
}
